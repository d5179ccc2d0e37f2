import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ropeProtocols } from './rope-protocols.js';
import type { RopeConfig } from './schema.js';

const entry = (script: string, protocol: string, push: RopeConfig['push'] = []): RopeConfig => ({ script, protocol, confidence: 'certain', category: 'file-sharing', push });

test('entries become protocols; every fault is named with its remedy', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-rope-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, 'p2pwall.toml');
  writeFileSync(join(folder, 'good.rope'), '"HELO" expect_str yes');
  writeFileSync(join(folder, 'bad.rope'), '20 add');
  writeFileSync(join(folder, 'args.rope'), '$a put $a 5 eq assert');
  const { protocols, problems } = ropeProtocols(
    [entry('good.rope', 'mail'), entry('bad.rope', 'bad'), entry('args.rope', 'args'), entry('./none.rope', 'none'), entry('good.rope', 'bittorrent'), entry('good.rope', 'mail')],
    config,
  );
  assert.deepEqual(protocols.map(({ id, category }) => [id, category]), [['mail', 'file-sharing']]);
  const expected = [/bad.*bad\.rope:1:4: 'add' needs 2 values/, /args.*takes 1 arguments and gets 0/, /none.*no such script/, /bittorrent.*already/, /mail.*already/];
  assert.equal(problems.length, expected.length, problems.join('\n'));
  for (const [i, pattern] of expected.entries()) assert.match(problems[i] ?? '', pattern);
});

test('arguments are pushed in order; what cannot be pushed, or does not fit the script, is named', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-rope-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, 'p2pwall.toml');
  writeFileSync(join(folder, 'three.rope'), '$ip put $text put $port put $tcp_dest $port eq assert $ip_daddr $ip eq assert $text expect_str yes');
  writeFileSync(join(folder, 'direct.rope'), '$tcp_dest eq assert yes');
  const good = ropeProtocols([entry('three.rope', 'three', [4000, 'HELO', { ip: '192.0.2.2' }]), entry('direct.rope', 'direct', [5])], config);
  assert.deepEqual(good.problems, []);
  assert.deepEqual(good.protocols.map(({ id }) => id), ['three', 'direct']);
  const { problems } = ropeProtocols(
    [entry('three.rope', 'a', [4000, 'HELO']), entry('three.rope', 'b', ['HELO', 4000, 5]), entry('three.rope', 'c', [1, 'x', { ip: 'example.org' }]), entry('three.rope', 'd', [1, 'x', { ip: '::1' }, 9])],
    config,
  );
  const expected = [/a: .*underflow|a: .*needs|a: .*takes 3 arguments and gets 2/, /b: .*three\.rope:1:\d+: /, /c: push: 'example\.org' is no address/, /d: .*/];
  assert.equal(problems.length, expected.length, problems.join('\n'));
  for (const [i, pattern] of expected.entries()) assert.match(problems[i] ?? '', pattern);
});
