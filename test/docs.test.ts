/** Papers that must agree with the code: reason codes, protocol table. UPDATE_GOLDEN=1 rewrites the generated one. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROTOCOLS } from '../src/detect/registry.js';
import { REASONS } from '../src/events/reasons.js';

const docs = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'docs');

test('docs/events.md explains every reason code, in its words', () => {
  const text = readFileSync(join(docs, 'events.md'), 'utf8');
  for (const [code, meaning] of Object.entries(REASONS)) {
    assert.ok(text.includes(`| \`${code}\` | ${meaning} |`), `reason ${code} is not explained as in src/events/reasons.ts`);
  }
});

function protocolsPage(): string {
  const lines = [
    '# Protocols',
    '',
    'Generated from the registry by `UPDATE_GOLDEN=1 script/test docs.test`; a test checks that it is fresh.',
    '',
    '| id | title | category | features over TCP | features over UDP |',
    '| --- | --- | --- | --- | --- |',
  ];
  for (const { id, title, category, features } of PROTOCOLS) {
    const over = (transport: number): string =>
      [...new Set(features.filter((it) => it.transport === transport).map((it) => it.feature))].join(', ');
    lines.push(`| \`${id}\` | ${title} | ${category} | ${over(6)} | ${over(17)} |`);
  }
  lines.push('', '## Specifications', '');
  for (const { id, specs } of PROTOCOLS) lines.push(`- \`${id}\`: ${specs.join(' ')}`);
  return `${lines.join('\n')}\n`;
}

test('docs/protocols.md is fresh', () => {
  const path = join(docs, 'protocols.md');
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, protocolsPage());
  assert.ok(existsSync(path), 'run UPDATE_GOLDEN=1 script/test docs.test');
  assert.equal(readFileSync(path, 'utf8'), protocolsPage());
});

test('the protocol table of the README is fresh', () => {
  const path = join(docs, '..', 'README.md');
  const rows = PROTOCOLS.map(({ id, title, category }) => `| \`${id}\` | ${title} | ${category} |`);
  const table = ['| id | protocol | category |', '| --- | --- | --- |', ...rows].join('\n');
  const between = /(<!-- protocols: [^>]*-->\n)[\s\S]*?(\n<!-- end -->)/;
  const text = readFileSync(path, 'utf8');
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, text.replace(between, (_, head: string, tail: string) => head + table + tail));
  assert.ok(readFileSync(path, 'utf8').includes(`-->\n${table}\n<!-- end -->`), 'run UPDATE_GOLDEN=1 script/test docs.test');
});
