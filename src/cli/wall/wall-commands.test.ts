import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ControlError } from '../../control/client.js';
import { ToolError } from '../../enforce/tools.js';
import { SystemError } from '../../kernel/system-error.js';
import { secondsOf } from './block.js';
import { rated, sorted, topText } from './top.js';
import { failureOf } from './wall-failure.js';

test('durations', () => {
  for (const [text, seconds] of [['90', 90], ['90s', 90], ['10m', 600], ['2h', 7200], ['1d', 86_400], ['0', null], ['99d', null], ['soon', null], ['-1', null]] as const) {
    assert.equal(secondsOf(text), seconds, text);
  }
});

test('rates come from two looks; sums that shrank, and rows that are new, have none', () => {
  const row = (client: string, bytes: number): Parameters<typeof rated>[0][number] => ({ client, protocol: '-', action: '-', flows: 1, bytes });
  const rows = rated([row('a', 3000), row('b', 10), row('c', 500)], [row('a', 1000), row('b', 20)], 2);
  assert.deepEqual(rows.map(({ client, bitsPerSecond }) => [client, bitsPerSecond]), [['a', 8000], ['b', 0], ['c', 0]]);
  assert.deepEqual(sorted(rows, 'bytes').map(({ client }) => client), ['a', 'c', 'b']);
  assert.deepEqual(sorted(rows, 'client').map(({ client }) => client), ['a', 'b', 'c']);
  assert.match(topText(rows, 0, null), /> {2}a +ordinary .* 8 kbit\/s/);
});

test('failures become exit statuses with remedies', () => {
  const status = (error: unknown): number | undefined => failureOf(error)?.status;
  assert.equal(status(new ControlError('ENOENT', '')), 69);
  assert.equal(status(new ControlError('EACCES', '')), 77);
  assert.equal(status(new SystemError({ syscall: 'bind', errno: 1 })), 77);
  assert.equal(status(new SystemError({ code: 'ERR_QUEUE_BUSY', syscall: 'bind', errno: 1 })), 69);
  assert.equal(status(new ToolError('ipset', { status: 127, stdout: '', stderr: 'ipset is not installed' }, 'install it')), 69);
  assert.equal(status(new ToolError('iptables-restore', { status: 4, stdout: '', stderr: 'Permission denied (you must be root)' }, '')), 77);
  assert.equal(failureOf(new Error('a bug')), null, 'bugs are not dressed up');
});
