import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ascii, putU32 } from '../base/bytes.js';
import {
  add, and, arsh, byteSwap, div, lsh, mod, mov, movsx, mul, neg32, or, rsh, sdiv, smod, sub, toBigEndian, toLittleEndian, xor,
} from './alu.js';
import { assemble, decode } from './assemble.js';
import {
  BPF_FUNC_ktime_get_boot_ns, BPF_FUNC_loop, BPF_FUNC_map_delete_elem, BPF_FUNC_map_lookup_elem, BPF_FUNC_map_update_elem,
  BPF_FUNC_skb_load_bytes, SKB_LEN, SKB_SIZE_BYTES,
} from './helpers.js';
import { label, type Item } from './instruction.js';
import { BPF_B, BPF_DW, BPF_H, BPF_W, r0, r1, r2, r3, r4, r6, r7, r10 } from './isa.js';
import { call, callLocal, exit, ja, jeq, jge, jlt, jne, jset, jsgt, jslt } from './jump.js';
import {
  atomicAdd, atomicFetchAdd, compareExchange, exchange, load, loadFunction, loadImm64, loadMap, loadMapValue, loadSigned, store,
  storeImm,
} from './load-store.js';
import { validate } from './validate.js';
import { VmFault, VmMap } from './vm-memory.js';
import { Vm } from './vm.js';
import { vmHelpers, type VmWorld } from './vm-helpers.js';

const MAPS = new Map([['hash', 3], ['array', 4]]);

function machine(items: Item[], world: VmWorld = { packet: new Uint8Array(), bootTimeNs: 0n }) {
  const result = assemble(items, MAPS);
  assert.ok(result.ok, result.ok ? '' : JSON.stringify(result.problems));
  const maps = new Map([
    [3, new VmMap({ type: 'hash', keyBytes: 4, valueBytes: 8, maxEntries: 2 })],
    [4, new VmMap({ type: 'array', keyBytes: 4, valueBytes: 16, maxEntries: 1 })],
  ]);
  const vm = new Vm(result.program.instructions, { helpers: vmHelpers(world), maps, maxSteps: 10_000 });
  return { vm, maps };
}

function run(...items: Item[]): number {
  return machine([...items, exit()]).vm.run(new Uint8Array(SKB_SIZE_BYTES));
}

const NEGATIVE = 0x8000_0000;

test('arithmetic follows the tables of RFC 9669', () => {
  const table: [string, number, Item[]][] = [
    ['32-bit addition wraps around', 0, [mov.imm32(r0, -1), add.imm32(r0, 1)]],
    ['32-bit results clear the upper half', 0, [mov.imm(r0, -1), mov.reg32(r0, r0), rsh.imm(r0, 32)]],
    ['an immediate is sign-extended to 64 bits', 0xffff_ffff, [mov.imm(r0, -1), rsh.imm(r0, 32)]],
    ['0xff << 24 is positive', 0xff00_0000, [mov.imm32(r0, 0xff), lsh.imm32(r0, 24)]],
    ['arithmetic shift copies the sign', 0xffff_fff0, [mov.imm32(r0, -256), arsh.imm32(r0, 4)]],
    ['shift counts are taken modulo the width', 2, [mov.imm32(r0, 1), mov.imm(r1, 33), lsh.reg32(r0, r1)]],
    ['division is unsigned', 0x7fff_ffff, [mov.imm32(r0, -1), div.imm32(r0, 2)]],
    ['signed division goes towards zero', -3 >>> 0, [mov.imm32(r0, -7), sdiv.imm32(r0, 2)]],
    ['signed overflow wraps around', NEGATIVE, [mov.imm32(r0, NEGATIVE), mov.imm32(r1, -1), sdiv.reg32(r0, r1)]],
    ['signed remainder has the sign of the dividend', -1 >>> 0, [mov.imm32(r0, -7), smod.imm32(r0, 2)]],
    ['division by zero is zero', 0, [mov.imm(r0, 7), mov.imm(r1, 0), div.reg(r0, r1)]],
    ['remainder by zero is the dividend', 7, [mov.imm(r0, 7), mov.imm(r1, 0), mod.reg(r0, r1)]],
    ['multiplication keeps the lower half', 0xfffe_0001, [mov.imm32(r0, 0xffff), mul.reg32(r0, r0)]],
    ['negation', -5 >>> 0, [mov.imm(r0, 5), neg32(r0)]],
    ['and, or, xor', 0x39, [mov.imm(r0, 0x3f), and.imm(r0, 0x38), or.imm(r0, 3), xor.imm(r0, 2)]],
    ['subtraction', -1 >>> 0, [mov.imm(r0, 1), sub.imm(r0, 2)]],
    ['sign extension of a byte', 0xffff_ff80, [mov.imm(r1, 0x180), movsx(r0, r1, 8)]],
    ['network order of 16 bits', 0x3412, [loadImm64(r0, 0xffff_1234n), toBigEndian(r0, 16)]],
    ['little-endian cuts off', 0x1234, [loadImm64(r0, 0xffff_1234n), toLittleEndian(r0, 16)]],
    ['byte swap of 32 bits', 0x7856_3412, [mov.imm(r0, 0x1234_5678), byteSwap(r0, 32)]],
  ];
  for (const [name, expected, items] of table) assert.equal(run(...items), expected, name);
});

test('jumps compare signed and unsigned, in 32 and 64 bits', () => {
  const table: [string, boolean, Item[]][] = [
    ['-1 is large unsigned', true, [mov.imm(r1, -1), jge.imm(r1, 5, 'yes')]],
    ['-1 is small signed', true, [mov.imm(r1, -1), jslt.imm(r1, 5, 'yes')]],
    ['-1 is not above 5 signed', false, [mov.imm(r1, -1), jsgt.imm(r1, 5, 'yes')]],
    ['32-bit jumps ignore the upper half', true, [loadImm64(r1, 0x1_0000_0005n), jeq.imm32(r1, 5, 'yes')]],
    ['64-bit jumps do not', false, [loadImm64(r1, 0x1_0000_0005n), jeq.imm(r1, 5, 'yes')]],
    ['an immediate of a 64-bit jump is signed', true, [mov.imm(r1, -1), jeq.imm(r1, -1, 'yes')]],
    ['bits in common', true, [mov.imm(r1, 6), jset.imm(r1, 2, 'yes')]],
    ['no bits in common', false, [mov.imm(r1, 4), jset.imm(r1, 2, 'yes')]],
  ];
  for (const [name, taken, items] of table) {
    const result = run(...items, mov.imm(r0, 0), ja('end'), label('yes'), mov.imm(r0, 1), label('end'));
    assert.equal(result, taken ? 1 : 0, name);
  }
});

test('a loop counts', () => {
  const items = [mov.imm(r0, 0), label('again'), add.imm(r0, 3), jlt.imm(r0, 30, 'again')];
  assert.equal(run(...items), 30);
});

test('memory is little-endian, sign extension on request', () => {
  assert.equal(run(storeImm(BPF_W, r10, -4, 0x0403_0201), load(BPF_H, r0, r10, -4)), 0x0201);
  assert.equal(run(storeImm(BPF_B, r10, -1, 0x80), loadSigned(BPF_B, r0, r10, -1)), 0xffff_ff80);
  assert.equal(run(storeImm(BPF_DW, r10, -8, -1), load(BPF_W, r0, r10, -4)), 0xffff_ffff);
});

test('atomic operations change memory and hand back the old value', () => {
  const five = [storeImm(BPF_DW, r10, -8, 5), mov.imm(r1, 3)];
  const read = load(BPF_DW, r0, r10, -8);
  assert.equal(run(...five, atomicAdd(BPF_DW, r10, -8, r1), read), 8);
  assert.equal(run(...five, atomicFetchAdd(BPF_DW, r10, -8, r1), mov.reg(r0, r1)), 5);
  assert.equal(run(...five, exchange(BPF_DW, r10, -8, r1), mov.reg(r0, r1)), 5);
  assert.equal(run(...five, mov.imm(r0, 5), compareExchange(BPF_DW, r10, -8, r1), read), 3);
  assert.equal(run(...five, mov.imm(r0, 6), compareExchange(BPF_DW, r10, -8, r1), read), 5);
});

test('a local function has its own frame and keeps r6-r9 of its caller', () => {
  const { vm } = machine([
    storeImm(BPF_W, r10, -4, 40),
    mov.imm(r6, 1),
    mov.reg(r1, r10),
    callLocal('twice'),
    add.reg(r0, r6),
    load(BPF_W, r1, r10, -4),
    add.reg(r0, r1),
    exit(),
    label('twice'),
    load(BPF_W, r0, r1, -4),
    mov.imm(r6, 100),
    storeImm(BPF_W, r10, -4, 7),
    add.reg(r0, r0),
    exit(),
  ]);
  assert.equal(vm.run(new Uint8Array(8)), 80 + 1 + 40);
});

/** Sums 1 .. n in the stack of the caller by bpf_loop, ending when the sum reaches `limit`. */
function summing(rounds: number, limit: number): Item[] {
  return [
    storeImm(BPF_W, r10, -4, 0),
    mov.imm(r1, rounds),
    loadFunction(r2, 'body'),
    mov.reg(r3, r10),
    mov.imm(r4, 0),
    call(BPF_FUNC_loop),
    lsh.imm(r0, 16),
    load(BPF_W, r1, r10, -4),
    add.reg(r0, r1),
    exit(),
    label('body'),
    load(BPF_W, r3, r2, -4),
    add.reg(r3, r1),
    add.imm(r3, 1),
    store(BPF_W, r2, -4, r3),
    mov.imm(r0, 0),
    jlt.imm(r3, limit, 'on'),
    mov.imm(r0, 1),
    label('on'),
    exit(),
  ];
}

test('bpf_loop calls a function until it says stop, and tells the rounds', () => {
  const table: [string, number, number, number, number][] = [
    ['all rounds', 10, 1000, 10, 55],
    ['stopped in the fourth', 10, 10, 4, 10],
    ['no round', 0, 1000, 0, 0],
  ];
  for (const [name, rounds, limit, made, sum] of table) {
    assert.equal(machine(summing(rounds, limit)).vm.run(new Uint8Array(8)), (made << 16) + sum, name);
  }
  assert.equal(machine(summing((1 << 23) + 1, 1000)).vm.run(new Uint8Array(8)) >>> 16, 0xfff9, '-E2BIG');
});

test('packet bytes come through skb_load_bytes, or an error and zeros', () => {
  const world = { packet: ascii('E--\x13BitTorrent'), bootTimeNs: 0n };
  const { vm } = machine(
    [
      load(BPF_W, r7, r1, SKB_LEN),
      mov.imm(r2, 3),
      mov.reg(r3, r10),
      add.imm(r3, -4),
      mov.imm(r4, 4),
      call(BPF_FUNC_skb_load_bytes),
      jne.imm(r0, 0, 'short'),
      load(BPF_B, r0, r10, -4),
      add.reg(r0, r7),
      exit(),
      label('short'),
      load(BPF_W, r0, r10, -4),
      add.imm(r0, 1000),
      exit(),
    ],
    world,
  );
  const context = new Uint8Array(SKB_SIZE_BYTES);
  context[SKB_LEN] = world.packet.length;
  assert.equal(vm.run(context), 0x13 + world.packet.length);
  world.packet = ascii('E--\x13Bi');
  assert.equal(vm.run(context), 1000);
});

test('maps keep their values from run to run', () => {
  const { vm, maps } = machine([
    loadMapValue(r6, 'array', 8),
    load(BPF_DW, r0, r6, 0),
    add.imm(r0, 1),
    store(BPF_DW, r6, 0, r0),
    exit(),
  ]);
  vm.run(new Uint8Array(8));
  assert.equal(vm.run(new Uint8Array(8)), 2);
  assert.equal(maps.get(4)?.lookup(new Uint8Array(4))?.[8], 2);
});

test('hash maps are looked up, filled up to their bound and emptied', () => {
  const key = (value: number): Item[] => [
    storeImm(BPF_W, r10, -4, value),
    storeImm(BPF_DW, r10, -16, value + 100),
    loadMap(r1, 'hash'),
    mov.reg(r2, r10),
    add.imm(r2, -4),
  ];
  const update = (value: number): Item[] => [
    ...key(value),
    mov.reg(r3, r10),
    add.imm(r3, -16),
    mov.imm(r4, 0),
    call(BPF_FUNC_map_update_elem),
  ];
  const find = (value: number): Item[] => [
    ...key(value),
    call(BPF_FUNC_map_lookup_elem),
    jeq.imm(r0, 0, 'none'),
    load(BPF_DW, r0, r0, 0),
    label('none'),
  ];
  const remove = (value: number): Item[] => [...key(value), call(BPF_FUNC_map_delete_elem)];
  assert.equal(run(...update(5), ...find(5)), 105);
  assert.equal(run(...update(5), ...find(6)), 0);
  assert.equal(run(...update(5), ...update(6), ...update(7)), -7 >>> 0);
  assert.equal(run(...update(5), ...remove(5), ...find(5)), 0);
  assert.equal(run(...remove(5)), -2 >>> 0);
});

test('time is what the world says', () => {
  const { vm } = machine([call(BPF_FUNC_ktime_get_boot_ns), exit()], { packet: new Uint8Array(), bootTimeNs: 77n });
  assert.equal(vm.run(new Uint8Array(8)), 77);
});

test('what the verifier would refuse is a fault', () => {
  const table: [RegExp, Item[]][] = [
    [/r3, which holds nothing/, [mov.reg(r0, r3)]],
    [/r1, which holds nothing/, [call(BPF_FUNC_ktime_get_boot_ns), mov.reg(r0, r1)]],
    [/read before they are written/, [load(BPF_W, r0, r10, -8)]],
    [/out of bounds/, [load(BPF_B, r0, r10, 0)]],
    [/out of bounds/, [storeImm(BPF_W, r10, -516, 0)]],
    [/out of bounds/, [load(BPF_W, r0, r1, SKB_SIZE_BYTES)]],
    [/points nowhere/, [mov.imm(r1, 0), load(BPF_B, r0, r1, 0)]],
    [/helper 9999/, [call(9999)]],
    [/no end after/, [label('a'), ja('a')]],
    [/frames/, [label('a'), callLocal('a')]],
  ];
  for (const [message, items] of table) {
    assert.throws(() => run(...items), (error) => error instanceof VmFault && message.test(error.message), `${message}`);
  }
});

test('programs are checked before they run', () => {
  const table: [string, string][] = [
    ['', 'the program is empty'],
    ['b7 00 0000 00000000', 'control runs past the last instruction'],
    ['05 00 0500 00000000', 'slot 6 is no instruction'],
    ['b7 0a 0000 00000000 95 00 0000 00000000', 'r10 cannot be written'],
    ['b7 10 0000 00000000 95 00 0000 00000000', 'unused fields must be zero'],
    ['b7 0b 0000 00000000 95 00 0000 00000000', 'a register above r10 does not exist'],
    ['37 00 0000 00000000 95 00 0000 00000000', 'division by the constant zero'],
    ['64 00 0000 20000000 95 00 0000 00000000', 'a shift by 32 leaves the register'],
    ['05 00 0100 00000000 18 00 0000 00000000 00 00 0000 00000000 95 00 0000 00000000', 'slot 2 is no instruction'],
    ['d3 21 0000 00000000 95 00 0000 00000000', 'atomic operations take 32 or 64 bits'],
    ['30 00 0000 00000000 95 00 0000 00000000', 'unknown code 0x30'],
    ['e5 00 0000 00000000 95 00 0000 00000000', 'unknown code 0xe5'],
    ['dc 00 0000 18000000 95 00 0000 00000000', 'bytes of 24 bits cannot be swapped'],
  ];
  for (const [hex, message] of table) {
    const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    assert.ok(
      validate(decode(bytes)).some((problem) => problem.message === message),
      `${hex}: ${JSON.stringify(validate(decode(bytes)))}`,
    );
  }
});

test('random bytes never crash the machine: they are refused, fault, or end', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer(), fc.integer()), { minLength: 1, maxLength: 12 }), (words) => {
      const bytes = new Uint8Array(8 * words.length + 8);
      words.forEach(([a, b], index) => {
        putU32(bytes, 8 * index, a & ~0x00cccc00);
        putU32(bytes, 8 * index + 4, b & 0x0f0000ff);
      });
      bytes[8 * words.length] = 0x95;
      const instructions = decode(bytes);
      if (validate(instructions).length > 0) return;
      try {
        new Vm(instructions, { helpers: new Map(), maxSteps: 100 }).run(new Uint8Array(16));
      } catch (error) {
        assert.ok(error instanceof VmFault, `${error}`);
      }
    }),
    { numRuns: 3000 },
  );
});
