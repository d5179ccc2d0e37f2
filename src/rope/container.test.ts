import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, putU32, toHex } from '../base/bytes.js';
import { sha256 } from '../wire/crypto/sha256.js';
import { compile } from './compile.js';
import { decodeContainer, encodeContainer, looksLikeContainer } from './container.js';

const SOURCE = '# demo\n$b put $a put\n{ "GET \\0xff" expect_str -5 0x7fffffff add drop } do\nexpect_one( { isdigit } { } ) yes\n';

function sample(source = SOURCE): Uint8Array {
  const { program, signature } = compile(source);
  return encodeContainer('demo', source, program, signature);
}

/** Replaces the bytes before the checksum and repairs it: damage that only validation can find. */
function resealed(bytes: Uint8Array, change: (body: Uint8Array) => Uint8Array): Uint8Array {
  const body = change(bytes.slice(0, bytes.length - 40));
  const seal = new Uint8Array(8);
  seal.set([0x53, 0x55, 0x4d, 0x20]);
  putU32(seal, 4, 32);
  return concat(body, seal, sha256(body));
}

test('a container gives back the program, its source, name, signature and source map', () => {
  const compiled = compile(SOURCE);
  const decoded = decodeContainer(sample());
  assert.ok(typeof decoded !== 'string', String(decoded));
  assert.deepEqual(decoded.program, compiled.program);
  assert.equal(decoded.source, SOURCE);
  assert.equal(decoded.name, 'demo');
  assert.deepEqual(decoded.signature, ['any', 'any']);
  assert.equal(decoded.sourceHash, toHex(sha256(new TextEncoder().encode(SOURCE))));
});

test('the first bytes tell a container from source text', () => {
  assert.equal(looksLikeContainer(sample()), true);
  assert.equal(looksLikeContainer(new TextEncoder().encode(SOURCE)), false);
  assert.equal(looksLikeContainer(new Uint8Array(0)), false);
});

test('every truncation is refused with a reason', () => {
  const bytes = sample();
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(typeof decodeContainer(bytes.subarray(0, length)), 'string', `${length} bytes`);
  }
});

test('every single damaged byte is refused', () => {
  const bytes = sample();
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 0x20;
    assert.equal(typeof decodeContainer(damaged), 'string', `byte ${at}`);
  }
});

test('reasons name what is wrong', () => {
  const bytes = sample();
  const at = (tag: string): number => {
    const code = [...tag].map((letter) => letter.charCodeAt(0));
    return bytes.findIndex((_, i) => code.every((byte, k) => bytes[i + k] === byte));
  };
  const set = (offset: number, ...values: number[]) => (body: Uint8Array): Uint8Array => {
    body.set(values, offset);
    return body;
  };
  const table: [string, Uint8Array, RegExp][] = [
    ['text', new TextEncoder().encode(SOURCE), /does not begin/],
    ['a newer version', resealed(bytes, set(8, 0, 2)), /version is 2\.0/],
    ['a changed byte', bytes.map((byte, i) => (i === 50 ? byte ^ 1 : byte)), /checksum/],
    ['other source', resealed(bytes, set(at('TEXT') + 10, 0x41)), /hash/],
    ['a name with a slash', resealed(bytes, set(at('NAME') + 8, 0x2f)), /name/],
    ['an unknown type', resealed(bytes, set(at('ARGS') + 8, 9)), /signature/],
    ['an unknown word', resealed(bytes, set(at('SYMS') + 10, 0x7a, 0x7a)), /unknown (word|register)/],
    ['a missing section', resealed(bytes, set(at('SPAN'), 0x5a)), /SPAN is missing/],
    ['a section twice', resealed(bytes, (body) => concat(body, body.slice(12, 52))), /twice/],
    ['a section beyond the end', resealed(bytes, set(at('SPAN') + 4, 0xff)), /cut short/],
  ];
  for (const [what, damaged, reason] of table) {
    const result = decodeContainer(damaged);
    assert.equal(typeof result, 'string', what);
    assert.match(String(result), reason, what);
  }
});

test('unknown sections are skipped: later versions may add some', () => {
  const added = resealed(sample(), (body) => concat(body, new TextEncoder().encode('XTRA'), Uint8Array.of(0, 0, 0, 2, 1, 2)));
  assert.ok(typeof decodeContainer(added) !== 'string');
});

test('damage under a repaired checksum never throws, and what is accepted is well formed', () => {
  const bytes = sample();
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 41), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
      const damaged = resealed(bytes, (body) => {
        for (const [at, value] of changes) body[at] = value;
        return body;
      });
      const decoded = decodeContainer(damaged);
      if (typeof decoded === 'string') return;
      for (const span of decoded.program.spans) assert.ok(span.end <= decoded.source.length && span.line >= 1);
    }),
    { numRuns: 2000 },
  );
});

test('huge counts do not allocate', () => {
  const bytes = sample();
  const codeAt = [...bytes.keys()].find((i) => String.fromCharCode(...bytes.subarray(i, i + 4)) === 'CODE') ?? 0;
  const damaged = resealed(bytes, (body) => {
    body.set([0xff, 0xff, 0xff, 0xff, 0x0f], codeAt + 8);
    return body;
  });
  assert.match(String(decodeContainer(damaged)), /damaged|unknown/);
});
