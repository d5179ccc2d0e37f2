/** The packet builder: one packet by hand, then everything it builds decodes to what was asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressText } from '../base/address.js';
import { fromHex, toHex } from '../base/bytes.js';
import { buildEthernet, buildIcmp, buildIp, buildTcp, buildUdp } from './build.js';
import { internetChecksum, transportChecksum } from './checksum.js';
import { decodeFrame, decodeIp } from './decode.js';
import { LINKTYPE_ETHERNET } from './link-types.js';
import { PacketView } from './packet-view.js';

test('a UDP packet is built byte for byte', () => {
  const built = buildUdp({ src: '192.168.0.1', dst: '192.168.0.199', srcPort: 0x1234, dstPort: 53, id: 1, payload: fromHex('ab cd ef') });
  assert.equal(
    toHex(built),
    [
      '4500001f00010000', // version and length 31, identification 1
      '4011f8b4', // time to live 64, UDP, checksum
      'c0a80001c0a800c7', // addresses
      '12340035000b', // ports, length 11
      'd087', // c0a8+0001+c0a8+00c7+0011+000b + 1234+0035+000b + abcd+ef00 = 32f75, folded 2f78, complemented
      'abcdef',
    ].join(''),
  );
});

test('an Ethernet frame carries VLAN tags and the type of its packet', () => {
  const packet = buildTcp({ src: '2001:db8::1', dst: '2001:db8::2', srcPort: 1, dstPort: 2 });
  const frame = buildEthernet(packet, { vlans: [100, 5], dstMac: 'aa:bb:cc:dd:ee:ff' });
  assert.equal(toHex(frame, 0, 22), 'aabbccddeeff020000000001810000648100000586dd'.slice(0, 44));
  assert.deepEqual(frame.subarray(22), packet);
});

test('wrong options are refused', () => {
  const ends = { src: '192.0.2.1', dst: '192.0.2.2', srcPort: 1, dstPort: 2 };
  assert.throws(() => buildTcp({ ...ends, dst: '2001:db8::1' }), /family/);
  assert.throws(() => buildTcp({ ...ends, src: 'example.org' }), /not an IP address/);
  assert.throws(() => buildTcp({ ...ends, tcpOptions: new Uint8Array(3) }), /whole words/);
  assert.throws(() => buildUdp({ ...ends, payload: new Uint8Array(70_000) }), /65535/);
  assert.throws(() => buildIp({ ...ends, fragment: { offsetBytes: 7, isLast: true, id: 0 } }, 17, new Uint8Array(8)), /multiples of 8/);
});

const port = fc.integer({ min: 0, max: 0xffff });
const word = fc.integer({ min: 0, max: 0xffff_ffff });
const ends = fc.oneof(
  fc.record({ src: fc.uint8Array({ minLength: 4, maxLength: 4 }), dst: fc.uint8Array({ minLength: 4, maxLength: 4 }) }),
  fc.record({ src: fc.uint8Array({ minLength: 16, maxLength: 16 }), dst: fc.uint8Array({ minLength: 16, maxLength: 16 }) }),
);
/** Not the shape of a Teredo payload: it would be unwrapped. */
const payload = fc.uint8Array({ maxLength: 300 }).filter((bytes) => ((bytes[0] ?? 0) >> 4) !== 6);

function checkIp(view: PacketView, bytes: Uint8Array, src: Uint8Array, dst: Uint8Array): void {
  const addressBytes = src.length === 4 ? 4 : 16;
  assert.equal(view.ipVersion, src.length === 4 ? 4 : 6);
  assert.deepEqual(view.bytes.slice(view.sourceAt, view.sourceAt + addressBytes), src);
  assert.deepEqual(view.bytes.slice(view.destinationAt, view.destinationAt + addressBytes), dst);
  assert.equal(view.end, bytes.length);
  assert.equal(view.isClipped, false);
  if (src.length === 4) assert.equal(internetChecksum(bytes, view.start, view.transportAt), 0);
  const sum = transportChecksum(bytes, view.sourceAt, view.destinationAt, addressBytes, view.protocol, view.transportAt, view.end);
  assert.equal(sum, 0);
}

test('what is built as TCP decodes to the same fields', () => {
  fc.assert(
    fc.property(ends, port, port, word, word, fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 10 }), payload, (of, srcPort, dstPort, seq, ack, flags, options, data) => {
      const bytes = buildTcp({ ...of, srcPort, dstPort, seq, ack, flags, tcpOptions: new Uint8Array(4 * options).fill(1), payload: data });
      const view = new PacketView();
      assert.equal(decodeIp(view, bytes, 0, bytes.length), 'ok');
      checkIp(view, bytes, of.src, of.dst);
      assert.deepEqual([view.protocol, view.srcPort, view.dstPort, view.seq, view.ack, view.tcpFlags], [6, srcPort, dstPort, seq, ack, flags]);
      assert.deepEqual(bytes.subarray(view.payloadAt, view.end), data);
      assert.equal(view.payloadLengthBytes, data.length);
    }),
    { numRuns: 200 },
  );
});

test('what is built as UDP in Ethernet decodes to the same fields', () => {
  fc.assert(
    fc.property(ends, port, port, payload, fc.array(fc.integer({ min: 0, max: 4095 }), { maxLength: 3 }), (of, srcPort, dstPort, data, vlans) => {
      const frame = buildEthernet(buildUdp({ ...of, srcPort, dstPort, payload: data }), { vlans });
      const view = new PacketView();
      assert.equal(decodeFrame(view, LINKTYPE_ETHERNET, frame, 0, frame.length), 'ok');
      checkIp(view, frame, of.src, of.dst);
      assert.equal(view.start, 14 + 4 * vlans.length);
      assert.deepEqual([view.protocol, view.srcPort, view.dstPort, view.tcpFlags, view.seq], [17, srcPort, dstPort, 0, 0]);
      assert.deepEqual(frame.subarray(view.payloadAt, view.end), data);
    }),
    { numRuns: 200 },
  );
});

test('ICMP and ICMPv6 have the checksum of their version', () => {
  const icmp = buildIcmp({ src: '192.0.2.1', dst: '192.0.2.2', type: 8, rest: 0x12345678, body: fromHex('01 02 03') });
  assert.equal(internetChecksum(icmp, 20, icmp.length), 0);
  assert.equal(toHex(icmp, 24, 31), '12345678010203');
  const icmpv6 = buildIcmp({ src: '2001:db8::1', dst: '2001:db8::2', type: 128, body: fromHex('01 02 03') });
  assert.equal(transportChecksum(icmpv6, 8, 24, 16, 58, 40, icmpv6.length), 0);
});

test('options of the IP header are kept', () => {
  const bytes = buildTcp({ src: '192.0.2.1', dst: '192.0.2.2', srcPort: 1, dstPort: 2, ttl: 3, tos: 0x2e, id: 0xbeef, dontFragment: true, ipOptions: fromHex('94 04 00 00') });
  assert.equal(toHex(bytes, 0, 10), '462e002cbeef40000306');
  assert.equal(internetChecksum(bytes, 0, 24), 0);
  const six = buildTcp({ src: '2001:db8::1', dst: '2001:db8::2', srcPort: 1, dstPort: 2, ttl: 3, tos: 0x2e, id: 0xabcde });
  assert.equal(toHex(six, 0, 8), '62eabcde00140603');
  assert.equal(addressText(six, 24, 16), '2001:db8::2');
});
