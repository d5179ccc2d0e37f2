import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii } from '../../../base/bytes.js';
import { findingName, inspectSample, type Turn } from '../../sample.js';
import { harvested, only } from '../../sample-table.js';
import { gwebcache } from './gwebcache.js';

const cases: readonly [string, string, string][] = [
  ['version 2, hosts', '/gwc.php?get=1&net=gnutella&client=GTKG&version=1.2', 'certain'],
  ['version 2, ping', '/skulls.php?ping=1&multi=1&net=gnutella&client=LIME&version=4.9', 'certain'],
  ['version 1, hosts', '/gwebcache.asp?client=GNUC&version=1.8.4.0&hostfile=1', 'certain'],
  ['version 1, caches', '/c?urlfile=1&client=BEAR&version=2.6.3', 'certain'],
  ['version 1 without client', '/c?hostfile=1', 'likely'],
  ['update', '/c?ip=192.0.2.1:6346&client=BEAR&version=2.6.3', 'likely'],
  ['update, colon escaped', '/c?ip=192.0.2.1%3A6346&client=BEAR&version=2.6.3', 'likely'],
  ['ping without a network', '/gwc/?ping=1&client=GTKG&version=1.2.2', 'certain'],
  ['the same in another order, with a version in the code', '/gwc.php?client=LIME4.18.8&ping=1', 'certain'],
  ['hosts without a network', '/gwc.php?get=1&client=MRPH&version=3.0', 'certain'],
  ['ping of a servent without its version', '/gwc/?ping=1&client=GTKG', 'no'],
  ['ping of a code in small letters', '/gwc/?ping=1&client=gtkg&version=1', 'no'],
  ['ping twice', '/gwc/?ping=2&client=GTKG&version=1', 'no'],
  ['G2', '/gwc.php?get=1&net=gnutella2&client=RAZA2.7', 'no'],
  ['a search for the word', '/search?q=gnutella&net=all', 'no'],
  ['ping of another service', '/api?ping=1&client=ABCD&version=1', 'no'],
  ['hostfile with a name', '/upload?hostfile=hosts.txt&client=ABCD', 'no'],
  ['no parameters', '/index.html', 'no'],
];

for (const [name, target, expected] of cases) {
  test(`GWebCache: ${name}`, () => {
    const text = `GET ${target} HTTP/1.0\r\nHost: cache.example\r\n\r\n`;
    assert.equal(findingName(inspectSample(gwebcache, only(ascii(text)))), expected);
    for (let lengthBytes = 1; lengthBytes < 'GET  HTTP/1.0\r\n'.length + target.length; lengthBytes++) {
      assert.equal(findingName(inspectSample(gwebcache, only(ascii(text.slice(0, lengthBytes))))), 'more', `${lengthBytes} bytes`);
    }
  });
}

test('the answer tells its hosts, of either version', () => {
  const body = '192.0.2.1:6346\nH|192.0.2.2:6347|120\nU|http://cache.example/gwc.php|3\n';
  const turns: readonly Turn[] = [
    { from: 0, bytes: ascii('GET /?hostfile=1 HTTP/1.0\r\n\r\n') },
    { from: 1, bytes: ascii(`HTTP/1.0 200 OK\r\nX-From: 203.0.113.9:80 \r\n\r\n${body}`) },
  ];
  assert.deepEqual(harvested(gwebcache, turns), ['192.0.2.1:6346', '192.0.2.2:6347']);
});
