import { test } from 'node:test';
import assert from 'node:assert/strict';
import { hasTcpSockets } from './socket-table.js';

const SOCKSTAT = 'sockets: used 31\nTCP: inuse N orphan 0 tw 2 alloc 9 mem 0\nUDP: inuse 3 mem 0\n';
const SOCKSTAT6 = 'TCP6: inuse N\nUDP6: inuse 1\n';

for (const [counts, expected] of [
  [[0, 0], false],
  [[1, 0], true],
  [[0, 1], true],
  [[10, 0], true],
] as const)
  test(`${counts[0]} TCP sockets of IPv4 and ${counts[1]} of IPv6: ${expected ? 'the kernel is asked' : 'nothing to ask the kernel for'}`, () => {
    const read = (path: string): string => (path.endsWith('6') ? SOCKSTAT6 : SOCKSTAT).replace('N', String(counts[path.endsWith('6') ? 1 : 0]));
    assert.equal(hasTcpSockets(read), expected);
  });

test('a kernel that does not tell is asked', () => {
  const missing = (): never => {
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  };
  assert.equal(hasTcpSockets(missing), true);
  assert.equal(hasTcpSockets(() => 'something else'), true);
});
