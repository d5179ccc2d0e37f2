import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addressText, parseAddress } from '../base/address.js';
import { IPPROTO_TCP, IPPROTO_UDP, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../wire/constants.js';
import { PacketView } from '../wire/packet-view.js';
import { type FlowEndReason, FlowTable, type FlowTableOptions } from './flow-table.js';

interface Packet {
  readonly from: string;
  readonly to: string;
  readonly protocol?: number;
  readonly tcpFlags?: number;
  readonly seq?: number;
  readonly lengthBytes?: number;
}

/** `address port` of one end. */
function end(text: string): { address: Uint8Array; port: number } {
  const [host, port] = text.split(' ');
  const address = parseAddress(host ?? '');
  assert.ok(address, text);
  return { address, port: Number(port) };
}

function view(packet: Packet): PacketView {
  const source = end(packet.from);
  const destination = end(packet.to);
  const made = new PacketView();
  made.bytes = new Uint8Array([...source.address, ...destination.address]);
  made.ipVersion = source.address.length === 4 ? 4 : 6;
  made.destinationAt = source.address.length;
  made.protocol = packet.protocol ?? IPPROTO_TCP;
  made.srcPort = source.port;
  made.dstPort = destination.port;
  made.tcpFlags = packet.tcpFlags ?? TCP_ACK;
  made.seq = packet.seq ?? 0;
  made.end = packet.lengthBytes ?? 100;
  return made;
}

class Recorder {
  readonly ended: string[] = [];
  readonly table: FlowTable;
  constructor(options: Omit<FlowTableOptions, 'onEnd'> = {}) {
    this.table = new FlowTable({
      ...options,
      onEnd: (flow: number, reason: FlowEndReason) => this.ended.push(`${this.name(flow)} ${reason}`),
    });
  }
  name(flow: number): string {
    const address = new Uint8Array(16);
    const texts = ([0, 1] as const).map((which) => {
      const lengthBytes = this.table.writeAddress(flow, which, address, 0);
      return `${addressText(address, 0, lengthBytes)} ${this.table.port(flow, which)}`;
    });
    return texts.join(' > ');
  }
  packet(packet: Packet, timeMs = 0): number {
    const seen = view(packet);
    seen.timeMs = timeMs;
    return this.table.lookup(seen);
  }
}

const A = '10.0.0.1 40000';
const B = '192.0.2.9 80';

test('both directions of a conversation are one flow, whoever is smaller', () => {
  for (const [from, to] of [
    [A, B],
    [B, A],
    ['2001:db8::1 1', '2001:db8::2 1'],
    ['2001:db8::2 1', '2001:db8::1 1'],
  ] as const) {
    const recorder = new Recorder();
    const flow = recorder.packet({ from, to, lengthBytes: 60 }, 1);
    assert.equal(recorder.table.isNew, true);
    assert.equal(recorder.table.direction, 0);
    assert.equal(recorder.packet({ from: to, to: from, lengthBytes: 1500 }, 5), flow);
    assert.equal(recorder.table.direction, 1);
    assert.equal(recorder.table.isNew, false);
    assert.equal(recorder.name(flow), `${from} > ${to}`);
    assert.deepEqual([recorder.table.packets(flow, 0), recorder.table.packets(flow, 1)], [1, 1]);
    assert.deepEqual([recorder.table.lengthBytes(flow, 0), recorder.table.lengthBytes(flow, 1)], [60, 1500]);
    assert.deepEqual([recorder.table.firstSeenMs(flow), recorder.table.lastSeenMs(flow)], [1, 5]);
  }
});

test('other ports, addresses, protocols and IP versions are other flows', () => {
  const recorder = new Recorder();
  const flows = [
    recorder.packet({ from: A, to: B }),
    recorder.packet({ from: '10.0.0.1 40001', to: B }),
    recorder.packet({ from: '10.0.0.2 40000', to: B }),
    recorder.packet({ from: A, to: B, protocol: IPPROTO_UDP }),
    recorder.packet({ from: '::a00:1 40000', to: '::c000:209 80' }),
    recorder.packet({ from: '10.0.0.1 80', to: '192.0.2.9 40000' }),
  ];
  assert.equal(new Set(flows).size, flows.length);
  assert.equal(recorder.table.size, flows.length);
});

test('the same endpoint at both ends is a flow of its own', () => {
  const recorder = new Recorder();
  const flow = recorder.packet({ from: A, to: A });
  assert.equal(recorder.packet({ from: A, to: A }), flow);
});

test('a SYN-ACK seen first makes its sender the responder', () => {
  const recorder = new Recorder();
  const flow = recorder.packet({ from: B, to: A, tcpFlags: TCP_SYN | TCP_ACK, seq: 99 });
  assert.equal(recorder.name(flow), `${A} > ${B}`);
  assert.equal(recorder.table.direction, 1);
  assert.equal(recorder.table.streamStart(flow, 1), 100);
  assert.equal(recorder.table.isFromStart(flow, 1), true);
  assert.equal(recorder.table.streamStart(flow, 0), -1);
});

test('a new SYN opens a new flow after RST, after FIN and after data, but not when it is a retransmission', () => {
  const cases: [string, Packet[], string[]][] = [
    ['retransmitted SYN', [{ from: A, to: B, tcpFlags: TCP_SYN, seq: 7 }], []],
    ['another SYN before anything else', [{ from: A, to: B, tcpFlags: TCP_SYN, seq: 1 }], []],
    ['after RST', [{ from: B, to: A, tcpFlags: TCP_RST }, { from: A, to: B, tcpFlags: TCP_SYN, seq: 1 }], ['port-reuse']],
    ['after FIN', [{ from: B, to: A, tcpFlags: TCP_FIN }, { from: A, to: B, tcpFlags: TCP_SYN, seq: 1 }], ['port-reuse']],
    ['sequence wraps', [{ from: A, to: B, tcpFlags: TCP_SYN, seq: 7 }], []],
  ];
  for (const [name, packets, reasons] of cases) {
    const recorder = new Recorder();
    recorder.packet({ from: A, to: B, tcpFlags: TCP_SYN, seq: 7 });
    for (const packet of packets) recorder.packet(packet);
    assert.deepEqual(recorder.ended, reasons.map((reason) => `${A} > ${B} ${reason}`), name);
  }
  const recorder = new Recorder();
  const flow = recorder.packet({ from: A, to: B, tcpFlags: TCP_SYN, seq: 0xffffffff });
  assert.equal(recorder.table.streamStart(flow, 0), 0, 'the number after the largest is zero');
  recorder.table.countPayload(flow);
  recorder.packet({ from: A, to: B, tcpFlags: TCP_SYN, seq: 0xffffffff });
  assert.deepEqual(recorder.ended, [], 'a late retransmission of the SYN is none');
  recorder.packet({ from: A, to: B, tcpFlags: TCP_SYN, seq: 5 });
  assert.deepEqual(recorder.ended, [`${A} > ${B} port-reuse`]);
});

test('flows end by the packets clock: UDP early, closed TCP earlier, open TCP late', () => {
  const limits = { tcpIdleMs: 1000, closedIdleMs: 10, udpIdleMs: 100 };
  const after = (idleMs: number, protocol: number, tcpFlags: number): boolean => {
    const recorder = new Recorder(limits);
    recorder.packet({ from: A, to: B, protocol, tcpFlags }, 0);
    recorder.packet({ from: A, to: B, protocol }, idleMs);
    return recorder.ended.length === 1 && recorder.table.isNew;
  };
  assert.deepEqual([after(100, IPPROTO_UDP, 0), after(101, IPPROTO_UDP, 0)], [false, true]);
  assert.deepEqual([after(10, IPPROTO_TCP, TCP_RST), after(11, IPPROTO_TCP, TCP_RST)], [false, true]);
  assert.deepEqual([after(1000, IPPROTO_TCP, TCP_ACK), after(1001, IPPROTO_TCP, TCP_ACK)], [false, true]);
});

test('idle flows leave while others arrive, without being asked for', () => {
  const recorder = new Recorder({ udpIdleMs: 100 });
  recorder.packet({ from: A, to: B, protocol: IPPROTO_UDP }, 0);
  for (let i = 0; i < 5; i++) recorder.packet({ from: `10.1.0.${i} 5`, to: B, protocol: IPPROTO_UDP }, 1000);
  assert.deepEqual(recorder.ended, [`${A} > ${B} idle`]);
  assert.equal(recorder.table.sweep(5000, 100), 5);
});

test('a full table evicts the longest idle and never exceeds its limit', () => {
  const recorder = new Recorder({ maxFlows: 16 });
  for (let i = 0; i < 16; i++) recorder.packet({ from: `10.1.0.${i} 5`, to: B }, i);
  recorder.packet({ from: '10.1.0.0 5', to: B }, 50);
  recorder.packet({ from: '10.9.9.9 5', to: B }, 60);
  assert.deepEqual(recorder.ended, [`10.1.0.1 5 > ${B} table-full`]);
  for (let i = 0; i < 1000; i++) {
    recorder.packet({ from: `10.2.${i >> 8}.${i & 255} 5`, to: B }, 100 + i);
    assert.ok(recorder.table.size <= 16);
  }
});

test('the table finds every flow after growing, ending and reusing entries', () => {
  const step = fc.record({ host: fc.nat(300), remove: fc.boolean(), back: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.integer(), (steps, hashSeed) => {
      const recorder = new Recorder({ hashSeed });
      const model = new Map<number, number>();
      for (const { host, remove, back } of steps) {
        const from = `10.3.${host >> 8}.${host & 255} ${1000 + host}`;
        const flow = recorder.packet(back && model.has(host) ? { from: B, to: from } : { from, to: B });
        assert.equal(recorder.table.isNew, !model.has(host));
        if (model.has(host)) assert.equal(flow, model.get(host));
        model.set(host, flow);
        if (remove) {
          recorder.table.remove(flow, 'closed');
          model.delete(host);
        }
        assert.equal(recorder.table.size, model.size);
      }
      recorder.table.endAll('end-of-input');
      assert.equal(recorder.table.size, 0);
    }),
    { numRuns: 60 },
  );
});

test('three hundred thousand flows survive growth of the table', () => {
  const recorder = new Recorder();
  const flows: number[] = [];
  for (let i = 0; i < 300_000; i++) flows.push(recorder.packet({ from: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255} 5`, to: B }));
  for (let i = 0; i < 300_000; i += 997) {
    assert.equal(recorder.packet({ from: B, to: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255} 5` }), flows[i]);
  }
  assert.equal(recorder.table.size, 300_000);
});
