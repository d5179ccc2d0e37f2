/**
 * From a captured frame of a given link type to its IP header.
 *
 * Link layers are only skipped: addresses, tags and labels in them are not reported.
 * Formats: registry "Link-Layer Header Types" of the Tcpdump Group, one case each.
 */
import { u16, u16le, u32, u32le, u8 } from '../base/bytes.js';
import {
  locateByEtherType,
  locateByPppProtocol,
  locateInEthernet,
  locateInLlc,
  locateInPpp,
  locateInPppoe,
} from './ether-type.js';
import * as linkTypes from './link-types.js';
import { MALFORMED, TRUNCATED, UNSUPPORTED, anyIpAt, ipAt } from './locate.js';
import { locateInRadiotap, locateInWifi } from './wifi.js';

/** Frame control, two addresses of 6. */
const FDDI_HEADER_BYTES = 13;
/** include/uapi/linux/netfilter/nfnetlink_log.h. */
const NFULA_PAYLOAD = 9;
const MAX_NFLOG_ATTRIBUTES = 64;

/** Offset of the IP header of the frame `[start, end)`, or a negative reason of `locate.ts`. */
export function locateIp(linkType: number, bytes: Uint8Array, start: number, end: number): number {
  switch (linkType) {
    case linkTypes.LINKTYPE_ETHERNET:
      return locateInEthernet(bytes, start, end);
    case linkTypes.LINKTYPE_RAW:
    case linkTypes.LINKTYPE_RAW_BSD:
    case linkTypes.LINKTYPE_RAW_OPENBSD:
      return anyIpAt(bytes, start, end, MALFORMED);
    case linkTypes.LINKTYPE_IPV4:
      return ipAt(bytes, start, end, 4);
    case linkTypes.LINKTYPE_IPV6:
      return ipAt(bytes, start, end, 6);
    case linkTypes.LINKTYPE_LINUX_SLL:
      // Packet type 2, ARPHRD type 2, address length 2, address 8, protocol 2.
      if (end - start < 16) return TRUNCATED;
      return locateByCookedProtocol(u16(bytes, start + 14), bytes, start + 16, end);
    case linkTypes.LINKTYPE_LINUX_SLL2:
      // Protocol 2, reserved 2, interface 4, ARPHRD type 2, packet type 1, address length 1, address 8.
      if (end - start < 20) return TRUNCATED;
      return locateByCookedProtocol(u16(bytes, start), bytes, start + 20, end);
    case linkTypes.LINKTYPE_NULL:
    case linkTypes.LINKTYPE_LOOP:
      return locateInLoopback(bytes, start, end);
    case linkTypes.LINKTYPE_PPP:
      return locateInPpp(bytes, start, end);
    case linkTypes.LINKTYPE_PPP_HDLC:
      // PPP or Cisco HDLC, told apart by the first byte.
      if (start < end && u8(bytes, start) !== 0xff) return locateInCiscoHdlc(bytes, start, end);
      return locateInPpp(bytes, start, end);
    case linkTypes.LINKTYPE_PPP_PPPD:
      // Direction, 03, protocol.
      return end - start < 2 ? TRUNCATED : locateByPppProtocol(bytes, start + 2, end);
    case linkTypes.LINKTYPE_PPP_ETHER:
      return locateInPppoe(bytes, start, end);
    case linkTypes.LINKTYPE_C_HDLC:
      return locateInCiscoHdlc(bytes, start, end);
    case linkTypes.LINKTYPE_FDDI:
      if (end - start < FDDI_HEADER_BYTES) return TRUNCATED;
      return locateInLlc(bytes, start + FDDI_HEADER_BYTES, end);
    case linkTypes.LINKTYPE_IEEE802_11:
      return locateInWifi(bytes, start, end);
    case linkTypes.LINKTYPE_IEEE802_11_RADIOTAP:
      return locateInRadiotap(bytes, start, end);
    case linkTypes.LINKTYPE_PPI:
      return locateInPpi(bytes, start, end);
    case linkTypes.LINKTYPE_NFLOG:
      return locateInNflog(bytes, start, end);
    default:
      return UNSUPPORTED;
  }
}

/** Linux cooked protocol: an EtherType, or ETH_P_802_2 (4) of include/uapi/linux/if_ether.h before LLC. Other small numbers are no frames of networks. */
function locateByCookedProtocol(protocol: number, bytes: Uint8Array, at: number, end: number): number {
  if (protocol < 0x0600 && protocol !== 4) return UNSUPPORTED;
  return locateByEtherType(protocol, bytes, at, end);
}

/** Address family in the byte order of whoever captured: small, so one of the two readings is. */
function locateInLoopback(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 4) return TRUNCATED;
  const little = u32le(bytes, start);
  const family = little > 0xffff ? u32(bytes, start) : little;
  switch (family) {
    case 2:
      return ipAt(bytes, start + 4, end, 4);
    // AF_INET6 of Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin.
    case 10:
    case 23:
    case 24:
    case 28:
    case 30:
      return ipAt(bytes, start + 4, end, 6);
    default:
      // Some writers put an EtherType there.
      return family >= 0x0600 ? locateByEtherType(family, bytes, start + 4, end) : UNSUPPORTED;
  }
}

/** Address, control, EtherType. */
function locateInCiscoHdlc(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 4) return TRUNCATED;
  return locateByEtherType(u16(bytes, start + 2), bytes, start + 4, end);
}

/** PPI 1.0: version 0, flags, length of all headers 2 (little-endian), link type 4. */
function locateInPpi(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 8) return TRUNCATED;
  const headerBytes = u16le(bytes, start + 2);
  if (u8(bytes, start) !== 0 || headerBytes < 8) return MALFORMED;
  if (end - start < headerBytes) return TRUNCATED;
  const linkType = u32le(bytes, start + 4);
  // A PPI header in a PPI header would let a packet decide the depth of our recursion.
  if (linkType === linkTypes.LINKTYPE_PPI) return MALFORMED;
  return locateIp(linkType, bytes, start + headerBytes, end);
}

/** Family, version 0, group 2; then attributes (length 2 and type 2 in host order, padded to 4). */
function locateInNflog(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 4) return TRUNCATED;
  if (u8(bytes, start + 1) !== 0) return UNSUPPORTED;
  let at = start + 4;
  for (let count = 0; count < MAX_NFLOG_ATTRIBUTES; count++) {
    if (end - at < 4) return TRUNCATED;
    // Attributes are smaller than 64 KiB and types small, whatever the order: types tell which it is.
    const isLittle = u8(bytes, at + 3) === 0;
    const lengthBytes = isLittle ? u16le(bytes, at) : u16(bytes, at);
    const type = isLittle ? u16le(bytes, at + 2) : u16(bytes, at + 2);
    if (lengthBytes < 4) return MALFORMED;
    if (type === NFULA_PAYLOAD) return anyIpAt(bytes, at + 4, end, UNSUPPORTED);
    at += (lengthBytes + 3) & ~3;
  }
  return MALFORMED;
}
