import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fromHex, toHex } from '../base/bytes.js';
import { assemble } from '../ebpf/assemble.js';
import { Btf, readBtf } from '../ebpf/btf.js';
import { sampleBtf, type SampleType } from '../ebpf/btf-sample.js';
import { disassemble } from '../ebpf/disassemble.js';
import { validate } from '../ebpf/validate.js';
import { readWindow, windowProgram, windowRequest, WINDOW_PACKET_BYTES } from './window-program.js';

const STRUCTURES: SampleType[] = [
  { kind: 'int', name: 'u32', bytes: 4 }, // 1
  { kind: 'struct', name: 'ip_ct_tcp_state', bytes: 20, members: [['td_end', 1, 0], ['td_maxwin', 1, 8]] }, // 2
  { kind: 'array', of: 2, count: 2 }, // 3
  { kind: 'struct', name: 'ip_ct_tcp', bytes: 44, members: [['seen', 3, 0], ['state', 1, 40]] }, // 4
  { kind: 'union', name: '', bytes: 48, members: [['tcp', 4, 0]] }, // 5
  { kind: 'struct', name: 'nf_conn', bytes: 248, members: [['mark', 1, 168], ['proto', 5, 184]] }, // 6
];
const FUNCTIONS: SampleType[] = [
  { kind: 'struct', name: 'bpf_ct_opts', bytes: 16, members: [] },
  { kind: 'function', name: 'bpf_skb_ct_lookup', to: 0 },
  { kind: 'function', name: 'bpf_ct_release', to: 0 },
];

function types(sample: readonly SampleType[], base?: Btf): Btf {
  const read = readBtf(sampleBtf(sample, base?.endString), base);
  assert.ok(read instanceof Btf);
  return read;
}

test('offsets and function ids come from the type information', () => {
  const made = windowProgram(types([...STRUCTURES, ...FUNCTIONS]), 4);
  assert.ok(made.ok);
  assert.equal(made.usesModule, false);
  const result = assemble(made.items);
  assert.ok(result.ok);
  assert.deepEqual(validate(result.program.instructions), []);
  const listing = disassemble(result.program);
  for (const expected of [
    /kernel-function#8 +; bpf_skb_ct_lookup/, /kernel-function#9 +; bpf_ct_release/, /u8 \*\)\(r7 \+224\)/, // state
    /r7 \+184\)/, /r7 \+204\)/, // td_end of both directions
  ]) {
    assert.match(listing, expected);
  }
});

test('where connection tracking is a module, its functions are called through its descriptor', () => {
  const made = windowProgram(types(FUNCTIONS, types(STRUCTURES)), 6);
  assert.ok(made.ok && made.usesModule);
  const result = assemble(made.items);
  assert.ok(result.ok);
  const calls = result.program.instructions.filter(({ code, src }) => code === 0x85 && src === 2);
  assert.deepEqual(calls.map(({ off, imm }) => [off, imm]), [[1, 8], [1, 9]]);
});

test('a kernel without the function or a member is told by name', () => {
  const without = windowProgram(types(STRUCTURES), 4);
  assert.ok(!without.ok);
  assert.match(without.reason, /bpf_skb_ct_lookup/);
  const other: SampleType[] = STRUCTURES.slice(0, 5);
  other.push({ kind: 'struct', name: 'nf_conn', bytes: 8, members: [['mark', 1, 0]] });
  const memberless = windowProgram(types([...other, ...FUNCTIONS]), 4);
  assert.deepEqual(memberless, { ok: false, reason: 'struct nf_conn has no member proto.tcp.state' });
});

test('requests hold addresses and ports in network order behind an Ethernet header', () => {
  const packet = windowRequest(Uint8Array.of(192, 0, 2, 1), 6881, Uint8Array.of(198, 51, 100, 2), 80);
  assert.equal(packet.length, WINDOW_PACKET_BYTES);
  const hex = '000000000000 000000000000 0800  c0000201 c6336402 1ae1 0050';
  assert.equal(toHex(packet, 0, 26), toHex(fromHex(hex)));
  const six = windowRequest(new Uint8Array(16).fill(0x20), 1, new Uint8Array(16).fill(0x21), 2);
  assert.equal(toHex(six, 12), `86dd${'20'.repeat(16)}${'21'.repeat(16)}00010002${'00'.repeat(4)}`);
});

test('answers are read in host order, errors as positive numbers', () => {
  const found = fromHex(`${'00'.repeat(14)} 00000000 03 000000 01000000 ffffffff`);
  assert.deepEqual(readWindow(found), { state: 3, originalEnd: 1, replyEnd: 0xffff_ffff });
  assert.equal(readWindow(fromHex(`${'00'.repeat(14)} feffffff ${'00'.repeat(12)}`)), 2);
});
