/**
 * Link types of capture files that `decodeFrame` understands, under the names of
 * the registry "Link-Layer Header Types" of the Tcpdump Group (LINKTYPE_ values,
 * which files carry, not the DLT_ values of one operating system).
 */

/** Linux and BSD loopback: 4 bytes address family in the capturing host's byte order. */
export const LINKTYPE_NULL = 0;
export const LINKTYPE_ETHERNET = 1;
export const LINKTYPE_PPP = 9;
export const LINKTYPE_FDDI = 10;
/** Raw IP: DLT_RAW values of several systems found in old files, then the registered one. */
export const LINKTYPE_RAW_BSD = 12;
export const LINKTYPE_RAW_OPENBSD = 14;
export const LINKTYPE_PPP_HDLC = 50;
export const LINKTYPE_PPP_ETHER = 51;
export const LINKTYPE_RAW = 101;
export const LINKTYPE_C_HDLC = 104;
export const LINKTYPE_IEEE802_11 = 105;
/** OpenBSD loopback: as LINKTYPE_NULL, in network byte order. */
export const LINKTYPE_LOOP = 108;
export const LINKTYPE_LINUX_SLL = 113;
export const LINKTYPE_IEEE802_11_RADIOTAP = 127;
/** PPP of Linux pppd: one direction byte where 0xff would stand. */
export const LINKTYPE_PPP_PPPD = 166;
/** Per-packet information header, then another link type. */
export const LINKTYPE_PPI = 192;
export const LINKTYPE_IPV4 = 228;
export const LINKTYPE_IPV6 = 229;
/** Packets logged by netfilter (`tcpdump -i nflog:GROUP`). */
export const LINKTYPE_NFLOG = 239;
export const LINKTYPE_LINUX_SLL2 = 276;

const NAMES: ReadonlyMap<number, string> = new Map([
  [LINKTYPE_NULL, 'BSD loopback'],
  [LINKTYPE_ETHERNET, 'Ethernet'],
  [LINKTYPE_PPP, 'PPP'],
  [LINKTYPE_FDDI, 'FDDI'],
  [LINKTYPE_RAW_BSD, 'raw IP'],
  [LINKTYPE_RAW_OPENBSD, 'raw IP'],
  [LINKTYPE_PPP_HDLC, 'PPP in HDLC framing'],
  [LINKTYPE_PPP_ETHER, 'PPPoE session'],
  [LINKTYPE_RAW, 'raw IP'],
  [LINKTYPE_C_HDLC, 'Cisco HDLC'],
  [LINKTYPE_IEEE802_11, '802.11'],
  [LINKTYPE_LOOP, 'OpenBSD loopback'],
  [LINKTYPE_LINUX_SLL, 'Linux cooked'],
  [LINKTYPE_IEEE802_11_RADIOTAP, '802.11 with radiotap'],
  [LINKTYPE_PPP_PPPD, 'PPP of pppd'],
  [LINKTYPE_PPI, 'PPI'],
  [LINKTYPE_IPV4, 'raw IPv4'],
  [LINKTYPE_IPV6, 'raw IPv6'],
  [LINKTYPE_NFLOG, 'NFLOG'],
  [LINKTYPE_LINUX_SLL2, 'Linux cooked v2'],
]);

/** Whether `decodeFrame` knows the link type; frames of others are always `unsupported`. */
export function isKnownLinkType(linkType: number): boolean {
  return NAMES.has(linkType);
}

/** `Ethernet`, or `link type 147` for one that is not decoded. */
export function linkTypeName(linkType: number): string {
  return NAMES.get(linkType) ?? `link type ${linkType}`;
}
