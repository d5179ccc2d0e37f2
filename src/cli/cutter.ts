/** `cutter`: cuts connections that pass through this router. */
import { cutterCommand } from './cutter-command.js';
import { runCommand } from './run-command.js';

await runCommand(cutterCommand());
