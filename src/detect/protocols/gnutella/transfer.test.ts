import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii } from '../../../base/bytes.js';
import { findingName, inspectSample, type Turn } from '../../sample.js';
import { harvested, only, sampleProblems } from '../../sample-table.js';
import { http, push } from './transfer.js';

const URN = 'LXIP2A72T5H3BU3GRUMZFYNU3OYDK6FI';
const HOST = 'Host: 198.51.100.1:6346\r\n';
const request = (target: string, fields = HOST, method = 'GET'): readonly Turn[] => only(ascii(`${method} ${target} HTTP/1.1\r\n${fields}\r\n`));
const answer = (fields: string, status = '206 OK'): readonly Turn[] => [
  { from: 0, bytes: ascii('GET /x HTTP/1.1\r\n\r\n') },
  { from: 1, bytes: ascii(`HTTP/1.1 ${status}\r\n${fields}\r\n`) },
];

const cases: readonly [string, readonly Turn[], string][] = [
  ['request by SHA-1', request(`/uri-res/N2R?urn:sha1:${URN}`), 'certain'],
  ['tree request by bitprint', request(`/uri-res/N2X?urn:bitprint:${URN}.3WMUS6WM2ZC7XIPRQDKXWHHJRV4IKYC4OX4ELCA`), 'certain'],
  ['request by another URN', request('/uri-res/N2R?urn:isbn:0451450523'), 'likely'],
  ['request by a short SHA-1', request('/uri-res/N2R?urn:sha1:ABC'), 'likely'],
  ['request by index from a servent', request('/get/74/my song.mp3', `User-Agent: LimeWire/2.4\r\n${HOST}`), 'certain'],
  ['request by index with Gnutella fields', request('/get/74/a.mp3', `X-Gnutella-Servent-ID: 1\r\n${HOST}`), 'certain'],
  ['push proxy of old servents', request('/gnet/push-proxy?guid=0123456789ABCDEF0123456789ABCDEF', 'X-Node: 192.0.2.9:6346\r\n', 'HEAD'), 'certain'],
  ['another path with a short id', request('/gnet/push-proxy?guid=0123', '', 'HEAD'), 'no'],
  ['push proxy', request('/gnutella/push-proxy?ServerId=ABCDEFGHIJKLMNOPQRSTUVWXYZ&file=1', 'X-Node: 192.0.2.9:6346\r\n', 'HEAD'), 'certain'],
  ['tree hashes', request('/gnutella/thex/v1?urn:tree:tiger/:3WMUS6WM2ZC7&depth=9'), 'certain'],
  ['browse host', request('/', 'Accept: text/html, application/x-gnutella-packets\r\n'), 'certain'],
  ['answer with alternate locations', answer(`X-Gnutella-Alternate-Location: http://192.0.2.7:6346/uri-res/N2R?urn:sha1:${URN}\r\n`), 'certain'],
  ['answer with the place of tree hashes', answer(`Server: x\r\nX-Thex-URI: /uri-res/N2X?urn:sha1:${URN};VEKXTRSWCUPCHI52LNXHMMEZHPJJZSTPAOW7CRA\r\n`), 'certain'],
  ['answer with another X-Thex-URI', answer('Server: x\r\nX-Thex-URI: /thex?file=1\r\n'), 'no'],
  ['answer with a content URN', answer(`Server: x\r\nX-Content-URN: urn:sha1:${URN}\r\n`), 'certain'],
  ['answer: queued', answer('X-Queue: position=2,length=5,limit=4,pollMin=45,pollMax=120\r\n', '503 Queued'), 'certain'],
  ['answer with a download mesh', answer('X-Alt: 192.0.2.7:6346,192.0.2.8\r\n'), 'likely'],
  ['answer of a servent', answer('Server: BearShare 4.3\r\n'), 'likely'],
  ['answer with what a host shares', answer('Content-Type: application/x-gnutella-packets\r\n'), 'certain'],
  // Near misses
  ['an ordinary path /get/74/', request('/get/74/song.mp3', 'User-Agent: Mozilla/5.0\r\n'), 'no'],
  ['an ordinary path /get/', request('/get/latest/song.mp3', 'User-Agent: LimeWireless\r\n'), 'no'],
  ['a page about Gnutella', request('/gnutella/index.html'), 'no'],
  ['a list of resources', request('/uri-res/I2L?http://example.com/'), 'no'],
  ['another kind of queue', answer('X-Queue: 1.1\r\n'), 'no'],
  ['X-Alt of a shop', answer('X-Alt: blue\r\n'), 'no'],
  ['an ordinary answer', answer('Server: nginx\r\nX-Frame-Options: DENY\r\n'), 'no'],
];

for (const [name, turns, expected] of cases) {
  test(`Gnutella over HTTP: ${name}`, () => {
    assert.equal(findingName(inspectSample(http, turns)), expected);
    const last = turns[turns.length - 1];
    assert.ok(last);
    for (let lengthBytes = 1; lengthBytes < last.bytes.length; lengthBytes++) {
      const cut = findingName(inspectSample(http, [...turns.slice(0, -1), { from: last.from, bytes: last.bytes.subarray(0, lengthBytes) }]));
      if (expected !== 'no') assert.notEqual(cut, 'no', `refused after ${lengthBytes} bytes`);
      else assert.ok(cut === 'no' || cut === 'more', `${cut} after ${lengthBytes} bytes`);
    }
  });
}

test('alternate locations and push proxies are told', () => {
  const fields = `X-Gnutella-Alternate-Location: http://192.0.2.7:6346/uri-res/N2R\r\nX-Push-Proxies: 192.0.2.8:6347\r\n`;
  assert.deepEqual(harvested(http, answer(fields)), ['192.0.2.7:6346', '192.0.2.8:6347']);
});

const ID = '74e83102414c9fb617abb10c9760594a';
const pushes: readonly [string, string, 'certain' | 'likely' | 'no' | 'more'][] = [
  ['push answer', `GIV 36:${ID}/song.mp3\n\n`, 'certain'],
  ['push by guid', `PUSH guid:${ID}\r\n\r\n`, 'certain'],
  ['chat', 'CHAT CONNECT/0.1\r\n\r\n', 'certain'],
  ['connect back', 'CONNECT BACK\r\n\r\n', 'likely'],
  ['0.4 answer', 'HTTP 200 OK\r\nServer: Gnutella\r\n\r\n', 'certain'],
  ['GIV without id', 'GIV 36:song.mp3\n\n', 'no'],
  ['GIV without colon', `GIV 36 ${ID}/song.mp3\n\n`, 'no'],
  ['GIV without index', `GIV :${ID}/song.mp3\n\n`, 'no'],
  ['GIV of another alphabet', `GIV 36:${ID.replace('e', 'z')}/song.mp3\n\n`, 'no'],
  ['HTTP CONNECT', 'CONNECT BACKUP.example.com:443 HTTP/1.1\r\n', 'no'],
];

for (const [name, text, expected] of pushes) {
  test(`Gnutella push: ${name}`, () => assert.deepEqual(sampleProblems(push, { name, turns: only(ascii(text)), expected }), []));
}
