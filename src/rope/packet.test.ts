import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii } from '../base/bytes.js';
import { buildIp, buildTcp, buildUdp } from '../wire/build.js';
import type { IntField, StrField } from './ir.js';
import { HEADER_FIELDS, PacketInput, readIntField, strFieldAt, strFieldLength } from './packet.js';
import { REGISTERS } from './registers.js';

const INT_FIELDS = [...REGISTERS].filter(([, { kind }]) => kind === 'int').map(([name]) => name as IntField);
const STR_FIELDS = [...REGISTERS].filter(([, { kind }]) => kind === 'str').map(([name]) => name as StrField);

function load(bytes: Uint8Array, start = 0, end = bytes.length): PacketInput {
  const input = new PacketInput();
  input.load(bytes, start, end);
  return input;
}

const v4 = { src: '192.0.2.1', dst: '198.51.100.7', srcPort: 1833, dstPort: 6882 };
const v6 = { src: '2001:db8::1', dst: '2001:db8::2', srcPort: 1833, dstPort: 6882 };

test('packets are taken apart', () => {
  const table: [string, Uint8Array, { version: number; protocol: number; dataAt: number; length: number; tcp?: true; udp?: true }][] = [
    ['TCP over IPv4', buildTcp({ ...v4, payload: ascii('abc') }), { version: 4, protocol: 6, dataAt: 40, length: 43, tcp: true }],
    ['IPv4 options', buildTcp({ ...v4, ipOptions: new Uint8Array(8) }), { version: 4, protocol: 6, dataAt: 48, length: 48, tcp: true }],
    ['TCP options', buildTcp({ ...v4, tcpOptions: new Uint8Array(12) }), { version: 4, protocol: 6, dataAt: 52, length: 52, tcp: true }],
    ['UDP over IPv4', buildUdp({ ...v4, payload: ascii('abc') }), { version: 4, protocol: 17, dataAt: 28, length: 31, udp: true }],
    ['another protocol', buildIp(v4, 47, ascii('abc')), { version: 4, protocol: 47, dataAt: 20, length: 23 }],
    ['TCP over IPv6', buildTcp({ ...v6, payload: ascii('abc') }), { version: 6, protocol: 6, dataAt: 60, length: 63, tcp: true }],
    ['UDP behind an extension header', buildUdp({ ...v6, extensions: [{ protocol: 60, bytes: new Uint8Array(16).fill(1, 1, 2) }] }), { version: 6, protocol: 17, dataAt: 64, length: 64, udp: true }],
    ['nothing', new Uint8Array(0), { version: 0, protocol: 0, dataAt: 0, length: 0 }],
    ['a byte', Uint8Array.of(0x45), { version: 0, protocol: 0, dataAt: 0, length: 1 }],
  ];
  for (const [name, bytes, expected] of table) {
    const input = load(bytes);
    assert.deepEqual(
      { version: input.ipVersion, protocol: input.protocol, dataAt: input.dataAt, length: input.packetLength, tcp: input.hasTcp, udp: input.hasUdp },
      { tcp: false, udp: false, ...expected },
      name,
    );
  }
});

test('a packet anywhere in a buffer reads the same', () => {
  const bytes = buildTcp({ ...v6, payload: ascii('payload') });
  const buffer = new Uint8Array(bytes.length + 20).fill(0xee);
  buffer.set(bytes, 7);
  const [alone, inside] = [load(bytes), load(buffer, 7, 7 + bytes.length)];
  for (const field of INT_FIELDS) assert.equal(readIntField(inside, field), readIntField(alone, field), field);
  for (const field of STR_FIELDS) assert.equal(strFieldAt(inside, field), strFieldAt(alone, field), field);
});

test('any bytes, cut anywhere: positions stay inside, integers are 32 bits, nothing beyond the end matters', () => {
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 120 }),
    fc.tuple(fc.constantFrom(buildTcp({ ...v4, payload: ascii('abc') }), buildUdp(v6), buildTcp({ ...v6, extensions: [{ protocol: 0, bytes: new Uint8Array(8) }] })), fc.nat(100), fc.nat(255)).map(([packet, at, value]) => {
      const bytes = packet.slice();
      bytes[at % bytes.length] = value;
      return bytes;
    }),
  );
  fc.assert(
    fc.property(some, fc.nat(130), (bytes, cut) => {
      const end = Math.min(cut, bytes.length);
      const input = load(bytes, 0, end);
      assert.ok(input.dataAt >= 0 && input.dataAt <= input.packetLength && input.packetLength <= end);
      assert.ok(input.transportAt <= input.packetLength);
      const exact = load(bytes.slice(0, end));
      for (const field of INT_FIELDS) {
        const value = readIntField(input, field);
        assert.equal(value, value | 0, field);
        assert.equal(value, readIntField(exact, field), `${field} reads behind the end`);
      }
      for (const field of STR_FIELDS) assert.ok(strFieldAt(input, field) + strFieldLength(input, field) <= input.packetLength, field);
    }),
    { numRuns: 1500 },
  );
});

test('every plain header field is inside its header', () => {
  const sizes = { ip: 20, tcp: 20, udp: 8 };
  for (const [name, { header, at, bytes }] of Object.entries(HEADER_FIELDS)) assert.ok(at + bytes <= sizes[header], name);
});
