import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { REFERENCE_NAMES } from '../rope/reference.js';
import { type CompletionHints, SHELLS, type Shell, completionScript } from './completion.js';
import { cutterCommand } from './cutter-command.js';
import { ftwallCommand } from './ftwall-command.js';
import { p2pwallCommand } from './p2pwall-command.js';
import { ropeCommand, ROPE_COMPLETION } from './rope-command.js';
import { ropecCommand } from './ropec-command.js';

const PROGRAMS: readonly { readonly make: () => Command; readonly hints: CompletionHints }[] = [
  { make: p2pwallCommand, hints: {} },
  { make: ropeCommand, hints: ROPE_COMPLETION },
  { make: ropecCommand, hints: {} },
  { make: cutterCommand, hints: {} },
  { make: ftwallCommand, hints: {} },
];

function scriptOf(name: string, shell: Shell): string {
  for (const { make, hints } of PROGRAMS) if (make().name() === name) return completionScript(make(), shell, hints);
  throw new Error(`no program ${name}`);
}

/** What bash would offer for a command line whose last word is being typed. */
function offered(line: readonly string[], folder?: string): string[] {
  const name = line[0] ?? '';
  const script = `${scriptOf(name, 'bash')}
COMP_WORDS=(${line.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _${name}; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return spawnSync('bash', ['-c', script], { encoding: 'utf8', cwd: folder }).stdout.trim().split('\n');
}

test('bash completes subcommands, then the options of the one that was given', () => {
  assert.deepEqual(offered(['p2pwall', 'iden']), ['identify']);
  assert.deepEqual(offered(['p2pwall', 'identify', '--j']), ['--json']);
  assert.deepEqual(offered(['p2pwall', 'completion', 'f']), ['fish']);
  assert.deepEqual(offered(['p2pwall', 'help', 'bl']), ['block']);
});

test('bash completes the words of the rope language from its table', () => {
  assert.deepEqual(offered(['rope', 'words', 'lift_']), ['lift_while', 'lift_to']);
  assert.deepEqual(offered(['rope', 'words', 'ip6_']), ['ip6_hop_limit', 'ip6_flow_label']);
});

test('bash completes options of the command that is meant when none is named, and the values of options', () => {
  assert.deepEqual(offered(['rope', '--tr']), ['--trace']);
  assert.deepEqual(offered(['rope', 'x.rope', '--prof']), ['--profile']);
  assert.deepEqual(offered(['rope', '--backend', 'e']), ['ebpf']);
  assert.deepEqual(offered(['rope', '--backend', '=', 'j']), ['javascript']);
  assert.deepEqual(offered(['rope', 'load', '--via', '=']), ['ebpf', 'queue']);
  assert.deepEqual(offered(['ropec', '--emit', 'd']), ['disasm']);
  assert.deepEqual(offered(['ropec', '--push-i']), ['--push-int', '--push-ip']);
});

test('bash offers files where a file is meant, and nothing where it cannot know', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-completion-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['a.pcap', 'b.rope']) writeFileSync(join(folder, name), '');
  const here = (...line: string[]): string[] => offered(line, folder);
  assert.deepEqual(here('p2pwall', 'identify', ''), ['a.pcap', 'b.rope']);
  assert.deepEqual(here('p2pwall', 'check', '--config', ''), ['a.pcap', 'b.rope']);
  assert.deepEqual(here('rope', 'x.rp', ''), ['a.pcap', 'b.rope']);
  assert.deepEqual(here('rope', 'a'), ['a.pcap']);
  assert.deepEqual(here('ropec', '-o', ''), ['a.pcap', 'b.rope']);
  assert.deepEqual(here('p2pwall', 'block', '--for', ''), ['']);
  assert.deepEqual(here('cutter', '--idle', ''), ['']);
  assert.ok(here('p2pwall', 'status', '').includes('--json'));
  assert.ok(here('cutter', '').includes('--list'));
});

test('every shell gets every subcommand, option and choice', () => {
  for (const { make } of PROGRAMS) {
    const program = make();
    for (const shell of SHELLS) {
      const script = scriptOf(program.name(), shell);
      for (const sub of [program, ...program.commands]) {
        assert.ok(script.includes(sub.name()), `${shell}: ${sub.name()}`);
        for (const option of sub.options) {
          const hidden = option.hidden ? [] : [option.long?.slice(2) ?? '', ...(option.argChoices ?? [])];
          for (const text of hidden) assert.ok(script.includes(text), `${shell}: ${option.flags} ${text}`);
        }
      }
    }
  }
  for (const shell of SHELLS) for (const name of REFERENCE_NAMES) assert.ok(scriptOf('rope', shell).includes(name), `${shell}: ${name}`);
});

test('the scripts are valid in the shells that are here', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-completion-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'script');
  for (const { make } of PROGRAMS) {
    for (const shell of SHELLS) {
      writeFileSync(path, scriptOf(make().name(), shell));
      const result = spawnSync(shell, ['-n', path], { encoding: 'utf8' });
      if (result.error) t.diagnostic(`${shell} is not installed: syntax not checked`);
      else assert.equal(result.status, 0, `${shell}: ${result.stderr}`);
    }
  }
});
