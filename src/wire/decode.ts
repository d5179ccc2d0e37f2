/**
 * Decoding packets into a reused PacketView: the door of this folder for the hot path.
 *
 * One tunnel is unwrapped: the view then describes the inner datagram and `tunnelDepth`
 * is 1. When what a tunnel carries does not decode (encrypted, not IP, cut short by the
 * snap length), the view describes the outer datagram: its addresses are true, so rules
 * and counters still see the traffic. A tunnel inside a tunnel stays what the inner
 * datagram says (`protocol` 4, 41 or 47).
 */
import { u16, u8 } from '../base/bytes.js';
import { ETHERTYPE_IPV4, IPPROTO_TCP } from './constants.js';
import { decodeDatagram, setUndecoded } from './ip.js';
import { LINKTYPE_ETHERNET } from './link-types.js';
import { locateIp } from './link.js';
import { locatorStatus } from './locate.js';
import type { DecodeStatus, PacketView } from './packet-view.js';
import { locateInTunnel, mayBeTunnel } from './tunnel.js';

/**
 * Decodes the IP datagram at `start`; `[start, end)` are the captured bytes, padding included.
 * The view borrows `bytes`. Overwrites every field, allocates nothing, never throws.
 */
export function decodeIp(view: PacketView, bytes: Uint8Array, start: number, end: number): DecodeStatus {
  const status = decodeDatagram(view, bytes, start, end);
  if (view.protocol === IPPROTO_TCP || status !== 'ok' || !mayBeTunnel(view)) return status;
  return decodeInner(view, bytes, start, end);
}

function decodeInner(view: PacketView, bytes: Uint8Array, start: number, end: number): DecodeStatus {
  const innerAt = locateInTunnel(view);
  if (innerAt < 0) return 'ok';
  const status = decodeDatagram(view, bytes, innerAt, view.end);
  if (status === 'ok' || status === 'fragment') {
    view.tunnelDepth = 1;
    return status;
  }
  return decodeDatagram(view, bytes, start, end);
}

/**
 * Decodes the frame `[start, end)` of the given link type (LINKTYPE_ value, see `link-types.ts`).
 * As `decodeIp`; `unsupported` when the frame carries no IP (ARP, say) or the link type is unknown:
 * `bytes`, `start` and `end` then say where the frame is, and nothing else is valid.
 */
export function decodeFrame(
  view: PacketView,
  linkType: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): DecodeStatus {
  // The usual case without the detour: Ethernet, IPv4. 14 bytes of header and the version nibble.
  if (
    linkType === LINKTYPE_ETHERNET &&
    end - start > 14 &&
    u16(bytes, start + 12) === ETHERTYPE_IPV4 &&
    u8(bytes, start + 14) >> 4 === 4
  ) {
    return decodeIp(view, bytes, start + 14, end);
  }
  const ipAt = locateIp(linkType, bytes, start, end);
  if (ipAt >= 0) return decodeIp(view, bytes, ipAt, end);
  decodeDatagram(view, bytes, start, start);
  return setUndecoded(view, start, end, 0, locatorStatus(ipAt));
}
