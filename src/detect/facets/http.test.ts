/** HTTP facet: which prefixes are HTTP, and what features read from them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat } from '../../base/bytes.js';
import { httpFacet, type HttpMessage } from './http.js';

/** Parses text standing at an odd offset of a larger buffer. */
function parse(text: string): HttpMessage | null {
  const bytes = concat(ascii('xGET /'), ascii(text), ascii(' HTTP/1.1\r\n\r\n'));
  return httpFacet(bytes, 6, 6 + text.length);
}

const REQUEST =
  'GET /announce?info_hash=%12 HTTP/1.1\r\nHost: t.example:6969 \r\nUSER-AGENT:\tx/1\r\nX-Kazaa-Username: a\r\n\r\nbody';
const RESPONSE = 'HTTP/1.0 404 Not Found\r\nServer: y\r\nServer: z\r\n\r\nd8:intervali1e';

test('a request gives method, target, fields and body', () => {
  const http = parse(REQUEST);
  assert.ok(http);
  assert.equal(http.isRequest, true);
  assert.equal(http.method, 'GET');
  assert.equal(http.target(), '/announce?info_hash=%12');
  assert.equal(http.status, 0);
  assert.equal(http.isLineComplete, true);
  assert.equal(http.field('host'), 't.example:6969');
  assert.equal(http.field('user-agent'), 'x/1');
  assert.equal(http.field('user'), null);
  assert.equal(http.field('user-agents'), null);
  assert.equal(http.hasFieldPrefix('x-kazaa-'), true);
  assert.equal(http.hasFieldPrefix('x-gnutella'), false);
  assert.equal(http.isComplete, true);
  assert.equal(String.fromCharCode(...http.bytes.subarray(http.bodyAt, http.end)), 'body');
});

test('a response gives status, the first of repeated fields and the body', () => {
  const http = parse(RESPONSE);
  assert.ok(http);
  assert.equal(http.isRequest, false);
  assert.equal(http.method, '');
  assert.equal(http.target(), '');
  assert.equal(http.status, 404);
  assert.equal(http.field('server'), 'y');
  assert.equal(http.end - http.bodyAt, 14);
});

test('lines may end in LF alone and methods may be any token in any case', () => {
  for (const [text, method, target] of [
    ['get / http/1.1\nhost: a\n\n', 'get', '/'],
    ['M-SEARCH * HTTP/1.1\r\nHost: a\r\n\r\n', 'M-SEARCH', '*'],
    ['GET http://a/b c HTTP/1.0\r\nHost: a\r\n\r\n', 'GET', 'http://a/b c'],
  ] as const) {
    const http = parse(text);
    assert.equal(http?.method, method);
    assert.equal(http?.target(), target);
    assert.equal(http?.field('host'), 'a');
    assert.equal(http?.isComplete, true);
  }
});

test('other text protocols and binary are not HTTP', () => {
  for (const text of [
    '',
    'SSH-2.0-OpenSSH_9.2\r\n',
    'USER anonymous\r\n',
    'EHLO mail.example\r\n',
    'GET /old\r\n',
    'GET /cut HTTP/2.0\r\n',
    'GET HTTP/1.1\r\n',
    'GNUTELLA CONNECT/0.6\r\n',
    'GNUTELLA/0.6 200 OK\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'HTTP/2 200\r\n',
    'HTTP/1.1 2x0 OK\r\n',
    'HTTP/1.1-200 OK\r\n',
    '\x16\x03\x01\x02\x00\x01',
    '\x13BitTorrent protocol',
    'GET \x00\x01',
    'GET /\rx HTTP/1.1\r\n',
    'abcdefghijklmnopqrstuvwxyz / HTTP/1.1\r\n',
  ]) {
    assert.equal(parse(text), null, JSON.stringify(text));
  }
});

test('every prefix of a message is HTTP, and nothing seen in it changes later', () => {
  for (const [text, names] of [
    [REQUEST, ['host', 'user-agent', 'x-kazaa-username']],
    [RESPONSE, ['server']],
  ] as const) {
    const whole = parse(text);
    for (let length = 1; length < text.length; length++) {
      const cut = parse(text.slice(0, length));
      assert.ok(cut, `first ${length} bytes`);
      if (cut.isLineComplete) {
        assert.equal(cut.method, whole?.method);
        assert.equal(cut.target(), whole?.target());
        assert.equal(cut.status, whole?.status);
      }
      for (const name of names) {
        const value = cut.field(name);
        if (value !== null) assert.equal(value, whole?.field(name));
      }
      assert.equal(cut.isComplete, length >= text.indexOf('\r\n\r\n') + 4);
      assert.ok(cut.targetEnd <= cut.end);
    }
  }
});

test('no bytes make it throw or read past the end', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom('', 'GET ', 'HTTP/1.1 200 ', 'POST / HTTP/1.1\r\n'),
      (tail, head) => {
        const bytes = concat(ascii(head), tail, ascii(' HTTP/1.1\r\na: b\r\n\r\n'));
        const http = httpFacet(bytes, 0, head.length + tail.length);
        if (!http) return;
        assert.ok(
          http.end === head.length + tail.length && http.targetEnd <= http.end && http.bodyAt <= http.end,
        );
        http.field('a');
        http.hasFieldPrefix('x');
      },
    ),
    { numRuns: 300 },
  );
});
