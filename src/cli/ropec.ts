/** `ropec`: the rope compiler. */
import { ropecCommand } from './ropec-command.js';
import { runCommand } from './wall/run-command.js';

await runCommand(ropecCommand());
