/**
 * Bodies of the session packets that a simulated client and supernode exchange.
 * Searching, sharing and supernode-to-supernode traffic are not built.
 *
 *   0x00  S->C  supernode list: repeated IPv4 4, port 2, minutes since seen 1, load % 1
 *   0x02  C->S  client: own IPv4 4, port 2, bandwidth 1, zero 1, user name to the end
 *   0x1D  both  network name, no terminator
 *   0x26  both  version word, 2 (in the packets of the clients that we know)
 *   0x2C  S->C  the client's public IPv4 4
 */
import { ascii, concat, latin1, putU16, u16 } from '../base/bytes.js';

export const SUPERNODE_LIST = 0x00;
export const CLIENT_INFO = 0x02;
export const NETWORK_NAME = 0x1d;
export const VERSION = 0x26;
export const YOUR_ADDRESS = 0x2c;

/** Version word of Kazaa 2.6.2. */
export const VERSION_KAZAA_2_6_2 = 0x22;
/** Entries that a supernode sends right after connecting. */
export const USUAL_LIST_ENTRIES = 200;
const ENTRY_BYTES = 8;

export interface SupernodeEntry {
  /** 4 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
  readonly minutesSinceSeen: number;
  readonly loadPercent: number;
}

export interface ClientInfo {
  readonly address: Uint8Array;
  readonly port: number;
  /** See {@link bandwidthCode}. */
  readonly bandwidth: number;
  readonly userName: string;
}

/** About 14 times log2 of kbit/s plus 59; 0xD1 for unlimited. */
export function bandwidthCode(kilobitsPerSecond: number): number {
  if (!Number.isFinite(kilobitsPerSecond)) return 0xd1;
  return Math.max(0, Math.min(0xd0, Math.round(14 * Math.log2(Math.max(1, kilobitsPerSecond)) + 59)));
}

export function buildClientInfo(info: ClientInfo): Uint8Array {
  const head = new Uint8Array(8);
  head.set(info.address.subarray(0, 4));
  putU16(head, 4, info.port);
  head[6] = info.bandwidth;
  return concat(head, ascii(info.userName));
}

export function parseClientInfo(body: Uint8Array): ClientInfo | null {
  if (body.length < 8 || body[7] !== 0) return null;
  return { address: body.slice(0, 4), port: u16(body, 4), bandwidth: body[6] ?? 0, userName: latin1(body, 8, body.length) };
}

export function buildSupernodeList(entries: readonly SupernodeEntry[]): Uint8Array {
  const out = new Uint8Array(entries.length * ENTRY_BYTES);
  entries.forEach((entry, i) => {
    const at = i * ENTRY_BYTES;
    out.set(entry.address.subarray(0, 4), at);
    putU16(out, at + 4, entry.port);
    out[at + 6] = entry.minutesSinceSeen;
    out[at + 7] = entry.loadPercent;
  });
  return out;
}

/** null when the length is no multiple of 8. */
export function parseSupernodeList(body: Uint8Array): SupernodeEntry[] | null {
  if (body.length % ENTRY_BYTES !== 0) return null;
  const entries: SupernodeEntry[] = [];
  for (let at = 0; at < body.length; at += ENTRY_BYTES) {
    entries.push({
      address: body.slice(at, at + 4),
      port: u16(body, at + 4),
      minutesSinceSeen: body[at + 6] ?? 0,
      loadPercent: body[at + 7] ?? 0,
    });
  }
  return entries;
}
