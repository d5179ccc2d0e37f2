import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Names } from '../../cutter/arguments.js';
import { type CutOptions, planOf } from './cut-options.js';
import { cutterCommand } from '../cutter-command.js';

const page = readFileSync(new URL('../../../../docs/man/cutter.8', import.meta.url), 'utf8').replaceAll('\\-', '-');
const names: Names = { host: () => [], service: (name) => (name === 'ssh' ? 22 : undefined) };
const defaults: CutOptions = { timeout: '5', method: 'auto' };

test('cutter(8) documents every option, and no other', () => {
  const flags = cutterCommand().options.flatMap(({ short, long }) => [short, long]).filter((flag) => flag !== undefined);
  const known = new Set([...flags, '--help']);
  for (const flag of known) {
    assert.ok(new RegExp(`\\n\\.(BR?|BI) (-[a-zA-Z] ", " )?${flag}\\b|\\n\\.BR ${flag} ", "`).test(page), `${flag} is missing in cutter(8)`);
  }
  for (const [flag] of page.matchAll(/(?<![\w-])--[a-z][a-z0-9-]+/g)) assert.ok(known.has(flag), `${flag} of cutter(8) does not exist`);
});

test('all mistakes are reported together', () => {
  const planned = planOf(['10.0.0.300'], { ...defaults, state: 'x', age: 'old', mark: 'y', hold: '0', udp: true, proto: 'tcp' }, names);
  assert.ok('problems' in planned);
  assert.equal(planned.problems.length, 6);
  assert.ok(planned.problems.every(({ message, hint }) => message !== '' && hint !== ''));
});

test('a selection that names nothing needs --all, unless something else narrows it to somebody', () => {
  const isRefused = (words: string[], more: Partial<CutOptions> = {}): boolean => 'problems' in planOf(words, { ...defaults, ...more }, names);
  const table: [string, boolean, string[], Partial<CutOptions>][] = [
    ['nothing', true, [], {}],
    ['zeros', true, ['0', '0', '0', '0'], {}],
    ['idle ones of everybody', true, ['0'], { idle: '1h' }],
    ['everything, on purpose', false, [], { all: true }],
    ['an interface', false, [], { iface: ['eth0'] }],
    ['a mark', false, [], { mark: '1' }],
    ['a protocol of the wall', false, [], { p2p: 'any' }],
    ['a port', false, ['0', 'ssh'], {}],
  ];
  for (const [name, expected, words, more] of table) assert.equal(isRefused(words, more), expected, name);
});

test('UDP is held although nobody said so, TCP beside it is not', () => {
  const plan = (more: Partial<CutOptions>): [number, readonly number[]] => {
    const planned = planOf(['10.0.0.1'], { ...defaults, ...more }, names);
    if ('problems' in planned) assert.fail(JSON.stringify(planned.problems));
    return [planned.plan.holdSeconds, planned.plan.heldProtocols];
  };
  assert.deepEqual(plan({}), [0, [6]]);
  assert.deepEqual(plan({ hold: '90' }), [90, [6]]);
  assert.deepEqual(plan({ udp: true }), [30, [17]]);
  assert.deepEqual(plan({ proto: 'tcp,udp' }), [30, [17]]);
  assert.deepEqual(plan({ proto: 'tcp,udp', hold: '2m' }), [120, [6, 17]]);
});
