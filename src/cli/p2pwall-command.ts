/** The command tree of `p2pwall`, as data: also what completions and man pages are generated from. */
import { Argument, Command } from 'commander';
import { type CutOptions, addCutOptions } from './cut/cut-options.js';
import { SHELLS, type Shell, completionScript } from './completion.js';
import { addIdentifyCommand } from './captures/identify-command.js';
import { addExamples } from './examples.js';
import { P2PWALL_EXAMPLES } from './p2pwall-examples.js';
import { exitWith, wholeNumber } from './wall/run-command.js';
import { version } from './version.js';
import { addWallCommands } from './wall/wall-commands.js';

const EXIT_STATUS = 'Exit status: 0 done, 1 an input could not be read, 2 usage, 69 unavailable, 77 no privilege.';

export function p2pwallCommand(): Command {
  const program = new Command('p2pwall')
    .description('Identify and control peer-to-peer traffic.')
    .version(version(), '--version')
    .helpOption('-h, --help')
    .helpCommand('help [COMMAND]', 'show help of a command');
  addIdentifyCommand(program);
  program
    .command('explain')
    .description('show how findings came about: packets, bytes, rules, and what was ruled out')
    .argument('<CAPTURE>', 'capture file, or -')
    .argument('[FLOW]', 'flow_id, or endpoints as 10.0.0.1, 10.0.0.1:6881 or 10.0.0.1:6881-192.0.2.7:51413')
    .option('--json', 'one JSON object for each flow')
    .option('--flows <N>', 'explain at most N flows when none is named', wholeNumber(0), 20)
    .action(async (capture: string, flow: string | undefined, options) => {
      const { explain } = await import('./captures/explain.js');
      exitWith(await explain(capture, flow, options));
    });
  program
    .command('protocols')
    .description('list the protocols that can be recognised')
    .option('--json', 'one JSON object for each protocol')
    .action(async (options) => {
      const { protocols } = await import('./captures/protocols.js');
      exitWith(protocols(options));
    });
  addCutOptions(program.command('cut').description('cut connections that pass through this router, at both ends (as cutter does)')).action(
    async (words: string[], options: CutOptions) => {
      const { cut } = await import('./cut/cut.js');
      exitWith(await cut('p2pwall cut', words, options));
    },
  );
  addWallCommands(program);
  program
    .command('completion')
    .description('print the completion script of a shell: eval "$(p2pwall completion bash)"')
    .addArgument(new Argument('<SHELL>', 'shell').choices(SHELLS))
    .action((shell: Shell) => {
      process.stdout.write(completionScript(program, shell));
    });
  return addExamples(program, P2PWALL_EXAMPLES, EXIT_STATUS);
}
