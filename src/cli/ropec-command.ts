/** The command of `ropec`, as data: also what completions and man pages are generated from. */
import { Command, Option } from 'commander';
import { SHELLS, type Shell, completionScript } from './completion.js';
import { addPushOptions, limitsOption } from './rope/options.js';
import { exitWith } from './wall/run-command.js';
import type { RopecOptions } from './rope/compile.js';
import { version } from './version.js';

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
    .addOption(limitsOption())
    .addOption(new Option('--completion <SHELL>', 'print the completion script of a shell, and do nothing else').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  ropec contlen.rope                     compile
  ropec --check *.rope                   what is wrong, and can it run in the kernel?
  ropec --emit=js --push-int 2000000 contlen.rope

Exit status: 0 compiled, 1 errors in a script, 2 usage or an unreadable file.`,
    );
  const pushes = addPushOptions(command);
  command.action(async (paths: string[], options: RopecOptions & { readonly completion?: Shell }) => {
    if (options.completion !== undefined) {
      process.stdout.write(completionScript(command, options.completion));
      return;
    }
    if (paths.length === 0) command.error("error: missing required argument 'SCRIPT'");
    const { ropec } = await import('./rope/compile.js');
    exitWith(await ropec(paths, options, pushes));
  });
  return command;
}
