import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { SHELLS, completionScript } from './completion.js';
import { p2pwallCommand } from './p2pwall-command.js';

/** What bash would offer for a command line whose last word is being typed. */
function offered(line: readonly string[]): string[] {
  const script = `${completionScript(p2pwallCommand(), 'bash')}
COMP_WORDS=(${line.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _p2pwall; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split('\n');
}

test('bash completes subcommands, then the options of the one that was given', () => {
  assert.deepEqual(offered(['p2pwall', 'iden']), ['identify']);
  assert.deepEqual(offered(['p2pwall', 'identify', '--j']), ['--json']);
  assert.deepEqual(offered(['p2pwall', 'completion', 'f']), ['fish']);
});

test('every shell gets every subcommand and option', () => {
  const program = p2pwallCommand();
  for (const shell of SHELLS) {
    const script = completionScript(program, shell);
    for (const sub of program.commands) {
      assert.ok(script.includes(sub.name()), `${shell}: ${sub.name()}`);
      for (const option of sub.options) assert.ok(script.includes(option.long?.slice(2) ?? ''), `${shell}: ${option.flags}`);
    }
  }
});

test('the scripts are valid in the shells that are here', (t) => {
  const program = p2pwallCommand();
  for (const shell of SHELLS) {
    const result = spawnSync(shell, ['-n'], { input: completionScript(program, shell), encoding: 'utf8' });
    if (result.error) t.diagnostic(`${shell} is not installed: syntax not checked`);
    else assert.equal(result.status, 0, `${shell}: ${result.stderr}`);
  }
});
