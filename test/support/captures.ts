/**
 * The visible captures and their labels, for tests. They lie beside the checkout and are
 * not part of the repository: tests that need them skip with a printed reason without.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROTOCOLS } from '../../src/detect/registry.js';
import { Identifier } from '../../src/engine/identifier.js';
import { Replay } from '../../src/engine/replay.js';
import { CaptureReader } from '../../src/pcap/capture-reader.js';
import type { Protocol } from '../../src/detect/detector.js';
import { type FlowRecord, flowRecord } from '../../src/report/flow-record.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** Folder of the captures, or null when they are not here. */
export const CAPTURES: string | null = [join(root, '..', 'shared', 'captures')].find((path) => existsSync(path)) ?? null;

export const NO_CAPTURES = 'the captures are not beside the checkout (../shared/captures)';

/** Reads a whole capture file and returns the records of all its flows, in the order they ended. */
export function identifyFile(path: string, protocols: readonly Protocol[] = PROTOCOLS): FlowRecord[] {
  const records: FlowRecord[] = [];
  const identifier: Identifier = new Identifier({
    protocols,
    onFlowEnd: (flow, finding) => {
      records.push(flowRecord(identifier.table, flow, finding, path));
    },
  });
  const replay = new Replay(identifier);
  const reader = new CaptureReader();
  reader.feed(readFileSync(path));
  if (replay.drain(reader) === 'more') {
    reader.finish();
    replay.drain(reader);
  }
  identifier.finish();
  return records;
}

/** One line of a label file. */
export interface Label {
  readonly proto: string;
  readonly a: string;
  readonly b: string;
  readonly payloadPackets: number;
  /** Protocol id as the program calls it; '-' no P2P, '?' leave out. */
  readonly family: string;
  readonly kind: string;
  readonly basis: string;
}

export function readLabels(captures: string, id: string): Label[] {
  return readFileSync(join(captures, 'labels', `${id}.tsv`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [proto = '', a = '', b = '', , ab = '0', ba = '0', family = '?', kind = '-', basis = ''] = line.split('\t');
      // The labels call it by the library, the program by the network.
      return { proto, a, b, payloadPackets: Number(ab) + Number(ba), family: family === 'libp2p' ? 'ipfs' : family, kind, basis };
    });
}

/** The capture file a label file belongs to. */
export function labelledCaptures(captures: string): { readonly id: string; readonly path: string }[] {
  return readdirSync(join(captures, 'labels'))
    .map((name) => name.replace(/\.tsv$/, ''))
    .sort()
    .flatMap((id) => {
      const path = [`p2p/${id}.pcap`, `p2p/${id}.pcapng`, `lab/${id}.pcap`]
        .map((name) => join(captures, name))
        .find((candidate) => existsSync(candidate));
      return path === undefined ? [] : [{ id, path }];
    });
}

/** Captures in a folder, sorted by name. */
export function capturesIn(captures: string, folder: string): { readonly id: string; readonly path: string }[] {
  return readdirSync(join(captures, folder))
    .filter((name) => /\.(pcap|pcapng|trace)$/.test(name))
    .sort()
    .map((name) => ({ id: name.replace(/\.\w+$/, ''), path: join(captures, folder, name) }));
}

/** The same name for both directions of a conversation. */
export function flowName(proto: string, a: string, b: string): string {
  return `${proto} ${[a, b].sort().join(' ')}`;
}

export function recordName(record: FlowRecord): string {
  return flowName(record.proto, `${record.src_ip}:${record.src_port}`, `${record.dest_ip}:${record.dest_port}`);
}
