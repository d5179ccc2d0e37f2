/**
 * `p2pwall explain`: how a finding came about. For each flow: the packets that were
 * inspected, their first bytes, what every feature asked answered, what was ruled out.
 */
import { MORE, NO, type Finding } from '../../detect/detector.js';
import { PROTOCOLS } from '../../detect/registry.js';
import type { Candidate } from '../../detect/trigger-index.js';
import type { FlowFinding } from '../../engine/finding.js';
import { Identifier } from '../../engine/identifier.js';
import { Replay } from '../../engine/replay.js';
import { type FlowRecord, flowRecord } from '../../report/flow-record.js';
import { hexdump } from '../../report/hexdump.js';
import type { Look } from '../../report/identify-text.js';
import type { PacketView } from '../../wire/packet-view.js';
import { readCapture } from './capture-input.js';
import { EXIT_FAILED, EXIT_OK } from '../exit-codes.js';
import { captureErrorText, hasContent } from './identify.js';
import { colorsFor, terminalWidth } from '../terminal.js';

export interface ExplainOptions {
  readonly json?: boolean;
  /** Most flows explained when none is named. */
  readonly flows: number;
}

/** One feature's answer to one packet. */
interface Answer {
  readonly protocol: string;
  readonly feature: string;
  readonly answer: string;
  readonly why: string;
}

interface InspectedPacket {
  readonly number: number;
  readonly direction: 0 | 1;
  readonly payloadBytes: number;
  readonly head: Uint8Array;
  readonly answers: readonly Answer[];
  /** Finding of the flow after this packet, when the packet changed it. */
  readonly finding: FlowFinding | null;
}

/** Bytes shown of each packet, packets kept of each flow, flows traced at once. */
const HEAD_BYTES = 64;
const MAX_PACKETS = 12;
const MAX_TRACED = 20_000;

function toAnswer(candidate: Candidate, finding: Finding): Answer {
  const { protocol, feature } = candidate;
  const base = { protocol: protocol.id, feature: feature.feature };
  if (finding === NO) return { ...base, answer: 'no', why: '' };
  if (finding === MORE) return { ...base, answer: 'more', why: 'wants more bytes' };
  return { ...base, answer: finding.confidence, why: finding.why };
}

/** Collects what happened to the flows that are to be explained. */
class Tracer {
  readonly identifier: Identifier;
  readonly #traces = new Map<number, InspectedPacket[]>();
  readonly #wanted: (record: FlowRecord) => boolean;
  #answers: Answer[] = [];
  #changed: FlowFinding | null = null;

  constructor(capture: string, wanted: (record: FlowRecord) => boolean, done: (record: FlowRecord, packets: readonly InspectedPacket[]) => void) {
    this.#wanted = wanted;
    this.identifier = new Identifier({
      protocols: PROTOCOLS,
      onAnswer: (candidate, finding) => this.#answers.push(toAnswer(candidate, finding)),
      onFinding: (_flow, finding) => {
        this.#changed = finding;
      },
      onFlowEnd: (flow, finding) => {
        const packets = this.#traces.get(flow) ?? [];
        this.#traces.delete(flow);
        const record = flowRecord(this.identifier.table, flow, finding, capture);
        if (this.#wanted(record)) done(record, packets);
      },
    });
  }

  packet(view: PacketView, flow: number): void {
    const answers = this.#answers;
    const finding = this.#changed;
    this.#answers = [];
    this.#changed = null;
    if (answers.length === 0 && finding === null) return;
    const packets = this.#traces.get(flow) ?? [];
    if (packets.length === 0) {
      if (this.#traces.size >= MAX_TRACED) return;
      this.#traces.set(flow, packets);
    }
    if (packets.length >= MAX_PACKETS) return;
    const { table } = this.identifier;
    packets.push({
      number: table.packets(flow, 0) + table.packets(flow, 1),
      direction: table.direction,
      payloadBytes: view.end - view.payloadAt,
      head: view.bytes.slice(view.payloadAt, Math.min(view.end, view.payloadAt + HEAD_BYTES)),
      answers,
      finding,
    });
  }
}

/** What the user may call a flow: its id, or endpoints as `10.0.0.1:6881` (one or both, joined by `-` or blank). */
function flowFilter(text: string | undefined): (record: FlowRecord) => boolean {
  if (text === undefined) return (record) => record.p2p !== null;
  if (/^[0-9]+$/.test(text)) return (record) => record.flow_id === Number(text);
  const ends = text.split(/[\s>-]+/).filter((part) => part !== '');
  return (record) => {
    const own = [`${record.src_ip}:${record.src_port}`, `${record.dest_ip}:${record.dest_port}`, `[${record.src_ip}]:${record.src_port}`, `[${record.dest_ip}]:${record.dest_port}`, record.src_ip, record.dest_ip];
    return ends.every((end) => own.includes(end));
  };
}

function flowText(record: FlowRecord, packets: readonly InspectedPacket[], { colors }: Look): string {
  const lines = [
    colors.bold(`flow ${record.flow_id}  ${record.proto} ${record.src_ip}:${record.src_port} > ${record.dest_ip}:${record.dest_port}`) +
      `  ${record.packets} packets, ${record.bytes} bytes, from ${record.start}`,
  ];
  if (record.p2p) {
    lines.push(`  ${colors.green(`${record.p2p.protocol} ${record.p2p.feature}`)}: ${record.p2p.confidence} at packet ${record.p2p.packet}`, `  why: ${record.p2p.why}`);
  } else lines.push('  no finding');
  for (const packet of packets) {
    lines.push(`  packet ${packet.number} ${packet.direction === 0 ? '>' : '<'} ${packet.payloadBytes} bytes of payload`);
    if (packet.head.length > 0) lines.push(hexdump(packet.head, '      '));
    for (const { protocol, feature, answer, why } of packet.answers.filter((it) => it.answer !== 'no')) {
      lines.push(`      ${protocol} ${feature}: ${answer}${why === '' ? '' : `: ${why}`}`);
    }
    const ruledOut = packet.answers.filter((it) => it.answer === 'no').map(({ protocol, feature }) => `${protocol} ${feature}`);
    if (ruledOut.length > 0) lines.push(colors.dim(`      ruled out: ${ruledOut.join(', ')}`));
    if (packet.finding) lines.push(`      => ${packet.finding.protocol.id} ${packet.finding.feature}: ${packet.finding.confidence}`);
  }
  return `${lines.join('\n')}\n`;
}

function flowJson(record: FlowRecord, packets: readonly InspectedPacket[]): string {
  return JSON.stringify({
    ...record,
    event_type: 'explanation',
    inspected: packets.map(({ number, direction, payloadBytes, head, answers }) => ({
      packet: number,
      direction: direction === 0 ? 'to_server' : 'to_client',
      payload_bytes: payloadBytes,
      head: Buffer.from(head).toString('hex'),
      answers,
    })),
  });
}

/** Runs the command; returns its exit status. */
export async function explain(capture: string, flow: string | undefined, options: ExplainOptions): Promise<number> {
  const look: Look = { colors: colorsFor(process.stdout), widthColumns: terminalWidth(process.stdout) };
  let shown = 0;
  let found = 0;
  const tracer: Tracer = new Tracer(capture, flowFilter(flow), (record, packets) => {
    found++;
    if (flow === undefined && shown >= options.flows) return;
    shown++;
    process.stdout.write(`${options.json === true ? flowJson(record, packets) : flowText(record, packets, look)}\n`);
  });
  const replay = new Replay(tracer.identifier, (view, number) => {
    tracer.packet(view, number);
  });
  const error = await readCapture(capture, (reader) => void replay.drain(reader));
  tracer.identifier.finish();
  const errors = error === null ? replay.problems() : [...replay.problems(), error];
  for (const each of errors) process.stderr.write(`${captureErrorText(capture, each)}\n`);
  if (found === 0 && hasContent({ counts: replay.counts, errors })) {
    const what = flow === undefined ? 'no peer-to-peer flow' : `no flow ${flow} (give its flow_id, or its endpoints as 10.0.0.1:6881)`;
    process.stderr.write(`p2pwall: ${capture}: ${what}\n`);
    if (flow !== undefined) return EXIT_FAILED;
  } else if (shown < found) {
    process.stderr.write(`p2pwall: ${found - shown} more flows: name one, or raise --flows\n`);
  }
  return errors.length === 0 ? EXIT_OK : EXIT_FAILED;
}
