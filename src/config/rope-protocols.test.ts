import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ropeProtocols } from './rope-protocols.js';

const entry = (script: string, protocol: string) => ({ script, protocol, confidence: 'certain' as const, category: 'file-sharing' as const });

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
  const expected = [/bad.*bad\.rope:1:4: 'add' needs 2 values/, /args.*takes arguments/, /none.*no such script/, /bittorrent.*already/, /mail.*already/];
  assert.equal(problems.length, expected.length, problems.join('\n'));
  for (const [i, pattern] of expected.entries()) assert.match(problems[i] ?? '', pattern);
});
