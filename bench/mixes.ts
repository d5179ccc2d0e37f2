/**
 * Captures for benchmarks, made from the visible ones: every packet again and again with
 * shifted addresses, as Ethernet frames in one pcap file.
 *
 * - `p2p`: the first packets of every flow of the P2P captures, about 135,000 flows of 6-7 packets.
 * - `ordinary`: everything in the captures without P2P, as many copies as make the bytes asked for.
 *
 * Addresses are shifted alike in both directions, so that copies are flows of their own;
 * checksums are left as they were (no reader here checks them).
 */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { putU16 } from '../src/base/bytes.js';
import { FlowTable } from '../src/flow/flow-table.js';
import { CaptureReader } from '../src/pcap/capture-reader.js';
import { decodeFrame } from '../src/wire/decode.js';
import { PacketView } from '../src/wire/packet-view.js';

export interface Mix {
  readonly path: string;
  readonly packets: number;
  readonly flows: number;
  readonly lengthBytes: number;
}

interface Packet {
  /** The IP datagram, copied. */
  readonly ip: Uint8Array;
  /** Milliseconds since its capture's first packet. */
  readonly sinceMs: number;
}

const ETHERNET_BYTES = 14;
const RECORD_BYTES = 16;

/** Packets of one capture as IP datagrams; `perFlow` limits how many of each flow. Returns how many flows they form. */
function load(path: string, perFlow: number): { packets: Packet[]; flows: number } {
  const table = new FlowTable({ onEnd: () => undefined });
  const view = new PacketView();
  const reader = new CaptureReader();
  reader.feed(readFileSync(path));
  reader.finish();
  const packets: Packet[] = [];
  let flows = 0;
  let firstMs = -1;
  while (reader.next() === 'packet') {
    const status = decodeFrame(view, reader.linkType, reader.bytes, reader.start, reader.end);
    if (status !== 'ok' || view.tunnelDepth !== 0 || (view.protocol !== 6 && view.protocol !== 17)) continue;
    view.timeMs = reader.timeMs;
    const flow = table.lookup(view);
    if (table.packets(flow, 0) + table.packets(flow, 1) > perFlow) continue;
    if (table.isNew) flows++;
    if (firstMs < 0) firstMs = reader.timeMs;
    packets.push({ ip: reader.bytes.slice(view.start, view.end), sinceMs: Math.max(0, reader.timeMs - firstMs) });
  }
  return { packets, flows };
}

/** Shifts both addresses of a datagram in a way that differs for each copy (up to 65,536). */
function shiftAddresses(bytes: Uint8Array, at: number, copy: number): void {
  const offsets = bytes[at]! >> 4 === 6 ? [at + 12, at + 28] : [at + 13, at + 17];
  for (const offset of offsets) {
    bytes[offset]! ^= copy >> 8;
    bytes[offset + 1]! ^= copy & 0xff;
  }
}

/** Writes copies of the captures until there are enough flows and bytes. */
function writeMix(path: string, captures: readonly string[], perFlow: number, atLeast: { flows: number; bytes: number }): Mix {
  const loaded = captures.map((capture) => load(capture, perFlow));
  const file = openSync(path, 'w');
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0xa1b2c3d4, true);
  header.setUint16(4, 2, true);
  header.setUint16(6, 4, true);
  header.setUint32(16, 262_144, true);
  header.setUint32(20, 1, true);
  writeSync(file, new Uint8Array(header.buffer));
  const buffer = new Uint8Array(1 << 22);
  const fields = new DataView(buffer.buffer);
  let at = 0;
  let startMs = 1_700_000_000_000;
  const made = { packets: 0, flows: 0, lengthBytes: 24 };
  for (let copy = 0; made.flows < atLeast.flows || made.lengthBytes < atLeast.bytes; copy++) {
    for (const { packets, flows } of loaded) {
      let lastMs = startMs;
      for (const { ip, sinceMs } of packets) {
        const lengthBytes = ETHERNET_BYTES + ip.length;
        if (at + RECORD_BYTES + lengthBytes > buffer.length) {
          writeSync(file, buffer, 0, at);
          at = 0;
        }
        // A capture of hours is compressed to seconds, so that copies overlap as flows on a busy link do.
        lastMs = startMs + (sinceMs % 5000);
        fields.setUint32(at, Math.floor(lastMs / 1000), true);
        fields.setUint32(at + 4, Math.floor((lastMs % 1000) * 1000), true);
        fields.setUint32(at + 8, lengthBytes, true);
        fields.setUint32(at + 12, lengthBytes, true);
        at += RECORD_BYTES;
        buffer.fill(0, at, at + 12);
        buffer[at + 5] = 1;
        buffer[at + 11] = 2;
        putU16(buffer, at + 12, ip[0]! >> 4 === 6 ? 0x86dd : 0x0800);
        buffer.set(ip, at + ETHERNET_BYTES);
        shiftAddresses(buffer, at + ETHERNET_BYTES, copy);
        at += lengthBytes;
        made.packets++;
        made.lengthBytes += RECORD_BYTES + lengthBytes;
      }
      made.flows += flows;
    }
    startMs += 100;
  }
  writeSync(file, buffer, 0, at);
  closeSync(file);
  return { path, ...made };
}

function filesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.(pcap|pcapng|trace)$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

export function writeP2pMix(captures: string, into: string): Mix {
  const from = [...filesIn(join(captures, 'p2p')), ...filesIn(join(captures, 'lab'))];
  return writeMix(join(into, 'p2p.pcap'), from, 12, { flows: 135_000, bytes: 0 });
}

export function writeOrdinaryMix(captures: string, into: string, atLeastBytes: number): Mix {
  return writeMix(join(into, 'ordinary.pcap'), filesIn(join(captures, 'negatives')), Number.MAX_SAFE_INTEGER, { flows: 0, bytes: atLeastBytes });
}
