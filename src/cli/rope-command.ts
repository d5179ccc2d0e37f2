/** The command tree of `rope`, as data: also what completions and man pages are generated from. */
import { Argument, Command, Option } from 'commander';
import { REFERENCE_NAMES } from '../rope/reference.js';
import { type CompletionHints, SHELLS, type Shell, completionScript } from './completion.js';
import { BACK_ENDS } from './rope/back-ends.js';
import { addExamples } from './examples.js';
import { ROPE_EXAMPLES } from './rope-examples.js';
import { addKernelCommands } from './rope/kernel-command.js';
import { addPushOptions, limitsOption } from './rope/options.js';
import { exitWith, wholeNumber } from './wall/run-command.js';
import { version } from './version.js';

const NOTES = 'Without a command, `run` is meant.\nExit status of run, like grep: 0 a packet matched, 1 none did, 2 error.';

export const ROPE_COMPLETION: CompletionHints = { defaultCommand: 'run', choices: { words: REFERENCE_NAMES } };

export function ropeCommand(): Command {
  const program = new Command('rope')
    .description('Run rope scripts on packets.')
    .version(version(), '--version')
    .helpOption('-h, --help')
    .helpCommand('help [COMMAND]', 'show help of a command')
    .usage('[COMMAND] SCRIPT PACKETS...');
  addRun(program);
  addDebug(program);
  program
    .command('test')
    .description('run the test cases of Markdown files on every back end')
    .argument('<FILE...>', 'files with cases, see docs/rope-tests.md')
    .option('-v, --verbose', 'also name the cases that pass')
    .action(async (files: string[], options) => {
      const { ropeTest } = await import('./rope/test-files.js');
      exitWith(ropeTest(files, options));
    });
  addKernelCommands(program);
  addReference(program);
  return addExamples(program, ROPE_EXAMPLES, NOTES);
}

function addRun(program: Command): void {
  const run = program
    .command('run', { isDefault: true })
    .description('run a script on packets')
    .argument('<SCRIPT>', 'source (.rope), compiled script (.rp), or the name of an installed one')
    .argument('<PACKETS...>', 'files with one raw IP packet each, captures (pcap, pcapng, gzip), or -')
    .addOption(new Option('--backend <NAME>', 'what runs the script').choices(BACK_ENDS.map(({ name }) => name)).default('interpreter'))
    .option('--trace', 'print each step on standard error: source, stack, offset (interpreter)')
    .option('--dump', 'print the stack after each packet (interpreter)')
    .option('--profile', 'print how often each line ran, and the time for a packet')
    .option('-q, --quiet', 'print no verdicts, only the count')
    .option('--matches', 'print only packets that match or are dropped')
    .option('--json', 'one JSON object for each packet, then a summary')
    .option('--time <EPOCH>', 'the time of packets that carry none, and of $kernel_time', wholeNumber(0))
    .addOption(limitsOption());
  const pushes = addPushOptions(run);
  run.action(async (script: string, packets: string[], options) => {
    const { ropeRun } = await import('./rope/run.js');
    exitWith(await ropeRun(script, packets, options, pushes));
  });
}

function addDebug(program: Command): void {
  const debug = program
    .command('debug')
    .description('step through a script on one packet')
    .argument('<SCRIPT>', 'as for run')
    .argument('<PACKETS>', 'as for run')
    .option('--packet <N>', 'which packet of a capture', wholeNumber(1), 1)
    .addOption(limitsOption());
  const pushes = addPushOptions(debug);
  debug.action(async (script: string, packets: string, options) => {
    const { ropeDebug } = await import('./rope/debug.js');
    exitWith(await ropeDebug(script, packets, options, pushes));
  });
}

function addReference(program: Command): void {
  program
    .command('words')
    .description('explain words and predefined registers of the language; without a name list them all')
    .argument('[NAME...]', 'words and registers, these with or without $')
    .action(async (names: string[]) => {
      const { ropeWords } = await import('./rope/words.js');
      exitWith(ropeWords(names));
    });
  program
    .command('completion')
    .description('print the completion script of a shell: eval "$(rope completion bash)"')
    .addArgument(new Argument('<SHELL>', 'shell').choices(SHELLS))
    .action((shell: Shell) => {
      process.stdout.write(completionScript(program, shell, ROPE_COMPLETION));
    });
}
