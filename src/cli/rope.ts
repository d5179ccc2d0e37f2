/** `rope`: the runner, debugger and tester of rope scripts, and their life in the kernel. */
import { ropeCommand } from './rope-command.js';
import { runCommand } from './wall/run-command.js';

await runCommand(ropeCommand());
