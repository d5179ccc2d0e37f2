/**
 * `p2pwall identify` without the other subcommands: the script that script/bundle makes for it and bin/launch.js
 * starts. Everywhere else it is part of `p2pwall`.
 */
import { Command } from 'commander';
import { addExamples } from '../examples.js';
import { P2PWALL_EXAMPLES } from '../p2pwall-examples.js';
import { addIdentifyCommand } from './identify-command.js';
import { runCommand } from '../wall/run-command.js';

const program = new Command('p2pwall').helpOption('-h, --help');
addIdentifyCommand(program);
addExamples(program, P2PWALL_EXAMPLES);

/** Exported, not awaited: the script is no ES module. */
export const done = runCommand(program);
