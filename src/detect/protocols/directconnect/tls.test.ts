import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat } from '../../../base/bytes.js';
import { clientHello, serverHello, tlsRecords } from '../../facets/samples.js';
import type { Known } from '../../detector.js';
import { findingName, inspectSample, type Turn } from '../../sample.js';
import { only } from '../../sample-table.js';
import { tls } from './tls.js';

const CID = 'OL5JUNC22JHISU36D2ND5YVSSLORTNK47N54JYA';

const clients: readonly [string, Uint8Array, Known, string][] = [
  ['ALPN adc', clientHello({ alpn: ['adc'] }), 'none', 'certain'],
  ['ALPN h2 and nmdc, with a name', clientHello({ alpn: ['h2', 'nmdc'], serverName: 'hub.example' }), 'none', 'certain'],
  ['no ALPN, no name, endpoint told by a hub', clientHello(), 'told', 'suspected'],
  ['no ALPN, no name, nothing known', clientHello(), 'none', 'no'],
  ['a browser', clientHello({ alpn: ['h2', 'http/1.1'], serverName: 'example.com' }), 'told', 'no'],
  ['a name like it', clientHello({ alpn: ['adcx'] }), 'none', 'no'],
];

for (const [name, hello, known, expected] of clients) {
  test(`Direct Connect over TLS: ${name}`, () => {
    assert.equal(findingName(inspectSample(tls, only(tlsRecords(hello)), { known })), expected);
  });
}

const be24 = (value: number): Uint8Array => Uint8Array.of(value >> 16, (value >> 8) & 0xff, value & 0xff);

/** Two common names as in a self-signed certificate. */
function certificate(commonName: string): Uint8Array {
  const name = concat(Uint8Array.of(0x55, 0x04, 0x03, 0x0c, commonName.length), ascii(commonName));
  const body = concat(new Uint8Array(40).fill(0x30), name, new Uint8Array(30).fill(0x17), name, new Uint8Array(300).fill(0x31));
  const list = concat(be24(body.length + 3), be24(body.length), body);
  return concat(Uint8Array.of(11), be24(list.length), list);
}

test('the choice of adc, and a certificate named by a client id, are certain', () => {
  const answer = (bytes: Uint8Array): readonly Turn[] => [
    { from: 0, bytes: tlsRecords(clientHello()) },
    { from: 1, bytes },
  ];
  assert.equal(findingName(inspectSample(tls, answer(tlsRecords(serverHello('adc'))))), 'certain');
  const flight = concat(tlsRecords(serverHello('h2')), tlsRecords(certificate(CID)));
  assert.equal(findingName(inspectSample(tls, answer(flight))), 'certain');
  const joined = tlsRecords(concat(serverHello('h2'), certificate(CID)));
  assert.equal(findingName(inspectSample(tls, answer(joined))), 'certain');
  assert.equal(findingName(inspectSample(tls, answer(joined.subarray(0, 120)))), 'more');
  for (const other of ['www.example.com', CID.toLowerCase(), CID.slice(1)]) {
    const ordinary = tlsRecords(concat(serverHello('h2'), certificate(other)));
    assert.equal(findingName(inspectSample(tls, answer(ordinary))), 'no', other);
  }
});
