import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ropeCommand } from '../rope-command.js';
import { ropecCommand } from '../ropec-command.js';

const page = (name: string): string => readFileSync(new URL(`../../../../docs/man/${name}`, import.meta.url), 'utf8').replaceAll('\\-', '-');

function flagsOf(command: Command): Set<string> {
  const all = [command, ...command.commands].flatMap((each) => each.options.flatMap(({ short, long }) => [short, long]));
  return new Set([...all, '-h', '--help'].filter((flag) => flag !== undefined && flag !== null));
}

for (const [name, command] of [['rope.1', ropeCommand()], ['ropec.1', ropecCommand()]] as const) {
  test(`${name} documents every option and command, and no other`, () => {
    const text = page(name);
    const flags = flagsOf(command);
    for (const flag of flags) {
      assert.ok(new RegExp(`\\n\\.(B|BR|BI) (-[a-zA-Z0-9] ", " )?${flag}\\b`).test(text), `${flag} is missing in ${name}`);
    }
    for (const [flag] of text.matchAll(/(?<![\w-])--[a-z][a-z0-9-]+/g)) assert.ok(flags.has(flag), `${flag} of ${name} does not exist`);
    for (const sub of command.commands) assert.ok(text.includes(`\n.B ${sub.name()}\n`), `${sub.name()} is missing in ${name}`);
  });
}
