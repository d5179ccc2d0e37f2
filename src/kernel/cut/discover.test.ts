import { test } from 'node:test';
import assert from 'node:assert/strict';
import { recordedEntry } from '../../cutter/recorded-entries.js';
import { ALL_CONNECTIONS } from '../../cutter/selection.js';
import type { Conntrack } from '../conntrack.js';
import { EINVAL, EPERM } from '../errno.js';
import { SystemError } from '../system-error.js';
import { discover } from './discover.js';

// Without TCP no socket of the machine that runs this test is looked at.
const UDP = { ...ALL_CONNECTIONS, protocols: [17] };

/** A table that answers lookups and dumps by `answer`. */
function table(answer: Conntrack['findAll']): Conntrack & { isClosed: boolean } {
  const unused = (): never => assert.fail('not to be called');
  return {
    isClosed: false,
    dump: (_ipVersion, _filter, visit) => answer([], visit),
    findAll: answer,
    find: unused,
    delete: unused,
    setMark: unused,
    close() {
      this.isClosed = true;
    },
  };
}

const refusal = (errno: number) => (): never => {
  throw new SystemError({ syscall: 'IPCTNL_MSG_CT_GET', errno, doing: 'list connections' });
};

test('what the table has and the selection means is found', () => {
  const udp = recordedEntry('udp');
  const kernel = table((_keys, visit) => void [udp, recordedEntry('plainMarked')].map(visit));
  const { connections, tracked, keptOwnSession } = discover(UDP, kernel);
  assert.deepEqual(connections.map(({ entry }) => entry), [udp]);
  assert.ok(tracked !== null && !keptOwnSession && kernel.isClosed);
});

test('a kernel without connection tracking, or without its netlink part, is said to have none', () => {
  assert.deepEqual(discover(UDP, null), { connections: [], tracked: null, keptOwnSession: false });
  assert.equal(discover(UDP, table(refusal(EINVAL))).tracked, null);
});

test('a missing privilege is an error, not an empty table', () => {
  const kernel = table(refusal(EPERM));
  assert.throws(() => discover(UDP, kernel), /list connections/);
  assert.equal(kernel.isClosed, true);
});
