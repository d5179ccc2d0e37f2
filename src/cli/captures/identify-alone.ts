/**
 * `p2pwall identify` without the other subcommands: the script that script/bundle makes for it and bin/launch.js
 * starts. Everywhere else it is part of `p2pwall`.
 */
import { Command } from 'commander';
import { addIdentifyCommand } from './identify-command.js';
import { runCommand } from '../wall/run-command.js';

const program = new Command('p2pwall').helpOption('-h, --help');
addIdentifyCommand(program);

/** Exported, not awaited: the script is no ES module. */
export const done = runCommand(program);
