import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii } from '../../base/bytes.js';
import { findingName, inspectSample } from '../sample.js';
import { directconnect } from './directconnect.js';

const cases: readonly [string, number, string, readonly string[]][] = [
  ['ADC', 6, 'HSUP ADBASE ADTIGR\n', ['adc certain']],
  ['ADC mid-stream', 6, 'BINF AAAB NIsomebody\n', ['adc-line certain']],
  ['NMDC', 6, '$Lock EXTENDEDPROTOCOL Pk=hub|', ['nmdc certain']],
  ['SMTP', 6, '220 mail.example.com ESMTP\r\n', []],
  ['IRC', 6, 'NICK somebody\r\nUSER a b c :d\r\n', []],
  ['HTTP', 6, 'GET / HTTP/1.1\r\n\r\n', []],
  ['syslog', 17, '<34>Oct 11 22:14:15 host su: failed', []],
];

for (const [name, transport, text, expected] of cases) {
  test(`Direct Connect as a whole: ${name}`, () => {
    const found = directconnect.features
      .filter((feature) => feature.transport === transport)
      .map((feature) => `${feature.feature} ${findingName(inspectSample(feature, [{ from: 0, bytes: ascii(text) }]))}`)
      .filter((it) => !/ (no|more)$/.test(it));
    assert.deepEqual(found, expected);
  });
}

test('feature names are unique', () => {
  assert.equal(new Set(directconnect.features.map((feature) => feature.feature)).size, directconnect.features.length);
});
