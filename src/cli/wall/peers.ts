/** `p2pwall peers`: what the kernel drops without asking: peers of contained clients, blocked addresses. */
import type { PeerList } from '../../control/protocol.js';
import { tableText } from '../../report/table.js';
import { type DaemonOptions, askDaemon } from './ask-daemon.js';
import { terminalWidth } from '../terminal.js';

export function peers(options: DaemonOptions & { readonly limit: number }): Promise<number> {
  return askDaemon<PeerList>(options, { command: 'peers', limit: options.limit }, ({ contained, blocked }) => {
    const rows = [
      ...contained.map((it) => [it.client, `${it.peer} port ${it.port}`, String(it.seconds), it.rule ?? '-']),
      ...blocked.map((it) => ['everybody', it.address, String(it.seconds), '(p2pwall block)']),
    ];
    const columns = [{ title: 'CLIENT' }, { title: 'MAY NOT REACH' }, { title: 'SECONDS', align: 'right' as const }, { title: 'RULE' }];
    process.stdout.write(rows.length === 0 ? 'nobody is contained or blocked\n' : `${tableText(columns, rows, terminalWidth(process.stdout))}\n`);
  });
}
