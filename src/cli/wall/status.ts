/** `p2pwall status`: how the wall fares, in a screenful. */
import type { Status } from '../../control/protocol.js';
import { bytesText, countText, tableText } from '../../report/table.js';
import { type DaemonOptions, askDaemon } from './ask-daemon.js';
import { terminalWidth } from '../terminal.js';

function listed(totals: Readonly<Record<string, number>>, names: Readonly<Record<string, string>> = {}): string {
  const parts = Object.entries(totals).filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a);
  return parts.length === 0 ? 'none' : parts.map(([name, count]) => `${names[name] ?? name} ${countText(count)}`).join(', ');
}

function statusText(status: Status, widthColumns: number | null): string {
  const { queue } = status;
  const lines = [
    `p2pwall ${status.version}, process ${status.pid}, up ${countText(status.uptime_seconds)} s, mode ${status.mode}`,
    `inside ${status.inside.join(' ')}; outside ${status.outside.join(' ') || '(no interface)'}; ${status.config}`,
    '',
    `inspected   ${countText(status.packets)} packets, ${bytesText(status.bytes)}; ${countText(status.flows)} flows in the table`,
    `flows       ${listed(status.flows_decided, { pass: 'passed', drop: 'dropped', reject: 'rejected', class: 'shaped' })}`,
    `protocols   ${listed(status.protocols, { '-': 'ordinary' })}`,
    `held        ${countText(status.contained_peers)} peers of contained clients, ${countText(status.blocked_addresses)} blocked addresses`,
    `queue       ${countText(queue.waiting)} waiting, ${countText(queue.overflowed + queue.undelivered)} passed or lost because it was full`,
    `troubles    ${listed(status.troubles)}; events lost ${countText(status.events.lost)}; rules put back ${countText(status.restored)} times`,
    '',
    tableText(
      [{ title: 'RULE' }, { title: 'ACTION' }, { title: 'FLOWS', align: 'right' }],
      status.rules.map(({ name, action, flows }) => [name, action, countText(flows)]),
      widthColumns,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

export function status(options: DaemonOptions): Promise<number> {
  return askDaemon<Status>(options, { command: 'status' }, (data) => process.stdout.write(statusText(data, terminalWidth(process.stdout))));
}
