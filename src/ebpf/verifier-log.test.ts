import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readVerifierLog } from './verifier-log.js';

test('the objection is the last line that explains neither state nor statistics', () => {
  const log = `0: R1=ctx() R10=fp0
0: (b7) r0 = 0                        ; R0=0
1: (1d) if r0 == r3 goto pc+0
R3 !read_ok
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
\0\0`;
  assert.deepEqual(readVerifierLog(log), { message: 'R3 !read_ok', slot: 1, processed: 2 });
});

test('backtracking and branch notes are no objections', () => {
  const log = `12: (2d) if r1 > r2 goto pc+3        ; R1=scalar()
from 12 to 16: R1=scalar() R2=pkt_end()
mark_precise: frame0: last_idx 16 first_idx 0 subseq_idx -1
16: (71) r0 = *(u8 *)(r3 +0)
invalid access to map value, value_size=16 off=16 size=1
R3 max value is outside of the allowed memory range
verification time 51 usec
stack depth 16+0
processed 9 insns (limit 1000000) max_states_per_insn 1 total_states 1 peak_states 1 mark_read 1`;
  assert.deepEqual(readVerifierLog(log), {
    message: 'R3 max value is outside of the allowed memory range', slot: 16, processed: 9,
  });
});

test('a program that is too complex says so', () => {
  const log = '9: (05) goto pc-2\nBPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns (limit 1000000)';
  assert.equal(readVerifierLog(log).message, 'BPF program is too large. Processed 1000001 insn');
  // Linux 6.18 writes it behind the last instruction.
  const behind = log.replace('goto pc-2\n', 'goto pc-2 ').replace('9: (05)', 'to caller at 1405:\n9: (05)');
  assert.deepEqual(readVerifierLog(behind), { message: 'BPF program is too large. Processed 1000001 insn', slot: 9, processed: 1_000_001 });
});

test('an empty log gives an empty message', () => {
  assert.deepEqual(readVerifierLog('\0'), { message: '' });
});
