import { test } from 'node:test';
import assert from 'node:assert/strict';
import { u32le } from '../base/bytes.js';
import { Btf, BTF_KIND_FUNC, BTF_KIND_FUNC_PROTO, BTF_KIND_INT, readBtf } from './btf.js';
import { functionInfo } from './function-info.js';

test('functions are described in BTF and found again by the reader', () => {
  const { btf, records } = functionInfo([{ name: 'rope', slot: 0 }, { name: 'find_7', slot: 120 }]);
  const types = readBtf(btf);
  assert.ok(types instanceof Btf, `${types}`);
  assert.equal(types.find(BTF_KIND_INT, 'int'), 1);
  assert.equal(types.find(BTF_KIND_FUNC_PROTO, ''), 2);
  assert.equal(types.find(BTF_KIND_FUNC, 'rope'), 3);
  assert.equal(types.find(BTF_KIND_FUNC, 'find_7'), 4);
  // struct bpf_func_info: insn_off, type_id
  assert.deepEqual([0, 4, 8, 12].map((at) => u32le(records, at)), [0, 3, 120, 4]);
});
