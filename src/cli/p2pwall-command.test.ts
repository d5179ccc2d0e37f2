import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { cutterCommand } from './cutter-command.js';
import { p2pwallCommand } from './p2pwall-command.js';

const page = readFileSync(new URL('../../../docs/man/p2pwall.8', import.meta.url), 'utf8').replaceAll('\\-', '-');

test('p2pwall(8) documents every command and option, and no other; those of cut are in cutter(8)', () => {
  const { commands } = p2pwallCommand();
  assert.ok(commands.length > 15);
  const known = new Set(commands.flatMap(({ options }) => options.map(({ long }) => long)));
  const cutting = new Set(cutterCommand().options.map(({ long }) => long));
  for (const command of commands) {
    assert.match(page, new RegExp(`\\n\\.BR? ("p2pwall )?[^\\n]*\\b${command.name()}\\b`), `${command.name()} is missing in p2pwall(8)`);
    for (const { long } of command.name() === 'cut' ? [] : command.options) assert.match(page, new RegExp(`\\.(BR?|BI|RB)[^\\n]*${long}\\b`), `${long} of ${command.name()}`);
  }
  for (const [flag] of page.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)) assert.ok(known.has(flag) && (!cutting.has(flag) || flag === '--json' || flag === '--all' || flag === '--socket'), `${flag} of p2pwall(8) does not exist`);
});
