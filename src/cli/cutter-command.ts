/** The command line of `cutter`, as data: also what completions and man pages are generated from. */
import { Command } from 'commander';
import { type CutOptions, addCutOptions } from './cut/cut-options.js';
import { type CompletionOption, addCompletionOption, printsCompletion } from './completion.js';
import { type ExampleTable, addExamples } from './examples.js';
import { exitWith } from './wall/run-command.js';
import { version } from './version.js';

export const CUTTER_EXAMPLES: ExampleTable = {
  '': [
    ['cutter 10.0.0.5', 'every connection that has 10.0.0.5 at either end'],
    ['cutter 10.0.0.5 22', 'those with its port 22'],
    ['cutter 10.0.0.5 0 192.0.2.7 443', 'those with port 443 of 192.0.2.7'],
    ['cutter --list 10.0.0.0/8 6881-6889', 'what would be cut'],
    ['cutter --idle 1h --hold 60 10.0.0.5', 'idle for an hour; refuse to reconnect for a minute'],
  ],
};
const EXIT_STATUS = 'Exit status: 0 all cut, 1 none matched, 2 usage, 3 some failed, 69 unavailable, 77 no privilege.';

export function cutterCommand(): Command {
  const command = new Command('cutter')
    .description('Cut TCP connections that pass through this router, at both ends, at once, idle ones too.')
    .usage('[options] IP [PORT [IP [PORT]]]')
    .version(version(), '-V, --version')
    .helpOption('-h, --help');
  addExamples(command, CUTTER_EXAMPLES, EXIT_STATUS);
  addCompletionOption(command);
  return addCutOptions(command).action(async (words: string[], options: CutOptions & CompletionOption, self: Command) => {
    if (printsCompletion(self, options)) return;
    if (words.length === 0 && !hasSelection(options)) self.help({ error: true });
    const { cut } = await import('./cut/cut.js');
    exitWith(await cut('cutter', words, options));
  });
}

/** Without words and without any of these the user wants to know how it works. */
function hasSelection({ all, mark, iface, p2p }: CutOptions): boolean {
  return all === true || mark !== undefined || iface !== undefined || p2p !== undefined;
}
