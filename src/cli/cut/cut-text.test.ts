import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type Connection, NO_TIMEOUTS, connectionOfEntry, legsOf } from '../../cutter/connection.js';
import { type RecordedName, recordedEntry } from '../../cutter/recorded-entries.js';
import type { ConnectionResult, LegResult } from '../../kernel/cut/cut-connections.js';
import { connectionJson, connectionText, listRow, planJson, planLines, resultJson, resultLine, summaryJson, summaryLine } from './cut-text.js';

function connection(name: RecordedName): Connection {
  const entry = recordedEntry(name);
  return connectionOfEntry(entry, (entry.startedAtMs ?? 0) + 90_000, { ...NO_TIMEOUTS, tcp: { ESTABLISHED: 432000 } });
}

function result(name: RecordedName, second: Partial<LegResult>): ConnectionResult {
  const it = connection(name);
  const [one, two] = legsOf(it);
  const leg: LegResult = { to: one.to, outcome: 'closed', method: 'window', interfaceName: 'eth1', tries: 1, ms: 1.25, isClosed: true, reason: '' };
  const legs = [leg, { ...leg, to: two.to, ...second }];
  return { connection: it, legs, isCut: legs.every(({ isClosed }) => isClosed) };
}

test('a row shows both views of a translated connection, and only one of a plain one', () => {
  assert.deepEqual(listRow(connection('masqueraded'), 1500), [
    'tcp', '10.77.1.2:40443', '10.77.2.2:443', '10.77.2.1:40443 > 10.77.2.2:443', 'ESTABLISHED', '1m', '2s', '382 B', '1.5 kbit/s', '',
  ]);
  assert.deepEqual(listRow(connection('plainMarked'), null).slice(3), ['', 'ESTABLISHED', '1m', '2s', '382 B', '', '0x10']);
  assert.equal(connectionText(connection('plainIpv6')), 'tcp [fd77:1::2]:40022 > [fd77:2::2]:22');
});

test('a plan names who would be told what under which name; datagrams have no ends', () => {
  const passage = [{ interfaceName: 'inside', text: 'RST by interface inside' }, { interfaceName: 'outside', text: 'RST by interface outside' }];
  assert.deepEqual(planLines(connection('masqueraded'), passage), [
    '    to 10.77.1.2:40443 as 10.77.2.2:443: RST by interface inside',
    '    to 10.77.2.2:443 as 10.77.2.1:40443: RST by interface outside',
  ]);
  assert.deepEqual(planLines(connection('udp'), passage), ['    delete its entry, and hold the pair']);
  assert.deepEqual(planJson(connection('masqueraded'), passage)[1], {
    to: { ip: '10.77.2.2', port: 443 }, from: { ip: '10.77.2.1', port: 40443 }, iface: 'outside', plan: 'RST by interface outside',
  });
  assert.deepEqual(planJson(connection('udp'), passage), []);
});

test('results: cut, cut after several tries, failed with the reason of each end', () => {
  assert.equal(resultLine(result('masqueraded', {})), 'cut      tcp 10.77.1.2:40443 > 10.77.2.2:443  (window, 1.3 ms)');
  assert.equal(resultLine(result('masqueraded', { tries: 3, ms: 20 })), 'cut      tcp 10.77.1.2:40443 > 10.77.2.2:443  (window, 20.0 ms, 3 tries)');
  const failed = result('masqueraded', { outcome: 'failed', isClosed: false, reason: 'no route' });
  assert.equal(resultLine(failed), 'FAILED   tcp 10.77.1.2:40443 > 10.77.2.2:443  10.77.1.2:40443 is closed; 10.77.2.2:443 no route');
  const report = { results: [result('masqueraded', {}), failed], cutMs: 12.4, prepareMs: 80, warnings: [] };
  assert.equal(summaryLine(report), '1 connection cut, 1 failed in 12 ms (80 ms to get ready)');
});

test('JSON has stable names', () => {
  const json = resultJson(result('bothNat', { outcome: 'alive', isClosed: false, reason: 'r', tries: 7 })) as { legs: object[] };
  assert.deepEqual(json.legs[1], {
    to: { ip: '10.77.2.2', port: 7000 }, outcome: 'alive', verified: false, method: 'window', iface: 'eth1', tries: 7, ms: 1.25, reason: 'r',
  });
  assert.equal(connectionJson(connection('masqueraded')).average_bps, 34);
  assert.deepEqual(connectionJson(connection('bothNat')).reply, { src: { ip: '10.77.2.2', port: 7000 }, dst: { ip: '10.77.2.9', port: 30029 } });
});

test('cutter(8) explains every member of the JSON', () => {
  const page = readFileSync(new URL('../../../../docs/man/cutter.8', import.meta.url), 'utf8').replaceAll('\\-', '-');
  const section = page.slice(page.indexOf('.SH JSON'), page.indexOf('.SH NOTES'));
  const members = (value: unknown): string[] =>
    value === null || typeof value !== 'object' ? [] : Object.entries(value).flatMap(([key, inner]) => (Number.isInteger(Number(key)) ? members(inner) : [key, ...members(inner)]));
  const summary = summaryJson({ results: [], cutMs: 1, prepareMs: 2, warnings: [] }, { startedAtMs: 3, startupMs: 4, discoverMs: 5 });
  const planned = planJson(connection('masqueraded'), [{ interfaceName: 'inside', text: 'RST' }, { interfaceName: 'outside', text: 'RST' }]);
  const all = new Set([...members(resultJson(result('masqueraded', {}))), ...members(summary), ...members(planned), 'rate_bps']);
  assert.ok(all.size > 30, `${all.size}`);
  for (const member of all) assert.match(section, new RegExp(`(?<![a-z_])${member}(?![a-z_])`), member);
});
