/**
 * Back ends give equal answers on random programs and packets, and what the checker promises holds.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat } from '../../src/base/bytes.js';
import { type BackEnd, INTERPRETER, JAVASCRIPT } from '../../src/rope/backends/back-end.js';
import { EBPF } from '../../src/rope/backends/ebpf-vm.js';
import { type Compiled, compile } from '../../src/rope/compile.js';
import { DEFAULT_LIMITS, isMatch, type ErrorTag, type Limits, type Verdict } from '../../src/rope/ir.js';
import { REGISTERS } from '../../src/rope/registers.js';
import { RunContext } from '../../src/rope/run-context.js';
import { WORD_NAMES } from '../../src/rope/words.js';
import { Choices, generatePacket, generateProgram } from './generate.js';
import { generateFollower, generateLetters } from './generate-followers.js';

const RUNS = process.env.P2PWALL_TEST_ALL === '1' ? 20_000 : 400;

/** Errors of the stack machine: impossible in a program that the checker calls static. */
const STACK_ERRORS: ReadonlySet<ErrorTag> = new Set<ErrorTag>(['EStackEmpty', 'EStackFull', 'EBadType', 'EMixedTypes', 'EAnchor', 'ETooManyValues', 'EReadOnly']);

interface Answers {
  readonly verdicts: readonly number[];
  readonly tags: readonly (string | null)[];
  readonly output: string;
  readonly globals: string;
}

const zoneByInstant = (epochSeconds: number): number => (epochSeconds % 2 === 0 ? 3600 : -7200);

function answers(compiled: Compiled, backEnd: BackEnd, packets: readonly Uint8Array[], limits: Limits, zone = zoneByInstant): Answers {
  const outputs: Uint8Array[] = [];
  const context = new RunContext({ output: ({ bytes }) => outputs.push(bytes), utcOffsetSeconds: zone });
  const runner = backEnd.prepare(compiled, [], context, limits);
  assert.ok(typeof runner !== 'string', `${backEnd.name}: ${String(runner)}`);
  const tags: (string | null)[] = [];
  const verdicts = packets.map((bytes) => {
    context.packet.load(bytes, 0, bytes.length);
    const verdict = runner.run();
    tags.push(context.tag);
    return verdict;
  });
  return { verdicts, tags, output: concat(...outputs).join(), globals: context.globals.join() };
}

const numbers = fc.array(fc.nat(0x7fff_ffff), { minLength: 5, maxLength: 120 });
const someLimits = fc.constantFrom<Limits>(
  DEFAULT_LIMITS,
  DEFAULT_LIMITS,
  { ...DEFAULT_LIMITS, maxActions: 60 },
  { ...DEFAULT_LIMITS, maxWhileLoops: 2 },
  { ...DEFAULT_LIMITS, arenaBytes: 10 },
);

test('well-typed random programs compile and give equal answers on interpreter and JavaScript', () => {
  fc.assert(
    fc.property(numbers, fc.array(numbers, { minLength: 1, maxLength: 3 }), someLimits, (program, packets, limits) => {
      const source = generateProgram(new Choices(program));
      const compiled = compile(source, { limits });
      const errors = compiled.diagnostics.filter((d) => d.severity === 'error');
      assert.deepEqual(errors, [], source);
      assert.ok(compiled.isStatic, `${source}\n${compiled.diagnostics.map((d) => d.message).join('\n')}`);
      const bytes = packets.map((choices) => generatePacket(new Choices(choices)));
      const reference = answers(compiled, INTERPRETER, bytes, limits);
      assert.deepEqual(answers(compiled, JAVASCRIPT, bytes, limits), reference, source);
      for (const tag of reference.tags) assert.ok(!STACK_ERRORS.has(tag as ErrorTag), `${tag} in\n${source}`);
    }),
    { numRuns: RUNS },
  );
});

/** What the kernel cannot tell, left out. */
function asInKernel({ verdicts, tags, globals }: Answers): unknown {
  return { verdicts, tags: tags.map((tag) => (tag === 'EAssertFailed' ? null : tag)), globals };
}

test('random programs give equal answers in the kernel\'s code, on our virtual machine', () => {
  let compiledCount = 0;
  fc.assert(
    fc.property(numbers, fc.array(numbers, { minLength: 1, maxLength: 3 }), someLimits, (program, packets, limits) => {
      const source = generateProgram(new Choices(program), { forKernel: true });
      const compiled = compile(source, { limits });
      const bytes = packets.map((choices) => generatePacket(new Choices(choices)));
      const zone = (): number => 5400;
      if (typeof EBPF.prepare(compiled, [], new RunContext(), limits) === 'string') return;
      compiledCount++;
      const reference = answers(compiled, INTERPRETER, bytes, limits, zone);
      assert.deepEqual(asInKernel(answers(compiled, EBPF, bytes, limits, zone)), asInKernel(reference), source);
    }),
    { numRuns: RUNS / 2 },
  );
  assert.ok(compiledCount > RUNS / 4, `only ${compiledCount} of ${RUNS / 2} programs go into the kernel`);
});

test('random programs that follow a format give equal answers on all back ends', () => {
  let compiledCount = 0;
  let matched = 0;
  fc.assert(
    fc.property(numbers, fc.array(numbers, { minLength: 6, maxLength: 6 }), (program, packets) => {
      const source = generateFollower(new Choices(program));
      const compiled = compile(source);
      assert.deepEqual(compiled.diagnostics.filter((d) => d.severity === 'error'), [], source);
      const bytes = packets.map((choices) => generateLetters(new Choices(choices)));
      const reference = answers(compiled, INTERPRETER, bytes, DEFAULT_LIMITS);
      assert.deepEqual(answers(compiled, JAVASCRIPT, bytes, DEFAULT_LIMITS), reference, source);
      if (typeof EBPF.prepare(compiled, [], new RunContext()) === 'string') return;
      compiledCount++;
      matched += reference.verdicts.filter((verdict) => isMatch(verdict as Verdict)).length;
      assert.deepEqual(asInKernel(answers(compiled, EBPF, bytes, DEFAULT_LIMITS)), asInKernel(reference), source);
    }),
    { numRuns: RUNS },
  );
  assert.ok(compiledCount > RUNS * 0.9 && matched > RUNS / 10, `${compiledCount} of ${RUNS} programs, ${matched} matches`);
});

const token = fc.oneof(
  { arbitrary: fc.constantFrom(...WORD_NAMES), weight: 8 },
  { arbitrary: fc.constantFrom('0', '1', '5', '-3', '"a"', '"bc"', '1.2.3.4', 'YES', '$a', '$b', '$c', '$offset', '$data'), weight: 8 },
  { arbitrary: fc.constantFrom('{', '}', '(', ')', '{ isdigit }', '{ $a inc }', '{ 1 }', '{ }'), weight: 6 },
  { arbitrary: fc.constantFrom(...[...REGISTERS.keys()].map((name) => `$${name}`)), weight: 2 },
);

test('whatever the checker calls static has no error of the stack machine, and equal answers', () => {
  let valid = 0;
  fc.assert(
    fc.property(fc.array(token, { maxLength: 14 }), numbers, (tokens, choices) => {
      const source = tokens.join(' ');
      const compiled = compile(source, { args: [] });
      const bytes = [generatePacket(new Choices(choices))];
      if (!compiled.isValid) return;
      const reference = answers(compiled, INTERPRETER, bytes, DEFAULT_LIMITS);
      if (!compiled.isStatic) return;
      valid++;
      for (const tag of reference.tags) assert.ok(!STACK_ERRORS.has(tag as ErrorTag), `${tag} in\n${source}`);
      assert.deepEqual(answers(compiled, JAVASCRIPT, bytes, DEFAULT_LIMITS), reference, source);
    }),
    { numRuns: RUNS * 10 },
  );
  assert.ok(valid > RUNS / 4, `only ${valid} of ${RUNS * 10} token lists were programs`);
});
