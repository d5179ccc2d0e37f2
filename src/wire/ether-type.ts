/**
 * From an EtherType, a PPP protocol number or an LLC header to the IP header.
 *
 * Follows VLAN and backbone tags, PPPoE sessions and MPLS label stacks; they nest, so the walk is
 * bounded. Does not guess at what MPLS pseudowires carry (RFC 4448): only payloads
 * that begin like IP are taken.
 */
import { u16, u24, u8 } from '../base/bytes.js';
import {
  ETHERTYPE_FABRICPATH,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_MPLS,
  ETHERTYPE_MPLS_MULTICAST,
  ETHERTYPE_PBB,
  ETHERTYPE_PPPOE_SESSION,
  ETHERTYPE_QINQ,
  ETHERTYPE_QINQ_OLD,
  ETHERTYPE_QINQ_OLDER,
  ETHERTYPE_VLAN,
  PPP_IPV4,
  PPP_IPV6,
  PPP_MPLS,
  PPP_MPLS_MULTICAST,
} from './constants.js';
import { MALFORMED, TRUNCATED, UNSUPPORTED, anyIpAt, ipAt } from './locate.js';

export const ETHERNET_HEADER_BYTES = 14;
/** Tags of 802.1Q and relatives in one frame; two are usual, providers use three. */
export const MAX_TAGS = 4;
/** Labels of one MPLS stack; real ones have up to about five. */
export const MAX_MPLS_LABELS = 8;
/** IEEE 802.3 section 3.2.6: smaller values of the type field are the length of an LLC frame. */
const MIN_ETHERTYPE = 0x0600;

/** Locator for an Ethernet frame (destination 6, source 6, type 2) at `at`. */
export function locateInEthernet(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < ETHERNET_HEADER_BYTES) return TRUNCATED;
  return locateByEtherType(u16(bytes, at + 12), bytes, at + ETHERNET_HEADER_BYTES, end);
}

/** Locator for an LLC header (IEEE 802.2), as a length in the place of the EtherType announces it. */
export function locateInLlc(bytes: Uint8Array, at: number, end: number): number {
  return locateByEtherType(0, bytes, at, end);
}

/**
 * Locator for what follows an EtherType; `at` is the byte after it. A loop with a budget, not a
 * recursion: tags and LLC headers may contain each other, as deep as a packet likes.
 */
export function locateByEtherType(type: number, bytes: Uint8Array, at: number, end: number): number {
  for (let tags = 0; tags <= MAX_TAGS; tags++) {
    if (type < MIN_ETHERTYPE) {
      // DSAP, SSAP, control: SNAP (RFC 1042) with an EtherType, or the SAP 0x06 that was once assigned to IP itself.
      if (end - at < 3) return TRUNCATED;
      const llc = u24(bytes, at);
      if (llc === 0x06_06_03) return ipAt(bytes, at + 3, end, 4);
      if (llc !== 0xaa_aa_03) return UNSUPPORTED;
      if (end - at < 8) return TRUNCATED;
      const organisation = u24(bytes, at + 3);
      // RFC 1042: organisation 0 holds EtherTypes; 0x0000f8 is IEEE 802.1H's for bridged ones.
      if (organisation !== 0 && organisation !== 0x00_00_f8) return UNSUPPORTED;
      type = u16(bytes, at + 6);
      if (type < MIN_ETHERTYPE) return MALFORMED;
      at += 8;
    }
    let tagBytes = 0;
    switch (type) {
      case ETHERTYPE_IPV4:
        return ipAt(bytes, at, end, 4);
      case ETHERTYPE_IPV6:
        return ipAt(bytes, at, end, 6);
      case ETHERTYPE_VLAN:
      case ETHERTYPE_QINQ:
      case ETHERTYPE_QINQ_OLD:
      case ETHERTYPE_QINQ_OLDER:
        // IEEE 802.1Q section 9.3: priority and VLAN id (2 bytes), then the next type.
        tagBytes = 2;
        break;
      case ETHERTYPE_PBB:
        // Flags and service id 4, destination 6, source 6, then the type of the inner frame.
        tagBytes = 16;
        break;
      case ETHERTYPE_FABRICPATH:
        // Tree and time to live 2, destination 6, source 6, then the type of the inner frame.
        tagBytes = 14;
        break;
      case ETHERTYPE_PPPOE_SESSION:
        return locateInPppoe(bytes, at, end);
      case ETHERTYPE_MPLS:
      case ETHERTYPE_MPLS_MULTICAST:
        return locateInMpls(bytes, at, end);
      default:
        return UNSUPPORTED;
    }
    if (end - at < tagBytes + 2) return TRUNCATED;
    type = u16(bytes, at + tagBytes);
    at += tagBytes + 2;
  }
  return MALFORMED;
}

/** Locator for a PPPoE session header (RFC 2516 section 4): version and type 1, code 0, session, length. */
export function locateInPppoe(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < 6) return TRUNCATED;
  if (u8(bytes, at) !== 0x11) return MALFORMED;
  if (u8(bytes, at + 1) !== 0) return UNSUPPORTED;
  return locateByPppProtocol(bytes, at + 6, end);
}

/**
 * Locator for a PPP protocol field (RFC 1661 section 2). One byte long when protocol field
 * compression is in force: the first byte of a whole one is even.
 */
export function locateByPppProtocol(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return TRUNCATED;
  let protocol = u8(bytes, at);
  if ((protocol & 1) !== 0) {
    at += 1;
  } else {
    if (end - at < 2) return TRUNCATED;
    protocol = u16(bytes, at);
    at += 2;
  }
  switch (protocol) {
    case PPP_IPV4:
      return ipAt(bytes, at, end, 4);
    case PPP_IPV6:
      return ipAt(bytes, at, end, 6);
    case PPP_MPLS:
    case PPP_MPLS_MULTICAST:
      return locateInMpls(bytes, at, end);
    default:
      return UNSUPPORTED;
  }
}

/** Locator for a PPP frame, with or without the address and control bytes ff 03 of RFC 1662. */
export function locateInPpp(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < 2) return TRUNCATED;
  return locateByPppProtocol(bytes, u16(bytes, at) === 0xff03 ? at + 2 : at, end);
}

/** Locator for an MPLS label stack (RFC 3032 section 2.1): 4 bytes each, bit 8 marks the bottom. */
export function locateInMpls(bytes: Uint8Array, at: number, end: number): number {
  for (let labels = 0; labels < MAX_MPLS_LABELS; labels++) {
    if (end - at < 4) return TRUNCATED;
    const isBottom = (u8(bytes, at + 2) & 1) !== 0;
    at += 4;
    // RFC 4928: routers tell IP by its first nibble, so no other payload may look like it.
    if (isBottom) return anyIpAt(bytes, at, end, UNSUPPORTED);
  }
  return MALFORMED;
}
