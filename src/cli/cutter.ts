/** `cutter`: cuts connections that pass through this router. */
import { cutterCommand } from './cutter-command.js';
import { runCommand } from './wall/run-command.js';

await runCommand(cutterCommand());
