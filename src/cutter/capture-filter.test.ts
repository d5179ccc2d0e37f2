import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { u16, u32 } from '../base/bytes.js';
import { buildTcp, buildUdp } from '../wire/build.js';
import { type FilterStep, captureFilter, portPair } from './capture-filter.js';

/** Classic BPF as the kernel defines it, the instructions of the filter only; reads beyond the packet reject. */
function run(program: readonly FilterStep[], packet: Uint8Array): number {
  const memory = new Map<number, number>();
  let a = 0;
  let x = 0;
  for (let at = 0, steps = 0; steps < 10_000; steps++) {
    const step = program[at++];
    if (!step) assert.fail('ran off the end');
    const { code, jt, jf, k } = step;
    const load = (where: number, width: number): number | null =>
      where + width > packet.length ? null : width === 1 ? (packet[where] ?? 0) : width === 2 ? u16(packet, where) : u32(packet, where);
    const conditional = (isTrue: boolean): void => {
      at += isTrue ? jt : jf;
    };
    let loaded: number | null = 0;
    switch (code) {
      case 0x30: loaded = a = load(k, 1) ?? -1; break;
      case 0x28: loaded = a = load(k, 2) ?? -1; break;
      case 0x40: loaded = a = load(x + k, 4) ?? -1; break;
      case 0x50: loaded = a = load(x + k, 1) ?? -1; break;
      case 0xb1: x = ((load(k, 1) ?? 0) & 0xf) * 4; break;
      case 0x01: x = k; break;
      case 0x54: a = (a & k) >>> 0; break;
      case 0x74: a = a >>> k; break;
      case 0x1c: a = (a - x) >>> 0; break;
      case 0x0c: a = (a + x) >>> 0; break;
      case 0x04: a = (a + k) >>> 0; break;
      case 0x05: at += k; break;
      case 0x15: conditional(a === k); break;
      case 0x35: conditional(a >= k); break;
      case 0x45: conditional((a & k) !== 0); break;
      case 0x02: memory.set(k, a); break;
      case 0x60: a = memory.get(k) ?? 0; break;
      case 0x07: x = a; break;
      case 0x06: return k;
      default: assert.fail(`unknown code ${code}`);
    }
    if (loaded < 0) return 0;
  }
  return assert.fail('does not end');
}

const V4 = { src: '10.0.0.1', dst: '10.0.0.2' };
const V6 = { src: 'fd00::1', dst: 'fd00::2' };

test('segments with one of the pairs of ports pass, others do not', () => {
  const filter = captureFilter([portPair(80, 1000), portPair(443, 65535)]);
  const table: [string, Uint8Array, boolean][] = [
    ['IPv4', buildTcp({ ...V4, srcPort: 80, dstPort: 1000 }), true],
    ['IPv4 with options', buildTcp({ ...V4, srcPort: 80, dstPort: 1000, ipOptions: new Uint8Array(8).fill(1) }), true],
    ['IPv6', buildTcp({ ...V6, srcPort: 443, dstPort: 65535 }), true],
    ['the ports exchanged', buildTcp({ ...V4, srcPort: 1000, dstPort: 80 }), false],
    ['a neighbour', buildTcp({ ...V4, srcPort: 80, dstPort: 1001 }), false],
    ['UDP with the same ports', buildUdp({ ...V4, srcPort: 80, dstPort: 1000 }), false],
    ['IPv6 UDP', buildUdp({ ...V6, srcPort: 443, dstPort: 65535 }), false],
    ['a later fragment', buildTcp({ ...V4, srcPort: 80, dstPort: 1000, fragment: { offsetBytes: 8, isLast: true, id: 1 } }), false],
    ['a torn header', buildTcp({ ...V4, srcPort: 80, dstPort: 1000 }).subarray(0, 22), false],
    ['nothing', new Uint8Array(0), false],
  ];
  for (const [name, packet, passes] of table) assert.equal(run(filter, packet) > 0, passes, name);
  assert.equal(run(captureFilter([]), buildTcp({ ...V4, srcPort: 80, dstPort: 1000 })), 0, 'no pair, no packet');
});

test('any number of pairs up to the limit is found by halving; jumps fit', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(65535), fc.nat(65535)), { maxLength: 1500 }), fc.tuple(fc.nat(65535), fc.nat(65535)), (pairs, other) => {
      const filter = captureFilter(pairs.map(([source, destination]) => portPair(source, destination)));
      assert.ok(filter.length <= 4096);
      assert.ok(filter.every(({ jt, jf }) => jt <= 255 && jf <= 255));
      const passes = ([srcPort, dstPort]: readonly [number, number]): boolean => run(filter, buildTcp({ ...V4, srcPort, dstPort })) > 0;
      for (const pair of pairs.slice(0, 20)) assert.ok(passes(pair));
      assert.equal(passes(other), pairs.some(([source, destination]) => source === other[0] && destination === other[1]));
    }),
    { numRuns: 40 },
  );
});

test('beyond the limit segments without payload pass', () => {
  const filter = captureFilter(Array.from({ length: 5000 }, (_, i) => portPair(i, 80)));
  assert.ok(filter.length < 100);
  for (const ends of [V4, V6]) {
    const empty = { ...ends, srcPort: 1, dstPort: 2, tcpOptions: new Uint8Array(12).fill(1) };
    assert.ok(run(filter, buildTcp(empty)) > 0);
    assert.equal(run(filter, buildTcp({ ...empty, payload: Uint8Array.of(1) })), 0);
  }
});
