import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { concat, fromHex } from '../../base/bytes.js';
import { parseHelloMessage, tlsFacet } from './tls.js';
import { clientHello, serverHello, tlsRecords } from './samples.js';

const parse = (bytes: Uint8Array) => {
  const padded = concat(Uint8Array.of(0x16, 3, 1), bytes, Uint8Array.of(0x16, 3, 1));
  return tlsFacet(padded, 3, 3 + bytes.length);
};

const HELLO = clientHello({ serverName: 'Relays.Example.NET', alpn: ['bep/1.0', 'h2'], paddingBytes: 300 });
const WHOLE = { isClient: true, serverName: 'relays.example.net', alpn: ['bep/1.0', 'h2'], isComplete: true };

test('a ClientHello in one record gives server name and protocols', () => {
  assert.deepEqual(parse(tlsRecords(HELLO)), WHOLE);
});

test('records of any size give the same hello', () => {
  for (let fragmentBytes = 1; fragmentBytes <= HELLO.length; fragmentBytes += 7) {
    assert.deepEqual(parse(tlsRecords(HELLO, fragmentBytes)), WHOLE, `fragments of ${fragmentBytes}`);
  }
});

test('bytes behind the hello do not matter', () => {
  assert.deepEqual(parse(concat(tlsRecords(HELLO), fromHex('140303000101'))), WHOLE);
});

test('a TLS 1.2 ServerHello gives the protocol chosen', () => {
  assert.deepEqual(parse(tlsRecords(serverHello('libp2p'))), { isClient: false, serverName: '', alpn: ['libp2p'], isComplete: true });
});

test('a hello without extensions is complete (TLS 1.0)', () => {
  const bare = fromHex(`16 0301 002d 01 000029 0301 ${'11'.repeat(32)} 00 0002 002f 01 00`);
  assert.deepEqual(parse(bare), { isClient: true, serverName: '', alpn: [], isComplete: true });
});

test('every truncation is null or an incomplete hello whose names are true', () => {
  const records = tlsRecords(HELLO);
  for (let length = 0; length < records.length; length++) {
    const hello = parse(records.subarray(0, length));
    if (length < 6) assert.equal(hello, null);
    else {
      assert.equal(hello?.isComplete, false, `${length}`);
      assert.ok(hello?.serverName === '' || hello?.serverName === WHOLE.serverName);
    }
  }
  const beforeAlpn = parse(records.subarray(0, records.length - 3));
  assert.deepEqual(beforeAlpn, { ...WHOLE, alpn: [], isComplete: false });
});

const corrupt = (at: number, value: number) => {
  const copy = HELLO.slice();
  copy[at] = value;
  return tlsRecords(copy);
};
const refused: readonly [string, Uint8Array][] = [
  ['application data', concat(fromHex('17030300'), HELLO)],
  ['a record of SSL 2', fromHex('802e01030100150000001000000a')],
  ['an empty handshake record', fromHex('1603010000 1603010005 0100000100')],
  ['a record longer than 2^14', concat(fromHex('1603014001'), HELLO)],
  ['a certificate message', corrupt(0, 11)],
  ['a version that is not 3.x', corrupt(4, 2)],
  ['a session id of 33 bytes', corrupt(38, 33)],
  ['an odd list of cipher suites', corrupt(42, 3)],
  ['extensions that do not end with the message', corrupt(50, 0)],
  ['random bytes behind a record header', fromHex('1603010100 9f3c77d1e05b')],
  ['a message too short for a hello', fromHex('1603010008 01 000004 0303 1122')],
];
for (const [what, bytes] of refused) test(`no hello: ${what}`, () => assert.equal(parse(bytes), null));

test('a malformed ALPN list gives no names', () => {
  const hello = clientHello({ alpn: ['libp2p'] });
  hello[hello.length - 7] = 9; // the name's length passes the list
  assert.deepEqual(parseHelloMessage(hello, 0, hello.length)?.alpn, []);
});

test('flipped hellos never throw and never read beyond the end', () => {
  fc.assert(
    fc.property(fc.nat(HELLO.length - 1), fc.nat(255), fc.integer({ min: 1, max: 200 }), (at, value, fragment) => {
      const copy = HELLO.slice();
      copy[at] = value;
      const hello = parse(tlsRecords(copy, fragment));
      assert.ok(hello === null || hello.alpn.length <= 16);
    }),
    { numRuns: 400 },
  );
});
