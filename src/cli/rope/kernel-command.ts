/** Commands of `rope` for scripts in the kernel, as data. */
import { type Command, Option } from 'commander';
import { addPushOptions, limitsOption, readInt } from './options.js';
import { exitWith, wholeNumber } from '../wall/run-command.js';

/** For tests and unusual systems. */
function addPlaces(command: Command): Command {
  return command
    .addOption(new Option('--bpffs <DIRECTORY>', 'bpf file system to pin in').default('/sys/fs/bpf'))
    .addOption(new Option('--run <DIRECTORY>', 'directory for records').default('/run/p2pwall'));
}

export function addKernelCommands(program: Command): void {
  const load = addPlaces(
    program
      .command('load')
      .description('load a script into the kernel and pin it, for rules of iptables')
      .argument('<SCRIPT>', 'as for run')
      .requiredOption('--name <NAME>', 'under this name')
      .addOption(new Option('--via <WAY>', 'how packets reach the script').choices(['ebpf', 'queue']).default('ebpf'))
      .option('--queue <N>', 'with --via queue: queue number', wholeNumber(0), 7)
      .option('-v, --verbose', 'print the verifier\'s whole log when it refuses')
      .addOption(limitsOption()),
  );
  const pushes = addPushOptions(load);
  load.action(async (script: string, options) => {
    if (options.via === 'queue') {
      const { ropeQueue } = await import('./queue.js');
      exitWith(await ropeQueue(script, options, pushes));
      return;
    }
    const { ropeLoad } = await import('./kernel.js');
    exitWith(await ropeLoad(script, options, pushes));
  });
  addPlaces(
    program.command('unload').description('remove scripts from the kernel; rules that use them keep them alive').argument('<NAME...>'),
  ).action(async (names: string[], options) => {
    const { ropeUnload } = await import('./kernel.js');
    exitWith(ropeUnload(names, options));
  });
  addPlaces(
    program
      .command('list')
      .description('scripts in the kernel: hits, errors, hotdrops, time of a run')
      .option('--json', 'one JSON object for each script')
      .option('--measure <SECONDS>', 'count runs and their time for so long', wholeNumber(1)),
  ).action(async (options) => {
    const { ropeList } = await import('./kernel.js');
    exitWith(await ropeList(options));
  });
  addPlaces(
    program
      .command('rule')
      .description('print the match for a rule: iptables -A FORWARD $(rope rule NAME) -j DROP')
      .argument('<NAME>', 'a loaded script; \'!NAME\' inverts the match, as --not does')
      .option('--not', 'match what the script does not match')
      .option('--chain <CHAIN>', 'print whole rules for this chain ...')
      .option('--jump <TARGET>', '... and this target')
      .option('-t, --table <TABLE>', 'in this table')
      .option('-6, --ipv6', 'for ip6tables'),
  ).action(async (name: string, options) => {
    const { ropeRule } = await import('./kernel.js');
    exitWith(ropeRule(name, options));
  });
  addPlaces(
    program
      .command('greg')
      .description('print a global register of the scripts in the kernel, or set it')
      .argument('<N>', 'register, 0 to 63', wholeNumber(0))
      .argument('[VALUE]', 'new value', readInt),
  ).action(async (index: number, value: number | undefined, options) => {
    const { ropeGreg } = await import('./kernel.js');
    exitWith(ropeGreg(index, value, options));
  });
  addPlaces(
    program.command('clock').description('tell loaded scripts the time again, after the clock was set or the time zone changed'),
  ).action(async (options) => {
    const { ropeClock } = await import('./kernel.js');
    exitWith(ropeClock(options));
  });
}
