/**
 * `p2pwall`: the command tree. Each subcommand is a file of its own, loaded when asked for.
 */
import { p2pwallCommand } from './p2pwall-command.js';
import { runCommand } from './wall/run-command.js';

await runCommand(p2pwallCommand());
