/** One line for each instruction: how it is written, its bytes, and how it is read back. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fromHex, toHex } from '../base/bytes.js';
import {
  add, and, arsh, byteSwap, div, lsh, mod, mov, movsx, movsx32, mul, neg, neg32, or, rsh, sdiv, smod, sub, toBigEndian,
  toLittleEndian, xor,
} from './alu.js';
import { assemble, decode, encode } from './assemble.js';
import { disassemble, instructionText } from './disassemble.js';
import { BPF_FUNC_skb_load_bytes } from './helpers.js';
import { commented, label, type Instruction, type Item } from './instruction.js';
import { BPF_B, BPF_DW, BPF_H, BPF_W, r0, r1, r2, r3, r4, r6, r9, r10 } from './isa.js';
import {
  call, callKernelFunction, callLocal, exit, ja, jaLong, jeq, jge, jgt, jle, jlt, jne, jset, jsge, jsgt, jsle, jslt,
} from './jump.js';
import {
  atomicAdd, atomicAnd, atomicFetchAdd, atomicOr, atomicXor, compareExchange, exchange, load, loadImm64, loadMap,
  loadFunction, loadMapValue, loadSigned, store, storeImm,
} from './load-store.js';
import { validate } from './validate.js';

// Jumps stand at slot 0 of a listing whose label `to` is slot 3, hence the distance 2 in their bytes.
const LISTING: [Instruction, string, string][] = [
  //                               code dst/src off  imm
  [add.imm(r1, 5), '               07 01 0000 05000000', 'r1 += 5'],
  [add.imm(r1, -5), '              07 01 0000 fbffffff', 'r1 += -5'],
  [add.reg(r1, r2), '              0f 21 0000 00000000', 'r1 += r2'],
  [add.imm32(r1, 5), '             04 01 0000 05000000', 'w1 += 5'],
  [add.reg32(r1, r2), '            0c 21 0000 00000000', 'w1 += w2'],
  [sub.imm(r9, 1), '               17 09 0000 01000000', 'r9 -= 1'],
  [sub.reg32(r9, r1), '            1c 19 0000 00000000', 'w9 -= w1'],
  [mul.imm(r2, 4), '               27 02 0000 04000000', 'r2 *= 4'],
  [mul.reg32(r2, r2), '            2c 22 0000 00000000', 'w2 *= w2'],
  [div.imm32(r2, 10), '            34 02 0000 0a000000', 'w2 /= 10'],
  [div.reg(r2, r3), '              3f 32 0000 00000000', 'r2 /= r3'],
  [sdiv.reg32(r2, r3), '           3c 32 0100 00000000', 'w2 s/= w3'],
  [or.imm(r1, 32), '               47 01 0000 20000000', 'r1 |= 32'],
  [or.reg(r1, r2), '               4f 21 0000 00000000', 'r1 |= r2'],
  [and.imm32(r1, 255), '           54 01 0000 ff000000', 'w1 &= 255'],
  [and.reg(r1, r2), '              5f 21 0000 00000000', 'r1 &= r2'],
  [lsh.imm(r1, 32), '              67 01 0000 20000000', 'r1 <<= 32'],
  [lsh.reg32(r1, r2), '            6c 21 0000 00000000', 'w1 <<= w2'],
  [rsh.imm32(r1, 4), '             74 01 0000 04000000', 'w1 >>= 4'],
  [rsh.reg(r1, r2), '              7f 21 0000 00000000', 'r1 >>= r2'],
  [neg(r1), '                      87 01 0000 00000000', 'r1 = -r1'],
  [neg32(r1), '                    84 01 0000 00000000', 'w1 = -w1'],
  [mod.imm32(r2, 7), '             94 02 0000 07000000', 'w2 %= 7'],
  [mod.reg(r2, r3), '              9f 32 0000 00000000', 'r2 %= r3'],
  [smod.imm32(r2, 7), '            94 02 0100 07000000', 'w2 s%= 7'],
  [xor.reg(r1, r1), '              af 11 0000 00000000', 'r1 ^= r1'],
  [xor.imm32(r1, -1), '            a4 01 0000 ffffffff', 'w1 ^= -1'],
  [mov.imm(r0, 0), '               b7 00 0000 00000000', 'r0 = 0'],
  [mov.imm32(r0, 0xffff_ffff), '   b4 00 0000 ffffffff', 'w0 = -1'],
  [mov.reg(r6, r1), '              bf 16 0000 00000000', 'r6 = r1'],
  [mov.reg32(r6, r1), '            bc 16 0000 00000000', 'w6 = w1'],
  [movsx(r6, r1, 8), '             bf 16 0800 00000000', 'r6 = (s8)r1'],
  [movsx(r6, r1, 32), '            bf 16 2000 00000000', 'r6 = (s32)r1'],
  [movsx32(r6, r1, 16), '          bc 16 1000 00000000', 'w6 = (s16)w1'],
  [arsh.imm(r1, 63), '             c7 01 0000 3f000000', 'r1 s>>= 63'],
  [arsh.reg32(r1, r2), '           cc 21 0000 00000000', 'w1 s>>= w2'],
  [toBigEndian(r1, 16), '          dc 01 0000 10000000', 'r1 = be16 r1'],
  [toLittleEndian(r1, 32), '       d4 01 0000 20000000', 'r1 = le32 r1'],
  [byteSwap(r1, 64), '             d7 01 0000 40000000', 'r1 = bswap64 r1'],

  [ja('to'), '                     05 00 0200 00000000', 'goto 3'],
  [jaLong('to'), '                 06 00 0000 02000000', 'gotol 3'],
  [jeq.imm(r1, 19, 'to'), '        15 01 0200 13000000', 'if r1 == 19 goto 3'],
  [jeq.reg(r1, r2, 'to'), '        1d 21 0200 00000000', 'if r1 == r2 goto 3'],
  [jeq.imm32(r1, -1, 'to'), '      16 01 0200 ffffffff', 'if w1 == -1 goto 3'],
  [jeq.reg32(r1, r2, 'to'), '      1e 21 0200 00000000', 'if w1 == w2 goto 3'],
  [jgt.imm(r1, 5, 'to'), '         25 01 0200 05000000', 'if r1 > 5 goto 3'],
  [jge.imm32(r1, 5, 'to'), '       36 01 0200 05000000', 'if w1 >= 5 goto 3'],
  [jset.imm(r1, 1, 'to'), '        45 01 0200 01000000', 'if r1 & 1 goto 3'],
  [jne.reg(r1, r2, 'to'), '        5d 21 0200 00000000', 'if r1 != r2 goto 3'],
  [jsgt.imm32(r1, 0, 'to'), '      66 01 0200 00000000', 'if w1 s> 0 goto 3'],
  [jsge.reg(r1, r2, 'to'), '       7d 21 0200 00000000', 'if r1 s>= r2 goto 3'],
  [jlt.imm(r1, 20, 'to'), '        a5 01 0200 14000000', 'if r1 < 20 goto 3'],
  [jle.reg32(r1, r2, 'to'), '      be 21 0200 00000000', 'if w1 <= w2 goto 3'],
  [jslt.imm(r1, 0, 'to'), '        c5 01 0200 00000000', 'if r1 s< 0 goto 3'],
  [jsle.imm32(r1, -3, 'to'), '     d6 01 0200 fdffffff', 'if w1 s<= -3 goto 3'],
  [call(BPF_FUNC_skb_load_bytes), '85 00 0000 1a000000', 'call bpf_skb_load_bytes#26'],
  [callLocal('to'), '              85 10 0000 02000000', 'call 3'],
  [callKernelFunction(4711), '     85 20 0000 67120000', 'call kernel-function#4711'],
  [exit(), '                       95 00 0000 00000000', 'exit'],

  [load(BPF_B, r0, r1, 9), '       71 10 0900 00000000', 'r0 = *(u8 *)(r1 +9)'],
  [load(BPF_H, r0, r1, 2), '       69 10 0200 00000000', 'r0 = *(u16 *)(r1 +2)'],
  [load(BPF_W, r0, r10, -4), '     61 a0 fcff 00000000', 'r0 = *(u32 *)(r10 -4)'],
  [load(BPF_DW, r0, r10, -512), '  79 a0 00fe 00000000', 'r0 = *(u64 *)(r10 -512)'],
  [loadSigned(BPF_B, r0, r1, 0), ' 91 10 0000 00000000', 'r0 = *(s8 *)(r1 +0)'],
  [store(BPF_B, r10, -1, r4), '    73 4a ffff 00000000', '*(u8 *)(r10 -1) = r4'],
  [store(BPF_DW, r10, -8, r4), '   7b 4a f8ff 00000000', '*(u64 *)(r10 -8) = r4'],
  [storeImm(BPF_H, r10, -2, 7), '  6a 0a feff 07000000', '*(u16 *)(r10 -2) = 7'],
  [storeImm(BPF_W, r10, -4, 1), '  62 0a fcff 01000000', '*(u32 *)(r10 -4) = 1'],
  [atomicAdd(BPF_DW, r1, 8, r2), ' db 21 0800 00000000', 'atomic add(*(u64 *)(r1 +8), r2)'],
  [atomicOr(BPF_W, r1, 0, r2), '   c3 21 0000 40000000', 'atomic or(*(u32 *)(r1 +0), r2)'],
  [atomicAnd(BPF_W, r1, 0, r2), '  c3 21 0000 50000000', 'atomic and(*(u32 *)(r1 +0), r2)'],
  [atomicXor(BPF_DW, r1, 0, r2), ' db 21 0000 a0000000', 'atomic xor(*(u64 *)(r1 +0), r2)'],
  [atomicFetchAdd(BPF_W, r1, 0, r2), 'c3 21 0000 01000000', 'r2 = atomic fetch-add(*(u32 *)(r1 +0), r2)'],
  [exchange(BPF_DW, r1, 0, r2), '  db 21 0000 e1000000', 'r2 = exchange(*(u64 *)(r1 +0), r2)'],
  [compareExchange(BPF_DW, r1, 0, r2), 'db 21 0000 f1000000', 'r0 = compare-exchange(*(u64 *)(r1 +0), r0, r2)'],
  [loadImm64(r1, 0x1122334455667788n), '18 01 0000 88776655 00 00 0000 44332211', 'r1 = 0x1122334455667788 ll'],
  [loadImm64(r1, -1n), '           18 01 0000 ffffffff 00 00 0000 ffffffff', 'r1 = 0xffffffffffffffff ll'],
  [loadMap(r1, 'state'), '         18 11 0000 07000000 00 00 0000 00000000', 'r1 = map[state]'],
  [loadMapValue(r1, 'state', 16), '18 21 0000 07000000 00 00 0000 10000000', 'r1 = map[state][0]+16'],
  [loadFunction(r2, 'fn'), '       18 42 0000 02000000 00 00 0000 00000000', 'r2 = function[pc+2]'],
];

const MAPS = new Map([['state', 7]]);

for (const [instruction, hex, text] of LISTING) {
  test(`${text} is encoded, decoded and printed`, () => {
    const filler = [mov.imm(r0, 0), label('fn'), mov.imm(r0, 0), label('to'), exit()];
    const result = assemble([instruction, ...filler], MAPS);
    assert.ok(result.ok);
    const bytes = fromHex(hex);
    assert.equal(toHex(result.program.bytes, 0, bytes.length), toHex(bytes));
    const resolved = result.program.instructions[0];
    assert.ok(resolved);
    assert.equal(instructionText(resolved, 0), text);
    const [decoded] = decode(bytes);
    assert.ok(decoded);
    assert.equal(instructionText(decoded, 0).replace('fd 7', 'state'), text);
    assert.deepEqual(encode([decoded]), bytes);
    const faults = validate(result.program.instructions).filter((problem) => problem.slot === 0);
    assert.deepEqual(faults, []);
  });
}

test('distances count slots: a 64-bit immediate takes two', () => {
  const items: Item[] = [ja('end'), loadImm64(r1, 1n), loadImm64(r2, 2n), label('end'), exit()];
  const result = assemble(items);
  assert.ok(result.ok);
  assert.equal(result.program.instructions[0]?.off, 4);
  assert.deepEqual(result.program.slotOf, [0, 1, 3, 5]);
});

test('backward jumps are negative', () => {
  const result = assemble([label('a'), label('b'), mov.imm(r0, 0), jeq.imm(r0, 1, 'a'), ja('b'), exit()]);
  assert.ok(result.ok);
  assert.deepEqual(result.program.instructions.map(({ off }) => off), [0, -2, -3, 0]);
});

test('all problems of a program are reported, with their source lines', () => {
  const items: Item[] = [
    { ...ja('nowhere'), line: 4 },
    label('twice'),
    loadMap(r1, 'unknown'),
    label('twice'),
    { ...mov.imm(11, 0), line: 6 },
    loadSigned(BPF_DW, r0, r1, 0),
    storeImm(BPF_W, r10, 40_000, 0),
    mov.imm(r0, 2 ** 32),
    ja('end'),
    label('end'),
  ];
  const result = assemble(items);
  assert.ok(!result.ok);
  assert.deepEqual(
    result.problems.map(({ message, line }) => `${line ?? '-'} ${message}`),
    [
      '- label "twice" is defined twice',
      '4 label "nowhere" is not defined',
      '- map "unknown" has no file descriptor',
      '6 destination register 11 does not exist',
      '- a 64-bit load has no sign to extend',
      '- offset 40000 does not fit 16 bits',
      '- immediate 4294967296 does not fit 32 bits',
      '- label "end" has no instruction after it',
    ],
  );
});

test('a jump over more than 32767 slots is refused, a long one is not', () => {
  const middle = new Array<Instruction>(33_000).fill(mov.imm(r0, 0));
  assert.equal(assemble([ja('end'), ...middle, label('end'), exit()]).ok, false);
  assert.equal(assemble([jaLong('end'), ...middle, label('end'), exit()]).ok, true);
});

test('a listing shows slots, comments and source lines', () => {
  const result = assemble([
    { ...commented(loadImm64(r1, 0x13n), 'first byte'), line: 2 },
    { ...mov.imm(r0, 1), line: 2 },
    { ...exit(), line: 3 },
  ]);
  assert.ok(result.ok);
  assert.equal(
    disassemble(result.program),
    [
      '; line 2',
      '    0: r1 = 0x13 ll                              ; first byte',
      '    2: r0 = 1',
      '; line 3',
      '    3: exit',
      '',
    ].join('\n'),
  );
});

test('bytes that are no program are printed, not refused', () => {
  const bytes = fromHex('ff ff ffff ffffffff  18 01 0000 00000000');
  const lines = disassemble(bytes).split('\n');
  assert.match(lines[0] ?? '', /\(ff\) dst 15 src 15 off -1 imm -1/);
  assert.match(lines[1] ?? '', /second half .* is missing/);
  assert.equal(decode(fromHex('95 00 00'))[0]?.problem, '3 bytes fill no slot');
});
