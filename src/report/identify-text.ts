/**
 * The text output of `p2pwall identify`: per capture a summary by protocol, then the flows.
 */
import type pc from 'picocolors';
import type { Confidence } from '../events/confidence.js';
import type { ReplayCounts } from '../engine/replay.js';
import type { CaptureSummary, ProtocolTotals } from './capture-summary.js';
import { type Column, bytesText, countText, numberOf, tableText } from './table.js';

/** How to print: colour functions and the terminal's width (null: no terminal). */
export interface Look {
  readonly colors: ReturnType<typeof pc.createColors>;
  readonly widthColumns: number | null;
}

const TOTAL_COLUMNS: readonly Column[] = [
  { title: 'PROTOCOL' },
  { title: 'CATEGORY', spare: 1 },
  { title: 'FLOWS', align: 'right' },
  { title: 'CERTAIN', align: 'right' },
  { title: 'LIKELY', align: 'right' },
  { title: 'SUSPECTED', align: 'right' },
  { title: 'PACKETS', align: 'right', spare: 2 },
  { title: 'BYTES', align: 'right', spare: 3 },
  { title: 'CLIENTS', align: 'right' },
];

const FLOW_COLUMNS: readonly Column[] = [
  { title: 'PROTOCOL' },
  { title: 'FEATURE' },
  { title: 'CONFIDENCE' },
  { title: 'OVER', spare: 4 },
  { title: 'INITIATOR' },
  { title: 'RESPONDER' },
  { title: 'PACKETS', align: 'right', spare: 3 },
  { title: 'BYTES', align: 'right', spare: 2 },
  { title: 'AT', align: 'right', spare: 1 },
  { title: 'WHY', spare: 5 },
];

function confidenceText(confidence: Confidence, { colors }: Look): string {
  switch (confidence) {
    case 'certain':
      return colors.green(confidence);
    case 'likely':
      return colors.yellow(confidence);
    case 'suspected':
      return colors.dim(confidence);
  }
}

function totalRow(totals: ProtocolTotals, { colors }: Look): string[] {
  return [
    colors.bold(totals.protocol),
    totals.category,
    countText(totals.flows),
    countText(totals.byConfidence.certain),
    countText(totals.byConfidence.likely),
    countText(totals.byConfidence.suspected),
    countText(totals.packets),
    bytesText(totals.lengthBytes),
    countText(totals.clients.size),
  ];
}

function endpoint(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** What was not looked at, in words; empty when everything was. */
function skippedText(counts: ReplayCounts): string {
  const parts = [
    [counts.fragments, 'fragments'],
    [counts.truncated, 'cut inside a header'],
    [counts.malformed, 'malformed'],
    [counts.unsupported, 'not IP'],
  ] as const;
  const said = parts.filter(([count]) => count > 0).map(([count, what]) => `${countText(count)} ${what}`);
  return said.length === 0 ? '' : ` (${said.join(', ')})`;
}

export function captureText(capture: string, summary: CaptureSummary, counts: ReplayCounts, look: Look): string {
  const head =
    `${look.colors.bold(capture)}: ${numberOf(counts.packets, 'packet')}${skippedText(counts)}, ` +
    `${bytesText(counts.lengthBytes)}, ${numberOf(summary.flows, 'flow')}, ${countText(summary.p2pFlows)} peer-to-peer`;
  if (summary.p2pFlows === 0) return head;
  const parts = [head, '', tableText(TOTAL_COLUMNS, summary.totals().map((totals) => totalRow(totals, look)), look.widthColumns)];
  if (summary.listed.length > 0) {
    const rows = summary.listed.map((flow) => [
      flow.p2p?.protocol ?? '',
      flow.p2p?.feature ?? '',
      confidenceText(flow.p2p?.confidence ?? 'suspected', look),
      flow.proto,
      endpoint(flow.src_ip, flow.src_port),
      endpoint(flow.dest_ip, flow.dest_port),
      countText(flow.packets),
      bytesText(flow.bytes),
      String(flow.p2p?.packet ?? ''),
      flow.p2p?.why ?? '',
    ]);
    parts.push('', tableText(FLOW_COLUMNS, rows, look.widthColumns));
  }
  const unlisted = summary.p2pFlows - summary.listed.length;
  if (unlisted > 0) parts.push(`  ... and ${countText(unlisted)} more ${unlisted === 1 ? 'flow' : 'flows'} (--flows N lists more, --json lists all)`);
  return `${parts.join('\n')}\n`;
}

export function totalText(captures: number, total: CaptureSummary, look: Look): string {
  const head = `${look.colors.bold(`all ${captures} captures`)}: ${numberOf(total.flows, 'flow')}, ${countText(total.p2pFlows)} peer-to-peer`;
  if (total.p2pFlows === 0) return head;
  return `${head}\n\n${tableText(TOTAL_COLUMNS, total.totals().map((totals) => totalRow(totals, look)), look.widthColumns)}`;
}
