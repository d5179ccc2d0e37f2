/** Decoding: hand-annotated bytes to fields, every link layer, tunnel and header chain, and near misses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressText } from '../base/address.js';
import { concat, fromHex, putU16 } from '../base/bytes.js';
import { buildIp, buildTcp, buildUdp } from './build.js';
import { decodeFrame, decodeIp } from './decode.js';
import { PacketView } from './packet-view.js';
import { PAYLOAD, headerSamples, linkSamples, tcp4, tcp6, teredoInner, tunnelSamples, udp4, udp6 } from './sample-frames.js';

const ends = { src: '192.0.2.1', dst: '198.51.100.2', srcPort: 40001, dstPort: 6881 };
const ends6 = { ...ends, src: '2001:db8::1', dst: '2001:db8::2' };

function decoded(bytes: Uint8Array): { view: PacketView; status: string } {
  const view = new PacketView();
  const status = decodeIp(view, bytes, 0, bytes.length);
  return { view, status };
}

function source(view: PacketView): string {
  return addressText(view.bytes, view.sourceAt, view.ipVersion === 4 ? 4 : 16);
}

/** Bytes of lines `hexadecimal | comment`. */
function annotated(text: string): Uint8Array {
  return fromHex(text.replaceAll(/\|.*$/gm, ''));
}

test('every field of an IPv4 TCP segment stands where RFC 791 and RFC 9293 put it', () => {
  const frame = annotated(`
    02 00 00 00 00 02  02 00 00 00 00 01  08 00 | Ethernet
    45 00 00 2e  00 01 40 00  40 06 00 00       | version 4, 20 bytes; length 46; DF; TCP
    c0 00 02 01  c6 33 64 02                    | 192.0.2.1 > 198.51.100.2
    9c 41 1a e1  fe dc ba 98  89 ab cd ef       | 40001 > 6881, sequence, acknowledgement
    50 18 ff ff  00 00 00 00                    | 20 bytes, PSH and ACK
    13 42 69 74 54 6f                           | payload
    00 00 00                                    | padding of the frame`);
  const view = new PacketView();
  assert.equal(decodeFrame(view, 1, frame, 0, frame.length), 'ok');
  assert.deepEqual({ ...view, bytes: view.bytes.length }, {
    bytes: frame.length,
    start: 14,
    end: 60,
    isClipped: false,
    ipVersion: 4,
    protocol: 6,
    sourceAt: 26,
    destinationAt: 30,
    transportAt: 34,
    payloadAt: 54,
    payloadLengthBytes: 6,
    srcPort: 40001,
    dstPort: 6881,
    tcpFlags: 0x18,
    seq: 0xfedcba98,
    ack: 0x89abcdef,
    isLaterFragment: false,
    tunnelDepth: 0,
    // The reader's to set, not the decoder's.
    timeMs: 0,
  });
});

for (const { name, linkType, frame, tunnelDepth, ipVersion, protocol } of [...linkSamples, ...tunnelSamples, ...headerSamples]) {
  test(`decodes ${name}`, () => {
    // At an odd place of a larger buffer: offsets count from the buffer, not from the frame.
    const buffer = concat(new Uint8Array(5).fill(0xff), frame, new Uint8Array(7).fill(0x45));
    const view = new PacketView();
    assert.equal(decodeFrame(view, linkType, buffer, 5, 5 + frame.length), 'ok');
    assert.equal(view.tunnelDepth, tunnelDepth);
    assert.equal(view.ipVersion, ipVersion);
    assert.equal(view.protocol, protocol);
    if (protocol !== 6 && protocol !== 17 && protocol !== 132 && protocol !== 136) return;
    assert.equal(view.srcPort, 40001);
    assert.equal(view.dstPort, 6881);
    const payload = buffer.subarray(view.payloadAt, view.end);
    assert.deepEqual(payload, PAYLOAD.subarray(0, payload.length));
    assert.equal(view.payloadLengthBytes, payload.length);
    assert.ok(payload.length >= 4);
  });
}

test('an IPv6 packet shows its addresses', () => {
  const { view } = decoded(tcp6);
  assert.equal(source(view), '2001:db8::1');
  assert.equal(addressText(view.bytes, view.destinationAt, 16), '2001:db8::2');
});

test('a first fragment has ports, a later one never', () => {
  for (const of of [ends, ends6]) {
    const first = decoded(buildUdp({ ...of, payload: PAYLOAD, fragment: { offsetBytes: 0, isLast: false, id: 7 } }));
    assert.equal(first.status, 'fragment');
    assert.equal(first.view.isLaterFragment, false);
    assert.equal(first.view.dstPort, 6881);
    assert.equal(first.view.payloadLengthBytes, PAYLOAD.length);
    const later = decoded(buildUdp({ ...of, payload: PAYLOAD, fragment: { offsetBytes: 8, isLast: true, id: 7 } }));
    assert.equal(later.status, 'fragment');
    assert.equal(later.view.isLaterFragment, true);
    assert.equal(later.view.protocol, 17);
    assert.equal(later.view.dstPort, 0);
    assert.equal(later.view.payloadLengthBytes, 8 + PAYLOAD.length);
    assert.equal(source(later.view), of.src);
  }
});

test('the UDP length of a first fragment is that of the whole datagram', () => {
  const bytes = buildUdp({ ...ends, payload: PAYLOAD, fragment: { offsetBytes: 0, isLast: false, id: 7 } });
  putU16(bytes, 24, 3000);
  const { view, status } = decoded(bytes);
  assert.equal(status, 'fragment');
  assert.equal(view.payloadLengthBytes, PAYLOAD.length);
});

test('a first fragment too small for its header is truncated (RFC 1858 section 3)', () => {
  const bytes = buildIp({ ...ends, fragment: { offsetBytes: 0, isLast: false, id: 7 } }, 6, tcp4.subarray(20, 36));
  const { view, status } = decoded(bytes);
  assert.equal(status, 'truncated');
  assert.equal(view.dstPort, 6881);
  assert.equal(view.tcpFlags, 0);
});

test('total length 0 (segmentation offload) means the captured end', () => {
  const bytes = tcp4.slice();
  putU16(bytes, 2, 0);
  const { view, status } = decoded(bytes);
  assert.equal(status, 'ok');
  assert.equal(view.end, bytes.length);
  assert.equal(view.payloadLengthBytes, PAYLOAD.length);
});

test('a UDP length of 0 is a jumbogram, a smaller one cuts the payload, others are malformed', () => {
  const cases: readonly [number, string, number][] = [
    [0, 'ok', PAYLOAD.length],
    [8, 'ok', 0],
    [12, 'ok', 4],
    [7, 'malformed', 0],
    [8 + PAYLOAD.length + 1, 'malformed', 0],
  ];
  for (const [lengthField, expected, payloadBytes] of cases) {
    for (const [sample, at] of [[udp4, 24], [udp6, 44]] as const) {
      const bytes = sample.slice();
      putU16(bytes, at, lengthField);
      const { view, status } = decoded(bytes);
      assert.equal(status, expected, `length field ${lengthField}`);
      assert.equal(view.payloadLengthBytes, payloadBytes);
      assert.ok(view.end - view.payloadAt >= payloadBytes);
      if (expected === 'ok') assert.equal(view.end, view.payloadAt + payloadBytes);
    }
  }
});

test('a snap length clips the payload and says so', () => {
  for (const sample of [tcp4, udp4, tcp6, udp6]) {
    const { view, status } = decoded(sample.subarray(0, sample.length - 5));
    assert.equal(status, 'ok');
    assert.equal(view.isClipped, true);
    assert.equal(view.payloadLengthBytes, PAYLOAD.length);
    assert.equal(view.end - view.payloadAt, PAYLOAD.length - 5);
  }
});

test('headers that contradict themselves are malformed', () => {
  const broken: readonly [string, Uint8Array, number, number][] = [
    ['version 5', tcp4, 0, 0x55],
    ['IPv4 header of 16 bytes', tcp4, 0, 0x44],
    ['total length below the header', tcp4, 3, 19],
    ['TCP header of 16 bytes', tcp4, 32, 0x40],
    ['TCP header of 16 bytes in IPv6', tcp6, 52, 0x40],
  ];
  for (const [name, sample, at, value] of broken) {
    const bytes = sample.slice();
    bytes[at] = value;
    if (at === 3) bytes[2] = 0;
    assert.equal(decoded(bytes).status, 'malformed', name);
  }
});

test('a TCP header longer than its datagram is truncated', () => {
  const bytes = tcp4.slice();
  bytes[32] = 0xf0;
  const { view, status } = decoded(bytes);
  assert.equal(status, 'truncated');
  assert.equal(view.payloadAt, view.end);
});

test('too many extension headers are malformed', () => {
  const bytes = fromHex('00 00 01 04 00 00 00 00');
  const of = (count: number) => buildTcp({ ...ends6, extensions: Array.from({ length: count }, () => ({ protocol: 60, bytes })) });
  assert.equal(decoded(of(8)).status, 'ok');
  assert.equal(decoded(of(9)).status, 'malformed');
});

test('headers without payload are whole packets', () => {
  const none = new Uint8Array(0);
  const cases: readonly [string, Uint8Array][] = [
    ['TCP', buildTcp(ends)],
    ['TCP in IPv6', buildTcp(ends6)],
    ['UDP', buildUdp(ends)],
    ['SCTP', buildIp(ends, 132, new Uint8Array(12))],
    ['UDP-Lite', buildIp(ends, 136, new Uint8Array(8))],
    ['an IPv4 header alone', buildIp(ends, 59, none)],
    ['an IPv6 header alone', buildIp(ends6, 59, none)],
    ['an extension header at the end', buildIp({ ...ends6, extensions: [{ protocol: 60, bytes: new Uint8Array(8) }] }, 59, none)],
    ['a fragment header at the end', buildIp({ ...ends6, fragment: { offsetBytes: 0, isLast: true, id: 1 } }, 59, none)],
  ];
  for (const [name, bytes] of cases) {
    const { view, status } = decoded(bytes);
    assert.equal(status, 'ok', name);
    assert.deepEqual([view.payloadAt, view.end, view.payloadLengthBytes], [bytes.length, bytes.length, 0], name);
  }
});

test('the bounds on tags, labels and attributes are reached, not passed', () => {
  const macs = '02 00 00 00 00 02 02 00 00 00 00 01';
  const tag = '81 00 00 05 ';
  const label = '00 01 00 40 ';
  const attribute = '04 00 0a 00 ';
  const cases: readonly [string, number, string, string][] = [
    ['four VLAN tags', 1, `${macs} ${tag.repeat(4)} 08 00`, 'ok'],
    ['five VLAN tags', 1, `${macs} ${tag.repeat(5)} 08 00`, 'malformed'],
    ['eight MPLS labels', 1, `${macs} 88 47 ${label.repeat(7)} 00 01 11 40`, 'ok'],
    ['nine MPLS labels', 1, `${macs} 88 47 ${label.repeat(8)} 00 01 11 40`, 'malformed'],
    ['64 NFLOG attributes', 239, `02 00 00 05 ${attribute.repeat(63)} 48 00 09 00`, 'ok'],
    ['65 NFLOG attributes', 239, `02 00 00 05 ${attribute.repeat(64)} 48 00 09 00`, 'malformed'],
    ['NFLOG of a big-endian host', 239, '02 00 00 05  00 08 00 0a 00 00 00 00  00 48 00 09', 'ok'],
    ['an NFLOG attribute shorter than itself', 239, '02 00 00 05 03 00 0a 00', 'malformed'],
  ];
  for (const [name, linkType, head, expected] of cases) {
    const frame = concat(fromHex(head), tcp4);
    const view = new PacketView();
    assert.equal(decodeFrame(view, linkType, frame, 0, frame.length), expected, name);
    if (expected === 'ok') assert.equal(view.dstPort, 6881, name);
  }
});

test('tags and LLC headers in each other do not exhaust the stack', () => {
  const macs = fromHex('02 00 00 00 00 02 02 00 00 00 00 01');
  const nest = fromHex('81 00 00 05 00 00 aa aa 03 00 00 00');
  const frame = new Uint8Array(4 << 20);
  frame.set(macs);
  for (let at = 12; at + nest.length <= frame.length; at += nest.length) frame.set(nest, at);
  assert.equal(decodeFrame(new PacketView(), 1, frame, 0, frame.length), 'malformed');
});

test('Teredo trailers are counted: eight pass, nine do not', () => {
  for (const [count, depth] of [[8, 1], [9, 0]] as const) {
    const payload = concat(teredoInner, ...Array.from({ length: count }, () => fromHex('01 02 00 00')));
    assert.equal(decoded(buildUdp({ ...ends, payload })).view.tunnelDepth, depth);
  }
});

test('frames without IP are unsupported and name no packet', () => {
  const macs = '02 00 00 00 00 02 02 00 00 00 00 01';
  const cases: readonly [string, number, string][] = [
    ['ARP', 1, `${macs} 08 06 00 01 08 00 06 04 00 01`],
    ['PPPoE discovery', 1, `${macs} 88 63 11 09 00 00 00 04 01 01 00 00`],
    ['spanning tree', 1, `${macs} 00 26 42 42 03 00 00 00 00 00`],
    ['PPP LCP', 9, 'ff 03 c0 21 01 01 00 04'],
    ['a protected 802.11 frame', 105, `08 41 00 00 ${macs} 02 00 00 00 00 03 10 00 aa aa 03 00 00 00 08 00 45`],
    ['an 802.11 beacon', 105, `80 00 00 00 ${macs} 02 00 00 00 00 03 10 00 00 00 00 00`],
    ['an 802.11 fragment', 105, `08 01 00 00 ${macs} 02 00 00 00 00 03 11 00 aa aa 03 00 00 00 08 00 45`],
    ['a frame captured from a CAN bus', 113, '00 01 01 18 00 00 00 00 00 00 00 00 00 00 00 0c 45 00 00 14'],
    ['MPLS pseudowire', 1, `${macs} 88 47 00 01 01 40 00 00 00 00 02 00`],
    ['an unknown link type', 147, '45 00 00 14'],
  ];
  for (const [name, linkType, hex] of cases) {
    const frame = fromHex(hex);
    const view = new PacketView();
    assert.equal(decodeFrame(view, linkType, frame, 0, frame.length), 'unsupported', name);
    assert.deepEqual([view.start, view.end, view.protocol, view.srcPort], [0, frame.length, 0, 0]);
  }
});

test('link headers that contradict the packet are malformed', () => {
  const macs = '02 00 00 00 00 02 02 00 00 00 00 01';
  const cases: readonly [string, number, string][] = [
    ['EtherType of IPv4 before IPv6', 1, `${macs} 08 00 60`],
    ['five VLAN tags', 1, `${macs} 81 00 00 01 81 00 00 01 81 00 00 01 81 00 00 01 81 00 00 01 08 00 45`],
    ['SNAP with a length for a type', 1, `${macs} 00 10 aa aa 03 00 00 00 00 10 45`],
    ['raw IP of version 9', 101, '90 00 00 00'],
    ['radiotap shorter than itself', 127, '00 00 04 00 00 00 00 00'],
    ['PPI in PPI', 192, '00 00 08 00 c0 00 00 00 00 00 08 00 01 00 00 00'],
  ];
  for (const [name, linkType, hex] of cases) {
    const frame = fromHex(hex);
    assert.equal(decodeFrame(new PacketView(), linkType, frame, 0, frame.length), 'malformed', name);
  }
});

test('a tunnel whose content does not decode shows the outer packet', () => {
  const outer = { src: '203.0.113.1', dst: '203.0.113.2' };
  const garbage = new Uint8Array(40).fill(0x99);
  const cut = tcp4.subarray(0, 30);
  const key = fromHex('20 00 08 00 00 00 00 07');
  const cases: readonly [string, Uint8Array, number][] = [
    ['random bytes in IP-in-IP', buildIp(outer, 4, garbage), 4],
    ['a cut packet in IP-in-IP', buildIp(outer, 4, cut), 4],
    ['IPv4 under the number of IPv6', buildIp(outer, 41, tcp4), 41],
    ['GRE with a cut packet', buildIp(outer, 47, concat(key, cut)), 47],
    ['GRE of an unknown protocol', buildIp(outer, 47, fromHex('00 00 88 cc 02 07 04')), 47],
    ['GRE with source routing', buildIp(outer, 47, concat(fromHex('40 00 08 00 00 00 00 00'), tcp4)), 47],
    ['encrypted PPTP', buildIp(outer, 47, fromHex('30 01 88 0b 00 06 00 01 00 00 00 01 00 fd 90 00 12 34')), 47],
  ];
  for (const [name, bytes, protocol] of cases) {
    const { view, status } = decoded(bytes);
    assert.equal(status, 'ok', name);
    assert.deepEqual([view.tunnelDepth, view.protocol, source(view)], [0, protocol, outer.src], name);
    assert.equal(view.payloadLengthBytes, bytes.length - 20, name);
  }
});

test('a first fragment of a tunnel is not unwrapped', () => {
  const { view, status } = decoded(buildIp({ ...ends, fragment: { offsetBytes: 0, isLast: false, id: 1 } }, 4, tcp4));
  assert.deepEqual([status, view.protocol, view.tunnelDepth], ['fragment', 4, 0]);
});

test('an inner fragment is reported as one', () => {
  const inner = buildUdp({ ...ends, payload: PAYLOAD, fragment: { offsetBytes: 16, isLast: true, id: 1 } });
  const { view, status } = decoded(buildIp(ends, 4, inner));
  assert.deepEqual([status, view.isLaterFragment, view.tunnelDepth], ['fragment', true, 1]);
});

test('ordinary UDP is never taken for Teredo', () => {
  const outer = { src: '203.0.113.1', dst: '203.0.113.2', srcPort: 3544, dstPort: 3544 };
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = teredoInner.slice();
    bytes[at] = value;
    return bytes;
  };
  const cases: readonly [string, Uint8Array, number?][] = [
    ['a byte missing', teredoInner.subarray(0, teredoInner.length - 1)],
    ['a byte too many', concat(teredoInner, Uint8Array.of(0))],
    ['version 4', changed(0, 0x40)],
    ['length one more', changed(5, (teredoInner[5] ?? 0) + 1)],
    ['no Teredo address', changed(9, 0x02)],
    ['link-local addresses away from the port', buildIp({ src: 'fe80::1', dst: 'ff02::2' }, 58, PAYLOAD), 5000],
    ['an origin on another port', concat(fromHex('00 00 12 34 56 78 9a bc'), teredoInner), 5000],
    ['a DNS question', fromHex('60 01 01 00 00 01 00 00 00 00 00 00 07 65 78 61 6d 70 6c 65 03 63 6f 6d 00 00 01 00 01')],
    ['nothing', new Uint8Array(0)],
    ['two zero bytes', new Uint8Array(2)],
  ];
  for (const [name, payload, port] of cases) {
    const { view, status } = decoded(buildUdp({ ...outer, ...(port ? { srcPort: port, dstPort: port } : {}), payload }));
    assert.deepEqual([status, view.tunnelDepth, view.protocol], ['ok', 0, 17], name);
    assert.equal(view.payloadLengthBytes, payload.length, name);
  }
});
