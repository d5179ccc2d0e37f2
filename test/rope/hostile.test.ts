/**
 * Hostile scripts: diagnostics or a verdict, soon, never an exception. Bounds of
 * processor time are generous; a hang is what they catch, not a busy machine.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeInterpreter } from '../../src/rope/backends/interpreter.js';
import { compileJavaScript } from '../../src/rope/backends/javascript.js';
import * as runtime from '../../src/rope/backends/javascript-runtime.js';
import { compileForKernel } from '../../src/rope/backends/ebpf.js';
import { compile } from '../../src/rope/compile.js';
import { MAX_DIAGNOSTICS, renderDiagnostic } from '../../src/rope/diagnostics.js';
import { RunContext } from '../../src/rope/run-context.js';
import { buildTcp } from '../../src/wire/build.js';

const MAX_CPU_MS = 6000;
const packet = buildTcp({ src: '192.0.2.1', dst: '192.0.2.2', srcPort: 1, dstPort: 2, payload: new Uint8Array(1400) });

/** Compiles, prints what there is to print, runs where it can. */
function surviveAll(source: string): void {
  const started = process.cpuUsage();
  const compiled = compile(source);
  assert.ok(compiled.diagnostics.length <= MAX_DIAGNOSTICS);
  for (const diagnostic of compiled.diagnostics) assert.ok(renderDiagnostic(diagnostic, source, 'x.rope').length < 1000);
  if (compiled.isValid) {
    const context = new RunContext();
    context.packet.load(packet, 0, packet.length);
    makeInterpreter(compiled.program, context).run();
    if (compiled.ir !== null) {
      compileJavaScript(compiled.ir, context).run();
      compileForKernel(compiled.ir);
    }
  }
  const { user, system } = process.cpuUsage(started);
  const cpuMs = (user + system) / 1000;
  assert.ok(cpuMs < MAX_CPU_MS, `${cpuMs} ms of processor time`);
}

const repeat = (text: string, count: number): string => text.repeat(count);

/** Blocks that each run the one before twice: 2^n runs. */
function doubling(levels: number): string {
  let text = '{ $n inc } $b0 put ';
  for (let i = 1; i <= levels; i++) text += `{ $b${i - 1} do $b${i - 1} do } $b${i} put `;
  return `${text} $b${levels} do`;
}

function nestedLoops(depth: number): string {
  return `${repeat('{ $n 3 lt } { $n inc ', depth)}${repeat('} while ', depth)}`;
}

const SCRIPTS: readonly [string, string][] = [
  ['a million opening braces', repeat('{', 1_000_000)],
  ['a million closing brackets', repeat(')', 1_000_000)],
  ['alternating brackets', repeat('{(', 400_000)],
  ['words with brackets, deep', repeat('add( ', 200_000)],
  ['sixty-three blocks deep', `${repeat('{ ', 63)}yes${repeat(' } do', 63)}`],
  ['sixty loops deep', nestedLoops(60)],
  ['seven loops deep', nestedLoops(7)],
  ['2^100 runs of a block', doubling(100)],
  ['2^14 runs of a block', doubling(14)],
  ['a block that runs itself', 'put( { $r do } $r ) $r do'],
  ['two blocks that run each other', 'put( { $b do } $a ) put( { $a do } $b ) $a do'],
  ['a megabyte of text on one line', `"${repeat('a', 1_000_000)}" drop`],
  ['a megabyte of digits', repeat('9', 1_000_000)],
  ['a megabyte of dotted bytes', repeat('1.', 500_000)],
  ['a megabyte of pairs', repeat('aa:', 330_000)],
  ['a megabyte of one name', repeat('x', 1_000_000)],
  ['a megabyte of unknown words', repeat('foo ', 250_000)],
  ['a megabyte of underflow', repeat('add ', 250_000)],
  ['a megabyte of numbers', repeat('1 ', 500_000)],
  ['a megabyte of statements', repeat('1 drop ', 140_000)],
  ['a megabyte of comments', `#${repeat('x', 1_000_000)}`],
  ['a megabyte of blanks', repeat(' ,\n\t', 250_000)],
  ['more than a megabyte', repeat('1 drop ', 160_000)],
  ['many registers', Array.from({ length: 60_000 }, (_, i) => `$ip_ttl $r${i} put`).join(' ')],
  ['many branches', `${repeat('$ip_ttl { $a inc } if ', 30_000)}`],
  ['many alternatives', `expect_one( ${repeat('{ "x" expect_str } ', 60)})`],
  ['too many alternatives', `expect_one( ${repeat('{ "x" expect_str } ', 50_000)})`],
  ['many lengths', Array.from({ length: 20_000 }, (_, i) => `${i} lift drop`).join(' ')],
  ['a huge literal again and again', `"${repeat('a', 65_000)}" $s put { $s strlen drop } $f put ${repeat('$f do ', 20_000)}`],
  ['a huge class block', `{ ${repeat('dup isdigit drop ', 20_000)} isdigit } $c put ${repeat('{ isdigit } lift_while drop ', 1000)} $c lift_while`],
  ['endless loops in endless loops', '{ 1 } { { 1 } { { 1 } { } while } while } while'],
  ['an endless loop that reads', '{ 1 } { $packet tolower drop } while'],
  ['a loop of searches', '{ 1 } { "zzz" lift_to drop $data_start $offset put } while'],
  ['repeat beyond all measure', '2147483647 { 2147483647 { } repeat } repeat'],
  ['strings that grow', '"x" $s put { 1 } { $s $s strcat $s put } while'],
  ['control characters', '\u0000\u0001\u001b[31m \u007f "\u0000" \ud800 \udfff'],
  ['a byte order mark', '\ufeff1 drop'],
  ['quotes without end', repeat('"\n', 100_000)],
  ['escapes without end', `"${repeat('\\', 100_001)}`],
];

for (const [name, source] of SCRIPTS) {
  test(name, () => {
    surviveAll(source);
  });
}

test('what is too large says so, whether it is long or runs blocks in blocks', () => {
  for (const source of [repeat('1 drop ', 140_000), doubling(100)]) {
    const { isValid, isStatic, diagnostics } = compile(source);
    assert.deepEqual([isValid, isStatic, diagnostics[0]?.code], [true, false, 'interpreter-only']);
    assert.match(diagnostics[0]?.message ?? '', /too large to be compiled: more than 60000 words, those of a block counted each time it runs/);
  }
});

test('random text never throws', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60, unit: 'binary' }), (source) => {
      surviveAll(source);
    }),
    { numRuns: 300 },
  );
});

test('random text of the language\'s own characters never throws', () => {
  const unit = fc.constantFrom('{', '}', '(', ')', '"', '\\', '$', '#', '.', ':', ',', ' ', '\n', '0', '1', 'x', 'f', 'a', '-', 'put', 'add', 'if', 'do', 'eval', 'yes', 'isdigit', 'lift_while', 'while', '$a');
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 40 }), (parts) => {
      surviveAll(parts.join(''));
    }),
    { numRuns: 1500 },
  );
});

/** What can stand behind a dot: fields, and methods of the class. */
function namesOf(object: object): string[] {
  return [...Object.getOwnPropertyNames(object), ...Object.getOwnPropertyNames(Object.getPrototypeOf(object))];
}

test('generated JavaScript holds only identifiers, numbers and operators of the compiler', () => {
  const source = `
    "');process.exit(1);//" $evil_name put $evil_name println
    $evil_name "'; throw 1; '" eq { hotdrop( "\`\${1}\`" ) } if
    { "\\r\\n*/" expect_str } eval drop
    $data "</script>" lift_to strcat tolower hexdump
    greg(3) inc 5 $offset put 3 { 1 lift ord $n put } repeat
    expect_one( { "constructor" expect_str } { { "GET" expect_str } eval NO eq assert } )
    { isdigit } lift_while drop { ord 5 gt } lift_while drop`;
  const { ir } = compile(source);
  assert.ok(ir !== null);
  const { text } = compileJavaScript(ir, new RunContext());
  const allowed = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[-+*/%&|^~!<>=?:;,.(){}[\]]|\s)*$/;
  assert.match(text.replace("'use strict';", ''), allowed);
  // JavaScript's own words, what the runtime and the context have, and the compiler's names: letters with a number.
  const language = 'use strict const let return function if else for while break null true false length subarray fill'.split(' ');
  const ours = 'run verdict tag at message packet globals output bytes start O L S G A C P F g p B N T u q'.split(' ');
  const known = new Set([...language, ...ours, ...Object.keys(runtime), ...namesOf(new RunContext()), ...namesOf(new RunContext().packet), ...Object.getOwnPropertyNames(Math), 'Math']);
  const names = new Set(text.match(/[A-Za-z_]\w*/g));
  for (const name of names) assert.ok(known.has(name) || /^[a-zDENY]\d+$/.test(name), name);
  for (const word of ['process', 'throw', 'script', 'constructor', 'evil_name', 'evil']) assert.ok(!names.has(word), word);
});
