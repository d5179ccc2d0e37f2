/** The words and options of `p2pwall identify`. */
import type { Command } from 'commander';
import { exitWith, wholeNumber } from '../wall/run-command.js';

export function addIdentifyCommand(program: Command): void {
  program
    .command('identify')
    .description('name the peer-to-peer flows of captures (pcap, pcapng, gzip; - reads standard input)')
    .argument('<CAPTURE...>', 'capture files')
    .option('--json', 'one JSON object for each flow, then a summary (EVE names)')
    .option('--all', 'with --json: also flows without a finding')
    .option('--flows <N>', 'list at most N flows for each capture', wholeNumber(0), 1000)
    .option('--max-flows <N>', 'flows followed at once', wholeNumber(1), 1_000_000)
    .action(async (captures: string[], options) => {
      const { identify } = await import('./identify.js');
      exitWith(await identify(captures, options));
    });
}
