import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat } from '../../../base/bytes.js';
import type { Known } from '../../detector.js';
import { findingName, inspectSample, type Turn } from '../../sample.js';
import { only } from '../../sample-table.js';
import { tls } from './tls.js';

const be16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
const be24 = (value: number): Uint8Array => Uint8Array.of(value >> 16, (value >> 8) & 0xff, value & 0xff);
const handshake = (type: number, body: Uint8Array): Uint8Array => concat(Uint8Array.of(type), be24(body.length), body);
const record = (body: Uint8Array): Uint8Array => concat(Uint8Array.of(22, 3, 3), be16(body.length), body);
const random = new Uint8Array(32).fill(7);

/** ClientHello with these suites and, if given, a server name. */
function hello(suites: readonly number[], serverName = ''): Uint8Array {
  const name = ascii(serverName);
  const nameExtension = concat(be16(0), be16(name.length + 5), be16(name.length + 3), Uint8Array.of(0), be16(name.length), name);
  const extensions = serverName === '' ? new Uint8Array(0) : concat(be16(nameExtension.length), nameExtension);
  const list = concat(...suites.map(be16));
  return record(handshake(1, concat(be16(0x303), random, Uint8Array.of(0), be16(list.length), list, Uint8Array.of(1, 0), extensions)));
}

/** ServerHello, then a certificate whose issuer has the common name; in one record or in two. */
function serverFlight(commonName: string, isOneRecord: boolean): Uint8Array {
  const serverHello = handshake(2, concat(be16(0x303), random, Uint8Array.of(0), be16(0xc02f), Uint8Array.of(0)));
  const name = ascii(commonName);
  const certificate = concat(new Uint8Array(60).fill(0x30), name, new Uint8Array(400).fill(0x31));
  const message = handshake(11, concat(be24(certificate.length + 3), be24(certificate.length), certificate));
  return isOneRecord ? record(concat(serverHello, message)) : concat(record(serverHello), record(message));
}

const clients: readonly [string, Uint8Array, Known, string][] = [
  ['LimeWire: one anonymous suite', hello([0x0034]), 'none', 'suspected'],
  ['gtk-gnutella: anonymous suites behind others', hello([0xc02b, 0x009c, 0x002f, 0xc018, 0x00a6, 0x0034]), 'none', 'suspected'],
  ['a browser', hello([0x1301, 0xc02b, 0x002f], 'example.com'), 'none', 'no'],
  ['no name, ordinary suites', hello([0x1301, 0xc02b]), 'none', 'no'],
  ['no name, ordinary suites, endpoint told by a servent', hello([0x1301, 0xc02b]), 'told', 'suspected'],
  ['no name, ordinary suites, client host known', hello([0x1301, 0xc02b]), 'host', 'no'],
  ['a name and an anonymous suite', hello([0x0034], 'mail.example.com'), 'told', 'no'],
  ['a scanner with all suites', hello([...Array(150).keys()]), 'none', 'no'],
];

for (const [name, bytes, known, expected] of clients) {
  test(`Gnutella over TLS: ${name}`, () => {
    assert.equal(findingName(inspectSample(tls, only(bytes), { known })), expected);
    for (let lengthBytes = 60; lengthBytes < bytes.length; lengthBytes++) {
      const cut = findingName(inspectSample(tls, only(bytes.subarray(0, lengthBytes)), { known }));
      if (expected === 'suspected') assert.equal(cut, 'more', `${lengthBytes} bytes`);
    }
  });
}

test('the certificate of gtk-gnutella is certain, in one record or two; another name is refused', () => {
  const answer = (bytes: Uint8Array): readonly Turn[] => [{ from: 0, bytes: hello([0xc02f]) }, { from: 1, bytes }];
  for (const isOneRecord of [true, false]) {
    const bytes = serverFlight('gtk-gnutella/1.2.1', isOneRecord);
    assert.equal(findingName(inspectSample(tls, answer(bytes))), 'certain');
    for (let lengthBytes = 6; lengthBytes < 120; lengthBytes++) {
      assert.equal(findingName(inspectSample(tls, answer(bytes.subarray(0, lengthBytes)))), 'more', `${lengthBytes} bytes`);
    }
    assert.equal(findingName(inspectSample(tls, answer(serverFlight('www.example.com', isOneRecord)))), 'no');
  }
});
