/**
 * Bodies of the session packets that a simulated client and supernode exchange.
 * Searching, sharing and supernode-to-supernode traffic are not built.
 *
 *   0x00  S->C  supernode list: repeated IPv4 4, port 2, minutes since seen 1, load % 1
 *   0x02  C->S  client: own IPv4 4, port 2, bandwidth 1, zero 1, user name to the end
 *   0x1D  both  network name, no terminator
 *   0x2C  S->C  the client's public IPv4 4
 */
import { ascii, concat, putU16 } from '../base/bytes.js';

export const SUPERNODE_LIST = 0x00;
export const CLIENT_INFO = 0x02;
export const NETWORK_NAME = 0x1d;
export const YOUR_ADDRESS = 0x2c;

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
  /** About 14 times log2 of kbit/s plus 59; 0xD1 for unlimited. */
  readonly bandwidth: number;
  readonly userName: string;
}

export function buildClientInfo(info: ClientInfo): Uint8Array {
  const head = new Uint8Array(8);
  head.set(info.address.subarray(0, 4));
  putU16(head, 4, info.port);
  head[6] = info.bandwidth;
  return concat(head, ascii(info.userName));
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
