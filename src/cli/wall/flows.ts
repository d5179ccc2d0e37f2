/** `p2pwall flows`: peer-to-peer flows that the wall knows now, and what became of them. */
import type { LiveFlow } from '../../control/protocol.js';
import { tableText } from '../../report/table.js';
import { type DaemonOptions, askDaemon } from './ask-daemon.js';
import { terminalWidth } from '../terminal.js';

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function flows(options: DaemonOptions & { readonly limit: number }): Promise<number> {
  return askDaemon<LiveFlow[]>(options, { command: 'flows', limit: options.limit }, (data) => {
    if (data.length === 0) {
      process.stdout.write('no peer-to-peer flow now\n');
      return;
    }
    const columns = [{ title: 'FROM' }, { title: 'TO' }, { title: 'PROTO' }, { title: 'PROTOCOL' }, { title: 'CONFIDENCE' }, { title: 'PACKET', align: 'right' as const }, { title: 'VERDICT' }, { title: 'RULE' }, { title: 'WHY' }];
    const rows = data.map((it) => [
      endpoint(it.src_ip, it.src_port),
      endpoint(it.dest_ip, it.dest_port),
      it.proto,
      `${it.p2p?.protocol ?? '-'}/${it.p2p?.feature ?? '-'}`,
      it.p2p?.confidence ?? '-',
      String(it.p2p?.packet ?? '-'),
      it.verdict?.outcome ?? 'inspecting',
      it.verdict?.rule ?? '-',
      it.p2p?.why ?? '',
    ]);
    process.stdout.write(`${tableText(columns, rows, terminalWidth(process.stdout))}\n`);
  });
}
