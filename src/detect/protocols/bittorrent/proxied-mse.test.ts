/** Encrypted handshakes behind the negotiation with a proxy. */
import { test } from 'node:test';
import { answer, ask, checkSamples } from '../../../../test/support/detector-table.js';
import { exchange, noise } from '../../../../test/support/noise.js';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { proxiedMse } from './proxied-mse.js';


const REQUEST_5 = fromHex('05 01 00 01 c6336409 1ae1');
const REPLY_5 = fromHex('05 00 00 01 00000000 0000');
const SOCKS_5 = [ask(fromHex('05 01 00')), answer(fromHex('05 00')), ask(REQUEST_5), answer(REPLY_5)];
const PASSWORD = [ask(fromHex('05 02 0002')), answer(fromHex('05 02')), ask(fromHex('01 01 61 01 62')), answer(fromHex('01 00')), ask(REQUEST_5), answer(REPLY_5)];
const SOCKS_4 = [ask(fromHex('04 01 1ae1 c6336409 00')), answer(fromHex('00 5a 0000 00000000'))];
const CONNECT = [ask(ascii('CONNECT 198.51.100.9:6881 HTTP/1.0\r\n\r\n')), answer(ascii('HTTP/1.0 200 Connection established\r\n\r\n'))];
const CLEAR = concat(ascii('\x13BitTorrent protocol'), noise(48));

test('the exchange is suspected behind every negotiation, as it is without one', () => {
  for (const [name, negotiation] of [['SOCKS 5', SOCKS_5], ['with a password', PASSWORD], ['SOCKS 4', SOCKS_4], ['CONNECT', CONNECT]] as const) {
    checkSamples(proxiedMse, [
      { name, turns: [...negotiation, ...exchange(317, 155, 427)], expected: 'suspected' },
      { name: `${name}, the key alone`, turns: [...negotiation, ...exchange(317)], expected: 'more' },
      { name: `${name}, and the clear handshake`, turns: [...negotiation, ...exchange(317, 155, 100, 90), ask(CLEAR)], expected: 'certain' },
      { name: `${name}, bursts too long`, turns: [...negotiation, ...exchange(700, 155, 427)], expected: 'no' },
      { name: `${name}, answer too short`, turns: [...negotiation, ...exchange(317, 55, 427)], expected: 'no' },
      { name: `${name}, TLS`, turns: [...negotiation, ask(concat(fromHex('16 0301 0200'), noise(512))), ...exchange(0, 155, 427).slice(1)], expected: 'no' },
      { name: `${name}, text`, turns: [...negotiation, ask(ascii('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'))], expected: 'no' },
      { name: `${name}, picked up in the middle`, turns: [...negotiation, ...exchange(317, 155, 427)], expected: 'no', options: { fromStart: false } },
    ]);
  }
});

test('what only begins like a negotiation is none', () => {
  checkSamples(proxiedMse, [
    { name: 'one message', turns: [ask(fromHex('05 01 00'))], expected: 'more' },
    { name: 'greeting of another length', turns: [ask(fromHex('05 01 00 00')), ...SOCKS_5.slice(1), ...exchange(317, 155, 427)], expected: 'no' },
    { name: 'no request', turns: [ask(fromHex('05 01 00')), answer(fromHex('05 00')), ask(fromHex('07')), answer(REPLY_5), ...exchange(317, 155, 427)], expected: 'no' },
  ]);
});
