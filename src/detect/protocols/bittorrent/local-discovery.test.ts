/** Local service discovery. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii } from '../../../base/bytes.js';
import { UDP } from '../../detector.js';
import { sampleInspection } from '../../sample.js';
import { ask, checkSamples, checkTruncations } from '../../../../test/support/detector-table.js';
import { localDiscovery } from './local-discovery.js';

const FIELDS = 'Host: 239.192.152.143:6771\r\nPort: 61197\r\nInfohash: ED4F1085E885F98F9A69B70EE89EB988B8FD9115\r\ncookie: 1a\r\n\r\n\r\n';
const ANNOUNCEMENT = `BT-SEARCH * HTTP/1.1\r\n${FIELDS}`;

test('the announcement is certain, other multicast searches are not', () => {
  checkSamples(
    localDiscovery,
    (
      [
        ['announcement', ANNOUNCEMENT, 'certain'],
        ['in lower case', ANNOUNCEMENT.toLowerCase(), 'certain'],
        ['SSDP', 'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n', 'no'],
        ['the method alone', 'BT-SEARCH', 'no'],
        ['other version', ANNOUNCEMENT.replace('1.1', '2.0'), 'no'],
      ] as const
    ).map(([name, text, expected]) => ({ name, turns: [ask(ascii(text))], expected })),
  );
  checkTruncations(localDiscovery, [ask(ascii(ANNOUNCEMENT))], {}, 22);
});

test('the sender’s port is told', () => {
  for (const [text, ports] of [
    [ANNOUNCEMENT, [61197]],
    [ANNOUNCEMENT.replace('Port: 61197', 'PORT:6881 '), [6881]],
    [ANNOUNCEMENT.replace('61197', '0'), []],
    [ANNOUNCEMENT.replace('61197', '99999'), []],
    [ANNOUNCEMENT.replace('61197', '12x'), []],
    [ANNOUNCEMENT.replace('Port: 61197\r\n', ''), []],
    [ANNOUNCEMENT.slice(0, ANNOUNCEMENT.indexOf('61197') + 5), [61197]],
  ] as const) {
    const told: number[] = [];
    localDiscovery.harvest?.(sampleInspection(UDP, [ask(ascii(text))]), {
      toldIpv4: () => assert.fail(),
      toldIpv6: () => assert.fail(),
      listensOn: (port) => told.push(port),
    });
    assert.deepEqual(told, ports, JSON.stringify(text));
  }
});
