import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Btf, BTF_KIND_FUNC, BTF_KIND_STRUCT, readBtf } from './btf.js';
import { sampleBtf, type SampleType } from './btf-sample.js';

const TYPES: SampleType[] = [
  { kind: 'int', name: 'u32', bytes: 4 }, // 1
  { kind: 'struct', name: 'ip_ct_tcp_state', bytes: 20, members: [['td_end', 1, 0], ['td_maxend', 1, 4]] }, // 2
  { kind: 'array', of: 2, count: 2 }, // 3
  { kind: 'struct', name: 'ip_ct_tcp', bytes: 44, members: [['seen', 3, 0], ['state', 1, 40]] }, // 4
  { kind: 'typedef', name: 'tcp_t', to: 4 }, // 5
  { kind: 'union', name: 'nf_conntrack_proto', bytes: 48, members: [['dccp', 1, 0], ['tcp', 5, 0]] }, // 6
  { kind: 'struct', name: '', bytes: 8, members: [['first', 1, 0], ['hidden', 1, 4]] }, // 7
  { kind: 'pointer', to: 0 }, // 8
  {
    kind: 'struct', name: 'nf_conn', bytes: 80,
    members: [['', 7, 8], ['proto', 6, 16], ['next', 8, 64], ['flags', 1, 72, 3], ['whole', 1, 76]],
  }, // 9
  { kind: 'enum', name: 'tcp_conntrack', values: [['TCP_CONNTRACK_NONE', 0], ['TCP_CONNTRACK_ESTABLISHED', 3], ['BELOW', -1]] }, // 10
  { kind: 'function', name: 'bpf_ct_release', to: 0 }, // 11
];

function read(bytes: Uint8Array, base?: Btf): Btf {
  const types = readBtf(bytes, base);
  assert.ok(types instanceof Btf, `${types}`);
  return types;
}

test('members are found by path, as C would', () => {
  const types = read(sampleBtf(TYPES));
  const table: [string, string, string][] = [
    ['nf_conn', 'proto', '16 +48'],
    ['nf_conn', 'proto.tcp.seen[0].td_end', '16 +4'],
    ['nf_conn', 'proto.tcp.seen[1].td_maxend', '40 +4'],
    ['nf_conn', 'proto.tcp.seen', '16 +40'],
    ['nf_conn', 'proto.tcp.state', '56 +4'],
    ['nf_conn', 'hidden', '12 +4'],
    ['nf_conn', 'next', '64 +8'],
    ['nf_conn', 'whole', '76 +4'],
    ['nf_conntrack_proto', 'tcp.state', '40 +4'],
    ['nf_conn', 'proto.udp', 'struct nf_conn has no member proto.udp'],
    ['nf_conn', 'whole.more', 'struct nf_conn has no member whole.more'],
    ['nf_conn', 'whole[1]', 'whole[1] in nf_conn.whole[1] is no array'],
    ['nf_conn', 'a b', '"a b" is no member name'],
    ['nf', 'proto', 'this kernel has no struct nf'],
    ['nf_connection', 'proto', 'this kernel has no struct nf_connection'],
  ];
  for (const [structure, path, expected] of table) {
    const place = types.member(structure, path);
    assert.equal(typeof place === 'string' ? place : `${place.offsetBytes} +${place.sizeBytes}`, expected);
  }
});

test('a bit field that does not begin at a byte has no place', () => {
  const types = read(sampleBtf([
    { kind: 'int', name: 'u32', bytes: 4 },
    { kind: 'struct', name: 's', bytes: 4, members: [['a', 1, 0, 3], ['b', 1, 3 / 8, 5]] },
  ]));
  assert.equal(types.member('s', 'b'), 's.b is a bit field');
});

test('enumerators, functions and sizes are found by name', () => {
  const types = read(sampleBtf(TYPES));
  assert.equal(types.enumValue('TCP_CONNTRACK_ESTABLISHED'), 3);
  assert.equal(types.enumValue('BELOW'), -1);
  assert.equal(types.enumValue('TCP_CONNTRACK_ESTABLISHE'), undefined);
  assert.equal(types.find(BTF_KIND_FUNC, 'bpf_ct_release'), 11);
  assert.equal(types.find(BTF_KIND_STRUCT, 'bpf_ct_release'), undefined);
  assert.equal(types.sizeOf(9), 80);
});

test('the types of a module continue those of the kernel', () => {
  const base = read(sampleBtf(TYPES));
  const types = read(
    sampleBtf([
      { kind: 'struct', name: 'bpf_ct_opts', bytes: 100, members: [['conn', 9, 4], ['own', 12, 90]] },
      { kind: 'function', name: 'bpf_skb_ct_lookup', to: 0 },
    ], base.endString),
    base,
  );
  assert.equal(types.find(BTF_KIND_FUNC, 'bpf_skb_ct_lookup'), 13);
  assert.equal(types.isOfBase(13), false);
  assert.equal(types.isOfBase(types.find(BTF_KIND_FUNC, 'bpf_ct_release') ?? 0), true);
  assert.deepEqual(types.member('bpf_ct_opts', 'conn.proto.tcp.state'), { offsetBytes: 60, sizeBytes: 4 });
  assert.equal(types.enumValue('TCP_CONNTRACK_ESTABLISHED'), 3);
});

test('every truncation is refused with a reason', () => {
  const bytes = sampleBtf(TYPES);
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(typeof readBtf(bytes.subarray(0, length)), 'string', `${length} bytes`);
  }
});

test('an array of itself has no size, and ends', () => {
  // Byte 88 is the low byte of the array's element type: 3 is the array.
  const damaged = sampleBtf(TYPES);
  damaged[88] = 3;
  const types = readBtf(damaged);
  assert.ok(typeof types !== 'string');
  const place = types.member('nf_conn', 'proto.tcp.seen[1].td_end');
  assert.ok(typeof place === 'string' || place.sizeBytes === 0, JSON.stringify(place));
});

test('anonymous structures inside themselves are searched once', () => {
  const types = read(sampleBtf([{ kind: 'struct', name: 's', bytes: 8, members: [['', 1, 0], ['', 1, 0], ['', 1, 0]] }]));
  assert.equal(types.member('s', 'none'), 'struct s has no member none');
});

test('damaged types give answers or reasons, never an exception or an endless walk', () => {
  const bytes = sampleBtf(TYPES);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 0, max: 255 }), (at, value) => {
      const damaged = bytes.slice();
      damaged[at] = value;
      const types = readBtf(damaged);
      if (typeof types === 'string') return;
      types.member('nf_conn', 'proto.tcp.seen[1].td_end');
      types.enumValue('none');
    }),
    { numRuns: 2000 },
  );
});
