/**
 * A small DNS server for live tests: answers questions from a table, with aliases, IPv4 and IPv6 addresses, over UDP and TCP.
 * Unknown names get an empty answer. Runs as the module of a Worker inside a lab host.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import { parseAddress } from '../base/address.js';
import { ascii, concat, putU16, putU32, u16 } from '../base/bytes.js';

export interface NameServerData {
  readonly address: string;
  /** Name to its records: an alias or addresses. */
  readonly table: Readonly<Record<string, { readonly alias?: string; readonly addresses?: readonly string[]; readonly ttlS: number }>>;
}

const HEADER_BYTES = 12;
const TYPE_CNAME = 5;

function encodeName(name: string): Uint8Array {
  return concat(...name.split('.').map((label) => concat(Uint8Array.of(label.length), ascii(label))), Uint8Array.of(0));
}

function record(owner: string, type: number, ttlS: number, data: Uint8Array): Uint8Array {
  const middle = new Uint8Array(10);
  putU16(middle, 0, type);
  putU16(middle, 2, 1);
  putU32(middle, 4, ttlS);
  putU16(middle, 8, data.length);
  return concat(encodeName(owner), middle, data);
}

/** A query as programs send it. */
export function buildQuestion(id: number, name: string, type: 1 | 28 = 1): Uint8Array {
  return concat(Uint8Array.of(id >>> 8, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0), encodeName(name), Uint8Array.of(0, type, 0, 1));
}

/** The answer to a question, from the table. */
function buildAnswer(question: Uint8Array, table: NameServerData['table']): Uint8Array {
  let at = HEADER_BYTES;
  const labels: string[] = [];
  while ((question[at] ?? 0) > 0) {
    labels.push(String.fromCharCode(...question.subarray(at + 1, at + 1 + (question[at] ?? 0))));
    at += 1 + (question[at] ?? 0);
  }
  const end = at + 5;
  const type = u16(question, at + 1);
  const records: Uint8Array[] = [];
  let name = labels.join('.').toLowerCase();
  for (let step = 0; step < 8; step++) {
    const entry = table[name];
    if (!entry) break;
    for (const text of entry.addresses ?? []) {
      const bytes = parseAddress(text);
      if (bytes && bytes.length === (type === 28 ? 16 : 4)) records.push(record(name, type, entry.ttlS, bytes));
    }
    if (entry.alias === undefined) break;
    records.push(record(name, TYPE_CNAME, entry.ttlS, encodeName(entry.alias)));
    name = entry.alias;
  }
  const head = Uint8Array.of(question[0] ?? 0, question[1] ?? 0, 0x81, 0x80, 0, 1, 0, records.length, 0, 0, 0, 0);
  return concat(head, question.subarray(HEADER_BYTES, end), ...records);
}

export default async function nameServer(data: unknown, port: MessagePort): Promise<void> {
  const { address, table } = data as NameServerData;
  const udp = createSocket('udp4');
  udp.on('message', (bytes, from) => udp.send(buildAnswer(bytes, table), from.port, from.address));
  await new Promise<void>((ready) => udp.bind(53, address, ready));
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (bytes) => {
      const answer = buildAnswer(bytes.subarray(2), table);
      // In two segments: whoever reads the stream has to join them.
      socket.write(concat(Uint8Array.of(answer.length >>> 8, answer.length), answer.subarray(0, 20)));
      setTimeout(() => socket.end(answer.subarray(20)), 20);
    });
  });
  await new Promise<void>((ready) => tcp.listen(53, address, ready));
  port.postMessage({ kind: 'ready' });
}
