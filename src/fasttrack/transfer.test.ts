import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addressText } from '../base/address.js';
import { ascii } from '../base/bytes.js';
import { buildGive, buildTransferRequest, buildTransferResponse, parseEndpoint, scanGive, scanTransferHead } from './transfer.js';

const FIELDS = { userName: 'tester', network: 'KaZaA', ownEndpoint: '10.1.0.2:1214', supernode: '198.51.100.7:3128' };
const HASH = '8e0cda92da564448da5ec5070f3231907abac2a6';
const REQUEST = buildTransferRequest(HASH, '192.0.2.10:1214', FIELDS, 0, 1048575);
const scan = (text: string) => scanTransferHead(ascii(text), 0, text.length);

test('the example request says who asks, and through which supernode', () => {
  const head = scanTransferHead(REQUEST, 0, REQUEST.length);
  assert.ok(head?.supernode && head.ownEndpoint);
  assert.equal(head.isRequest, true);
  assert.equal(head.hasKazaaPath && head.hasKazaaField && head.hasKazaaAgent && head.isComplete, true);
  assert.equal(head.userName, 'tester');
  assert.equal(head.network, 'KaZaA');
  assert.equal(addressText(head.supernode.address, 0, 4), '198.51.100.7');
  assert.equal(head.supernode.port, 3128);
  assert.equal(head.ownEndpoint.port, 1214);
});

test('a response tells the same, in any letter case', () => {
  const response = buildTransferResponse(FIELDS, 0, 99, 1000);
  const text = String.fromCharCode(...response).toLowerCase().replace('http', 'HTTP');
  const head = scan(text);
  assert.equal(head?.isRequest, false);
  assert.equal(head?.hasKazaaField, true);
  assert.equal(head?.supernode?.port, 3128);
});

test('cut anywhere, a head tells only what arrived in full', () => {
  const nameEnd = REQUEST.indexOf(0x3a, String.fromCharCode(...REQUEST).indexOf('X-Kazaa-Username'));
  for (let end = 0; end <= REQUEST.length; end++) {
    const head = scanTransferHead(REQUEST, 0, end);
    if (end < 5) assert.equal(head, null, `${end} bytes`);
    else assert.ok(head, `${end} bytes`);
    if (head && end > nameEnd) assert.equal(head.hasKazaaField, true, `${end} bytes`);
    if (head && end <= nameEnd) assert.equal(head.hasKazaaField, false, `${end} bytes`);
    if (head?.supernode) assert.equal(head.supernode.port, 3128, 'never a port cut short');
  }
});

test('what is not FastTrack is not taken for it', () => {
  const table: [string, string, boolean][] = [
    ['plain web request', 'GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: Mozilla/5.0\r\n\r\n', false],
    ['a page about Kazaa', 'GET /x-kazaa-username: HTTP/1.1\r\nReferer: http://x/X-Kazaa-IP:\r\n\r\n', false],
    ['short hash', 'GET /.hash=8e0c HTTP/1.1\r\n\r\n', false],
    ['hidden file', 'GET /.filesystem HTTP/1.1\r\n\r\n', true],
    ['made-up header', 'GET / HTTP/1.1\r\nX-Kazaam: yes\r\n\r\n', false],
    ['tag in a response', 'HTTP/1.1 503 Busy\r\nX-KazaaTag: 3==abc\r\n\r\n', true],
    ['browse path', 'GET /.files HTTP/1.1\r\n\r\n', true],
  ];
  for (const [name, text, expected] of table) {
    const head = scan(text);
    assert.equal(Boolean(head && (head.hasKazaaField || head.hasKazaaPath || head.hasKazaaAgent)), expected, name);
  }
  for (const text of ['', 'PUT / HTTP/1.1', 'SSH-2.0', 'GETX /', 'HTTP/2 200']) assert.equal(scan(text), null, text);
});

test('push lines', () => {
  const table: [string, 'no' | 'more' | 'match'][] = [
    ['GIVE 1234567890\r\n', 'match'], ['give 7\n', 'match'], ['GIVE 12345678901\r\n', 'no'], ['GIVE \r\n', 'no'],
    ['GIVE 12', 'more'], ['GI', 'more'], ['', 'more'], ['GIVE 12 34\r\n', 'no'], ['GIVEN 1\r\n', 'no'], ['GIV 0:ab/x\n\n', 'no'],
    ['GIVE 12\r', 'more'], ['GIVE 12\rX', 'no'],
  ];
  for (const [text, expected] of table) assert.equal(scanGive(ascii(text), 0, text.length), expected, JSON.stringify(text));
  const built = buildGive(0xffffffff);
  assert.equal(scanGive(built, 0, built.length), 'match');
  for (let end = 0; end < built.length; end++) assert.equal(scanGive(built, 0, end), 'more');
});

test('endpoints must be whole', () => {
  assert.equal(parseEndpoint('192.0.2.1:1214')?.port, 1214);
  for (const text of ['192.0.2.1', '192.0.2.1:0', '192.0.2.1:65536', '192.0.2.256:1', '0192.0.2.1:1', 'x:1', '']) {
    assert.equal(parseEndpoint(text), null, text);
  }
});

test('heads never throw, however long or odd', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
      const bytes = new Uint8Array(4 + tail.length);
      bytes.set(ascii('GET '));
      bytes.set(tail, 4);
      scanTransferHead(bytes, 0, bytes.length);
      scanGive(bytes, 0, bytes.length);
    }),
    { numRuns: 200 },
  );
  const bomb = ascii(`GET / HTTP/1.1\r\n${'X: y\r\n'.repeat(3000)}X-Kazaa-IP: 192.0.2.1:1\r\n`);
  assert.equal(scanTransferHead(bomb, 0, bomb.length)?.hasKazaaField, false, 'beyond the limit');
});
