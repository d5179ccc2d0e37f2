/** The command of `ropec`, as data: also what completions and man pages are generated from. */
import { Command, Option } from 'commander';
import { type CompletionOption, addCompletionOption, printsCompletion } from './completion.js';
import { type ExampleTable, addExamples } from './examples.js';
import { addPushOptions, limitsOption } from './rope/options.js';
import { exitWith } from './wall/run-command.js';
import type { RopecOptions } from './rope/compile.js';
import { version } from './version.js';

export const ROPEC_EXAMPLES: ExampleTable = {
  '': [
    ['ropec contlen.rope', 'compile'],
    ['ropec --check *.rope', 'what is wrong, and can it run in the kernel?'],
    ['ropec --emit=js --push-int 2000000 contlen.rope', 'what becomes of it'],
    ['ropec -i bittorrent.rope', 'into the scripts directory, for every user of `rope`'],
  ],
};
const EXIT_STATUS = 'Exit status: 0 compiled, 1 errors in a script, 2 usage or an unreadable file.';

export function ropecCommand(): Command {
  const command = new Command('ropec')
    .description('Compile rope scripts: X.rope becomes X.rp in the working directory.')
    .version(version(), '--version')
    .helpOption('-h, --help')
    .argument('[SCRIPT...]', 'scripts; the extension .rope is required')
    .option('-o, --output <FILE>', 'write here instead (one script only; - is standard output)')
    .option('-i, --install', 'write into the scripts directory, /etc/rope.d/scripts')
    .option('--check', 'only check; also says where the script can run')
    .addOption(new Option('--emit <FORM>', 'print a form of the program instead of writing a file').choices(['ir', 'js', 'ebpf', 'disasm']))
    .option('--json', 'diagnostics as JSON lines on standard output')
    .addOption(limitsOption());
  addCompletionOption(command);
  addExamples(command, ROPEC_EXAMPLES, EXIT_STATUS);
  const pushes = addPushOptions(command);
  command.action(async (paths: string[], options: RopecOptions & CompletionOption) => {
    if (printsCompletion(command, options)) return;
    if (paths.length === 0) command.error("error: missing required argument 'SCRIPT'");
    const { ropec } = await import('./rope/compile.js');
    exitWith(await ropec(paths, options, pushes));
  });
  return command;
}
