/**
 * Endpoints in BitTorrent's compact forms, handed to the peer memory: 6 bytes
 * for IPv4 (address, port; BEP 23), 18 for IPv6 (BEP 7), and with a 20-byte
 * node id in front 26 and 38 (BEP 5, BEP 32). Port 0 means "unknown": left out.
 * Does not judge addresses: private ones are peers too, inside a site.
 */
import { u16 } from '../../../base/bytes.js';
import type { PeerSink } from '../../detector.js';
import { contentOfString, endOfString } from './bencode.js';

/** Bytes of a DHT node id and of an info-hash (BEP 3, BEP 5). */
export const ID_BYTES = 20;
export const IPV4_PEER_BYTES = 6;
export const IPV6_PEER_BYTES = 18;

/** Tells each whole record of [at, end): `idBytes` to skip, address, port. */
export function tellPeers(
  bytes: Uint8Array,
  at: number,
  end: number,
  addressBytes: 4 | 16,
  idBytes: number,
  sink: PeerSink,
): void {
  const peerBytes = addressBytes + 2;
  for (let next = at + idBytes; next + peerBytes <= end; next += idBytes + peerBytes) {
    const port = u16(bytes, next + addressBytes);
    if (port === 0) continue;
    if (addressBytes === 4) sink.toldIpv4(bytes, next, port);
    else sink.toldIpv6(bytes, next, port);
  }
}

/** The bencoded string at `at` (negative: absent) holds compact records. A cut string tells the records that arrived. */
export function tellCompactString(
  bytes: Uint8Array,
  at: number,
  end: number,
  addressBytes: 4 | 16,
  idBytes: number,
  sink: PeerSink,
): void {
  if (at < 0) return;
  const after = endOfString(bytes, at, end);
  const contentAt = contentOfString(bytes, at, end);
  if (contentAt < 0) return;
  const contentEnd = after < 0 ? end : after;
  tellPeers(bytes, contentAt, contentEnd, addressBytes, idBytes, sink);
}

/** The packet's sender says that it accepts peers on `port`; numbers that are no port are ignored. */
export function tellListeningPort(port: number, sink: PeerSink): void {
  if (port > 0 && port <= 0xffff) sink.listensOn(port);
}
