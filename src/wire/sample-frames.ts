/**
 * Frames for tests: one of each link layer, tunnel and header chain that is decoded, by name.
 *
 * Not used by the program. The headers around IP are written by hand, byte for byte, so that they do
 * not share mistakes with the decoder; the IP packets inside come from the packet builder, which has
 * hand-written bytes to answer to in `build.test.ts`.
 */
import { ascii, concat, fromHex } from '../base/bytes.js';
import { buildEthernet, buildIcmp, buildIp, buildTcp, buildUdp } from './build.js';
import * as linkTypes from './link-types.js';

export interface SampleFrame {
  readonly name: string;
  readonly linkType: number;
  readonly frame: Uint8Array;
  /** Tunnels around the packet. */
  readonly tunnelDepth: 0 | 1;
  readonly ipVersion: 4 | 6;
  readonly protocol: number;
}

export const PAYLOAD = ascii('\x13BitTorrent protocol');
const ends4 = { src: '192.0.2.1', dst: '198.51.100.2' };
const ends6 = { src: '2001:db8::1', dst: '2001:db8::2' };
const ports = { srcPort: 40001, dstPort: 6881 };

/** TCP and UDP, one of each version: every frame below carries one of them. */
export const tcp4 = buildTcp({ ...ends4, ...ports, seq: 0xfedcba98, ack: 0x89abcdef, flags: 0x18, payload: PAYLOAD });
export const udp4 = buildUdp({ ...ends4, ...ports, payload: PAYLOAD });
export const tcp6 = buildTcp({ ...ends6, ...ports, seq: 0xfedcba98, ack: 0x89abcdef, flags: 0x18, payload: PAYLOAD });
export const udp6 = buildUdp({ ...ends6, ...ports, payload: PAYLOAD });
/** A packet between Teredo addresses (2001:0::/32). */
export const teredoInner = buildTcp({ src: '2001:0:53aa:64c::1', dst: '2001:db8::2', ...ports, payload: PAYLOAD });

const macs = '02 00 00 00 00 02  02 00 00 00 00 01';
const snap4 = 'aa aa 03  00 00 00  08 00';
const snap6 = 'aa aa 03  00 00 00  86 dd';
/** Addresses 1 to 3 and sequence control of an 802.11 frame. */
const wifiRest = `${macs}  02 00 00 00 00 03  10 00`;

const framed = (head: string, packet: Uint8Array): Uint8Array => concat(fromHex(head), packet);
const gre = (head: string, payload: Uint8Array): Uint8Array => buildIp(ends4, 47, framed(head, payload));
const teredo = (payload: Uint8Array, srcPort = 50000, dstPort = 50001): Uint8Array =>
  buildUdp({ src: '203.0.113.1', dst: '203.0.113.2', srcPort, dstPort, payload });
const optionsHeader = fromHex('00 00 01 04 00 00 00 00');

function sample(name: string, linkType: number, frame: Uint8Array, ipVersion: 4 | 6, protocol: number, tunnelDepth: 0 | 1 = 0): SampleFrame {
  return { name, linkType, frame, ipVersion, protocol, tunnelDepth };
}

const ether = linkTypes.LINKTYPE_ETHERNET;
const raw = linkTypes.LINKTYPE_RAW;

export const linkSamples: readonly SampleFrame[] = [
  sample('Ethernet, IPv4, TCP', ether, framed(`${macs} 08 00`, tcp4), 4, 6),
  sample('Ethernet, IPv4, UDP, padded to 60 bytes', ether, concat(framed(`${macs} 08 00`, buildUdp({ ...ends4, ...ports, payload: PAYLOAD.subarray(0, 4) })), new Uint8Array(14)), 4, 17),
  sample('Ethernet, IPv6, UDP', ether, framed(`${macs} 86 dd`, udp6), 6, 17),
  sample('VLAN 5', ether, framed(`${macs} 81 00 00 05 08 00`, tcp4), 4, 6),
  sample('QinQ 802.1ad', ether, framed(`${macs} 88 a8 00 64 81 00 00 05 86 dd`, tcp6), 6, 6),
  sample('QinQ 0x9100', ether, framed(`${macs} 91 00 00 64 81 00 00 05 08 00`, udp4), 4, 17),
  sample('PPPoE session', ether, framed(`${macs} 88 64  11 00 00 07 00 4a  00 21`, tcp4), 4, 6),
  sample('PPPoE session, IPv6, in a VLAN', ether, framed(`${macs} 81 00 00 07 88 64  11 00 00 07 00 5e  00 57`, tcp6), 6, 6),
  sample('MPLS, two labels', ether, framed(`${macs} 88 47  00 01 00 40  00 01 11 40`, udp4), 4, 17),
  sample('provider backbone bridge', ether, framed(`${macs} 88 e7 00 00 00 07 ${macs} 81 00 00 05 08 00`, tcp4), 4, 6),
  sample('FabricPath', ether, framed(`${macs} 89 03 00 07 ${macs} 86 dd`, udp6), 6, 17),
  sample('a VLAN with LLC and SNAP', ether, framed(`${macs} 81 00 00 05 00 4c ${snap4}`, tcp4), 4, 6),
  sample('802.3 with LLC and SNAP', ether, framed(`${macs} 00 4c ${snap4}`, tcp4), 4, 6),
  sample('802.3 with the LLC address of IP', ether, framed(`${macs} 00 47 06 06 03`, tcp4), 4, 6),
  sample('Linux cooked v1', linkTypes.LINKTYPE_LINUX_SLL, framed('00 04 00 01 00 06 02 00 00 00 00 01 00 00 08 00', tcp4), 4, 6),
  sample('Linux cooked v1, VLAN', linkTypes.LINKTYPE_LINUX_SLL, framed('00 04 00 01 00 06 02 00 00 00 00 01 00 00 81 00 00 05 86 dd', udp6), 6, 17),
  sample('Linux cooked v2', linkTypes.LINKTYPE_LINUX_SLL2, framed('86 dd 00 00 00 00 00 02 00 01 04 06 02 00 00 00 00 01 00 00', tcp6), 6, 6),
  ...[linkTypes.LINKTYPE_RAW_BSD, linkTypes.LINKTYPE_RAW_OPENBSD, raw].map((type) => sample(`raw IP, link type ${type}`, type, tcp4, 4, 6)),
  sample('raw IPv4', linkTypes.LINKTYPE_IPV4, udp4, 4, 17),
  sample('raw IPv6', linkTypes.LINKTYPE_IPV6, udp6, 6, 17),
  sample('null, little-endian AF_INET', linkTypes.LINKTYPE_NULL, framed('02 00 00 00', tcp4), 4, 6),
  sample('null, big-endian AF_INET', linkTypes.LINKTYPE_NULL, framed('00 00 00 02', tcp4), 4, 6),
  sample('null, AF_INET6 of macOS', linkTypes.LINKTYPE_NULL, framed('1e 00 00 00', udp6), 6, 17),
  sample('null with an EtherType', linkTypes.LINKTYPE_NULL, framed('00 00 08 00', tcp4), 4, 6),
  sample('OpenBSD loopback, AF_INET6', linkTypes.LINKTYPE_LOOP, framed('00 00 00 18', udp6), 6, 17),
  sample('PPP', linkTypes.LINKTYPE_PPP, framed('00 21', tcp4), 4, 6),
  sample('PPP with address and control', linkTypes.LINKTYPE_PPP, framed('ff 03 00 57', tcp6), 6, 6),
  sample('PPP with compressed protocol', linkTypes.LINKTYPE_PPP, framed('21', tcp4), 4, 6),
  sample('PPP in HDLC framing', linkTypes.LINKTYPE_PPP_HDLC, framed('ff 03 00 21', udp4), 4, 17),
  sample('Cisco HDLC under the PPP link type', linkTypes.LINKTYPE_PPP_HDLC, framed('0f 00 08 00', udp4), 4, 17),
  sample('PPP of pppd', linkTypes.LINKTYPE_PPP_PPPD, framed('01 03 00 21', tcp4), 4, 6),
  sample('PPPoE link type', linkTypes.LINKTYPE_PPP_ETHER, framed('11 00 00 07 00 4a 00 21', tcp4), 4, 6),
  sample('Cisco HDLC', linkTypes.LINKTYPE_C_HDLC, framed('0f 00 86 dd', tcp6), 6, 6),
  sample('FDDI', linkTypes.LINKTYPE_FDDI, framed(`50 ${macs} ${snap4}`, tcp4), 4, 6),
  sample('802.11 data', linkTypes.LINKTYPE_IEEE802_11, framed(`08 01 00 00 ${wifiRest} ${snap4}`, tcp4), 4, 6),
  sample('802.11 QoS data, four addresses', linkTypes.LINKTYPE_IEEE802_11, framed(`88 03 00 00 ${wifiRest} 02 00 00 00 00 04  00 00 ${snap6}`, tcp6), 6, 6),
  sample('802.11 QoS data with HT control', linkTypes.LINKTYPE_IEEE802_11, framed(`88 82 00 00 ${wifiRest}  00 00  00 00 00 00 ${snap4}`, tcp4), 4, 6),
  sample('802.11 aggregate (A-MSDU)', linkTypes.LINKTYPE_IEEE802_11, framed(`88 01 00 00 ${wifiRest}  80 00  ${macs} 00 4c ${snap4}`, tcp4), 4, 6),
  sample('radiotap without fields', linkTypes.LINKTYPE_IEEE802_11_RADIOTAP, framed(`00 00 08 00 00 00 00 00  08 01 00 00 ${wifiRest} ${snap4}`, tcp4), 4, 6),
  // Time stamp (8 bytes aligned to 8), flags 0x20: the QoS header of 26 bytes is padded to 28.
  sample('radiotap with padded body', linkTypes.LINKTYPE_IEEE802_11_RADIOTAP, framed(`00 00 14 00 03 00 00 00  00 00 00 00 00 00 00 00  20 00 00 00  88 01 00 00 ${wifiRest} 00 00  00 00 ${snap4}`, tcp4), 4, 6),
  sample('radiotap with two present words', linkTypes.LINKTYPE_IEEE802_11_RADIOTAP, framed(`00 00 0d 00 02 00 00 80  00 00 00 00  10  08 01 00 00 ${wifiRest} ${snap6}`, udp6), 6, 17),
  sample('PPI around 802.11', linkTypes.LINKTYPE_PPI, framed(`00 00 0c 00 69 00 00 00  00 00 00 00  08 01 00 00 ${wifiRest} ${snap4}`, tcp4), 4, 6),
  sample('NFLOG', linkTypes.LINKTYPE_NFLOG, framed('02 00 00 05  08 00 01 00 08 00 01 00  05 00 0a 00 00 00 00 00  48 00 09 00', tcp4), 4, 6),
];

export const tunnelSamples: readonly SampleFrame[] = [
  sample('IP in IP', raw, buildIp(ends4, 4, tcp4), 4, 6, 1),
  sample('IPv4 in IPv6', raw, buildIp(ends6, 4, tcp4), 4, 6, 1),
  sample('6in4', raw, buildIp(ends4, 41, udp6), 6, 17, 1),
  sample('IPv6 in IPv6', raw, buildIp(ends6, 41, tcp6), 6, 6, 1),
  sample('GRE', raw, gre('00 00 08 00', tcp4), 4, 6, 1),
  sample('GRE with checksum, key and sequence', raw, gre('b0 00 86 dd  12 34 00 00  00 00 00 07  00 00 00 01', tcp6), 6, 6, 1),
  sample('GRE with an Ethernet frame', raw, gre('20 00 65 58  00 00 00 07', buildEthernet(udp4, { vlans: [5] })), 4, 17, 1),
  sample('ERSPAN type I', raw, gre('00 00 88 be', buildEthernet(tcp4)), 4, 6, 1),
  sample('ERSPAN type II', raw, gre('10 00 88 be  00 00 00 01  10 05 00 01 00 00 00 02', buildEthernet(tcp4)), 4, 6, 1),
  sample('ERSPAN type III', raw, gre('10 00 22 eb  00 00 00 01  20 05 00 01 00 00 00 02 00 00 00 00', buildEthernet(udp6)), 6, 17, 1),
  sample('ERSPAN type III with a platform header', raw, gre('10 00 22 eb  00 00 00 01  20 05 00 01 00 00 00 02 00 00 00 01  00 00 00 00 00 00 00 00', buildEthernet(tcp4)), 4, 6, 1),
  sample('Ethernet over IP of MikroTik', raw, gre('20 01 64 00  00 5a 07 00', buildEthernet(tcp4)), 4, 6, 1),
  sample('GRE of PPTP, with sequence and acknowledgement', raw, gre('30 81 88 0b  00 4c 00 01  00 00 00 01  00 00 00 02  ff 03 00 21', tcp4), 4, 6, 1),
  sample('Teredo between clients', raw, teredo(teredoInner), 6, 6, 1),
  sample('Teredo with origin', raw, teredo(framed('00 00 12 34 56 78 9a bc', teredoInner), 3544), 6, 6, 1),
  sample('Teredo with authentication and origin', raw, teredo(framed('00 01 02 03  aa bb  cc dd ee  01 02 03 04 05 06 07 08  00  00 00 12 34 56 78 9a bc', teredoInner), 50000, 3544), 6, 6, 1),
  sample('Teredo with trailers', raw, teredo(concat(teredoInner, fromHex('01 04 00 00 00 01  02 00'))), 6, 6, 1),
  sample('Teredo bubble', raw, teredo(buildIp({ src: '2001:0:53aa:64c::1', dst: '2001:0:53aa:64c::2' }, 59, new Uint8Array(0))), 6, 59, 1),
  sample('Teredo router solicitation', raw, teredo(buildIcmp({ src: 'fe80::1', dst: 'ff02::2', type: 133 }), 50000, 3544), 6, 58, 1),
  sample('a tunnel in a tunnel', raw, buildIp(ends4, 4, buildIp(ends4, 41, udp6)), 4, 41, 1),
];

export const headerSamples: readonly SampleFrame[] = [
  sample('IPv4 options', raw, buildTcp({ ...ends4, ...ports, ipOptions: fromHex('94 04 00 00'), payload: PAYLOAD }), 4, 6),
  sample('TCP options', raw, buildTcp({ ...ends4, ...ports, flags: 2, tcpOptions: fromHex('02 04 05 b4  01 01 04 02'), payload: PAYLOAD }), 4, 6),
  sample('IPv4 authentication header', raw, buildIp(ends4, 51, framed('06 04 00 00 00 00 00 01 00 00 00 01 00 11 22 33 44 55 66 77 88 99 aa bb', tcp4.subarray(20))), 4, 6),
  sample('hop-by-hop options', raw, buildTcp({ ...ends6, ...ports, extensions: [{ protocol: 0, bytes: optionsHeader }], payload: PAYLOAD }), 6, 6),
  sample('hop-by-hop, routing, destination options', raw, buildUdp({
    ...ends6, ...ports, payload: PAYLOAD,
    extensions: [{ protocol: 0, bytes: optionsHeader }, { protocol: 43, bytes: fromHex('00 02 00 01 00 00 00 00 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 09') }, { protocol: 60, bytes: optionsHeader }],
  }), 6, 17),
  sample('IPv6 authentication header', raw, buildTcp({ ...ends6, ...ports, extensions: [{ protocol: 51, bytes: fromHex('00 02 00 00 00 00 00 01 00 00 00 01 00 11 22 33') }], payload: PAYLOAD }), 6, 6),
  sample('mobility header', raw, buildUdp({ ...ends6, ...ports, extensions: [{ protocol: 135, bytes: optionsHeader }], payload: PAYLOAD }), 6, 17),
  sample('atomic fragment', raw, buildUdp({ ...ends6, ...ports, payload: PAYLOAD, fragment: { offsetBytes: 0, isLast: true, id: 7 } }), 6, 17),
  sample('ICMP echo', raw, buildIcmp({ ...ends4, type: 8, rest: 0x00010001, body: PAYLOAD }), 4, 1),
  sample('ICMPv6 echo', raw, buildIcmp({ ...ends6, type: 128, rest: 0x00010001, body: PAYLOAD }), 6, 58),
  sample('SCTP', raw, buildIp(ends4, 132, concat(fromHex('9c 41 1a e1 00 00 00 01 00 00 00 00'), PAYLOAD)), 4, 132),
  sample('UDP-Lite', raw, buildIp(ends6, 136, concat(fromHex('9c 41 1a e1 00 08 00 00'), PAYLOAD)), 6, 136),
];

export const allSamples: readonly SampleFrame[] = [...linkSamples, ...tunnelSamples, ...headerSamples];
