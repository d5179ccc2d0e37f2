/** `ropec`: the rope compiler. */
import { ropecCommand } from './ropec-command.js';
import { runCommand } from './run-command.js';

await runCommand(ropecCommand());
