import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Command } from 'commander';
import { CUTTER_EXAMPLES, cutterCommand } from './cutter-command.js';
import { type ExampleTable, addExamples, examplesText } from './examples.js';
import { FTWALL_EXAMPLES, ftwallCommand } from './ftwall-command.js';
import { P2PWALL_EXAMPLES } from './p2pwall-examples.js';
import { p2pwallCommand } from './p2pwall-command.js';
import { ropeCommand } from './rope-command.js';
import { ROPE_EXAMPLES } from './rope-examples.js';
import { ROPEC_EXAMPLES, ropecCommand } from './ropec-command.js';

const PROGRAMS: readonly { readonly make: () => Command; readonly examples: ExampleTable; readonly implied?: string }[] = [
  { make: p2pwallCommand, examples: P2PWALL_EXAMPLES },
  { make: ropeCommand, examples: ROPE_EXAMPLES, implied: 'run' },
  { make: ropecCommand, examples: ROPEC_EXAMPLES },
  { make: cutterCommand, examples: CUTTER_EXAMPLES },
  { make: ftwallCommand, examples: FTWALL_EXAMPLES },
];

test('every command has examples, and every example belongs to a command', () => {
  for (const { make, examples } of PROGRAMS) {
    const program = make();
    assert.deepEqual(Object.keys(examples).sort(), ['', ...program.commands.map((sub) => sub.name())].sort(), program.name());
  }
});

/** The words after each call of the program in a line of shell: `a | p x && p y` has two. */
function calls(name: string, line: string): string[][] {
  return line
    .split(/[|)]|&&|\$\(/)
    .map((part) => (part.match(/'[^']*'|[^\s"]+/g) ?? []).map((word) => word.replace(/^'(.*)'$/, '$1')))
    .filter((words) => words[0] === name)
    .map((words) => words.slice(1));
}

/** Parses without running: null, or what commander finds wrong. */
function mistake(program: Command, words: readonly string[]): string | null {
  let isReached = false;
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeErr: () => undefined });
    if (command === program ? program.commands.length === 0 : command.name() !== 'help') command.action(() => void (isReached = true));
  }
  try {
    program.parse([...words], { from: 'user' });
  } catch (error) {
    return (error as Error).message;
  }
  return isReached ? null : 'no command ran';
}

test('every example is a command line that its program takes', () => {
  let count = 0;
  for (const { make, examples } of PROGRAMS) {
    const name = make().name();
    for (const [path, lines] of Object.entries(examples)) {
      for (const [line] of lines) {
        const found = calls(name, line);
        assert.ok(found.length > 0, `${name}: ${line}`);
        for (const words of found.filter(([first]) => first !== 'help')) {
          assert.equal(mistake(make(), words), null, `${path}: ${line}`);
          count++;
        }
      }
    }
  }
  assert.ok(count > 50, `only ${count} lines were parsed`);
  assert.equal(mistake(p2pwallCommand(), ['identify', '--jsno', 'x.pcap']), "error: unknown option '--jsno'\n(Did you mean --json?)");
  assert.match(mistake(ropeCommand(), ['greg']) ?? '', /missing required argument/);
});

test('purposes stand below each other, and a very long line does not move them', () => {
  const long = 'x'.repeat(60);
  assert.equal(examplesText([['a b', 'one'], ['a', 'two'], [long, 'three'], ['none', '']]), `  a b   one\n  a     two\n  ${long}  three\n  none`);
  const help: string[] = [];
  const program = addExamples(new Command('p').configureOutput({ writeOut: (text) => void help.push(text) }), { '': [['p 1', 'runs']] }, 'Exit status: 0.');
  program.outputHelp();
  assert.match(help.join(''), /\nExamples:\n {2}p 1 {2}runs\n\nExit status: 0\.\n$/);
});
