import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { TCP_ACK, TCP_FIN, TCP_RST } from '../wire/constants.js';
import { decodeIp } from '../wire/decode.js';
import { PacketView } from '../wire/packet-view.js';
import { internetChecksum, transportChecksum } from '../wire/checksum.js';
import { legsOf } from './connection.js';
import { CutMachine, type CutOptions, type LegIndex } from './cut-machine.js';
import { recordedEntry } from './recorded-entries.js';
import { segmentTemplate, writeSegment } from './segment.js';

/**
 * A peer as RFC 9293 and RFC 5961 have it: dies of a RST at exactly the expected number, challenges every
 * other segment out of its window, answers everything with RST once dead.
 */
class Peer {
  isAlive = true;
  /** What it expects next, and its own next number. */
  expected: number;
  next: number;
  isMute = false;

  constructor(expected: number, next: number) {
    this.expected = expected;
    this.next = next;
  }

  receive(flags: number, seq: number, ack: number): { flags: number; seq: number; ack: number } | null {
    if (this.isMute) return null;
    if ((flags & TCP_RST) !== 0) {
      if (seq === this.expected) this.isAlive = false;
      return null;
    }
    return this.isAlive ? { flags: TCP_ACK, seq: this.next, ack: this.expected } : { flags: TCP_RST, seq: ack, ack: 0 };
  }
}

class Net {
  readonly peers: readonly [Peer, Peer];
  readonly sent: string[] = [];
  readonly machine: CutMachine;
  nowMs = 1000;
  stalls = 0;
  /** Called before each delivery: data that moves, packets that get lost. */
  disturb: (leg: LegIndex) => boolean = () => true;
  /** As the reject method's rule in the kernel. */
  rejects = false;
  private readonly roundTripMs: number;
  private readonly waiting: { atMs: number; leg: LegIndex; flags: number; seq: number; ack: number }[] = [];

  constructor(options: Partial<CutOptions> = {}, peers: readonly [Peer, Peer] = [new Peer(5000, 900), new Peer(900, 5000)], roundTripMs = 1) {
    this.peers = peers;
    this.roundTripMs = roundTripMs;
    const send = (leg: LegIndex, flags: number, seq: number, ack: number): void => {
      this.sent.push(`${leg} ${flags === TCP_RST ? 'RST' : 'probe'} ${seq}`);
      if (!this.disturb(leg)) return;
      const answer = peers[leg].receive(flags, seq, ack);
      if (answer) this.waiting.push({ atMs: this.nowMs + this.roundTripMs, leg, ...answer });
    };
    this.machine = new CutMachine(
      { method: 'challenge', legs: [0, 1], probeSeq: 77, startMs: this.nowMs, ...options },
      { send, stall: () => this.stalls++ },
    );
    this.machine.begun(this.nowMs, this.nowMs + 5000);
  }

  /** Lets time pass until the machine is done. */
  run(): void {
    const { machine } = this;
    for (let steps = 0; !machine.isDone; steps++) {
      assert.ok(steps < 10_000, 'it ends');
      machine.tick(this.nowMs);
      const arrived = this.waiting.filter(({ atMs }) => atMs <= this.nowMs);
      for (const answer of arrived) {
        this.waiting.splice(this.waiting.indexOf(answer), 1);
        const { leg, flags, seq, ack } = answer;
        if (this.rejects && (flags & TCP_RST) === 0) this.peers[leg].receive(TCP_RST, ack, 0);
        machine.segment(leg, flags, seq, ack, 0, this.nowMs);
      }
      if (arrived.length === 0) this.nowMs++;
    }
  }

  outcomes(): (string | null)[] {
    return [this.machine.report(0).outcome, this.machine.report(1).outcome];
  }
}

test('challenge: one probe tells both numbers; one RST and its proof for each end', () => {
  const net = new Net();
  net.run();
  assert.deepEqual(net.outcomes(), ['closed', 'closed']);
  assert.deepEqual(net.peers.map(({ isAlive }) => isAlive), [false, false]);
  assert.deepEqual(net.sent.map((text) => text.replace(/probe [0-9]{3,}/, 'proof')), ['0 probe 77', '0 RST 5000', '0 proof', '1 RST 900', '1 proof']);
  assert.equal(net.machine.report(0).tries, 1);
  assert.ok(net.machine.report(0).ms <= 4, 'two round trips');
});

test('challenge: an originator that is gone does not keep the responder from being asked', () => {
  const net = new Net();
  net.disturb = (leg) => leg === 1;
  net.run();
  assert.deepEqual(net.outcomes(), ['unanswered', 'closed']);
  assert.ok(net.machine.report(1).ms < 200, 'after one wait');
});

test('window: the RST goes first, no probe before it', () => {
  const net = new Net({ method: 'window', expected: [5000, 900] });
  net.run();
  assert.deepEqual(net.sent, ['0 RST 5000', `0 probe ${(5000 - 0x40000000) >>> 0}`, '1 RST 900', `1 probe ${(900 - 0x40000000) >>> 0}`]);
  assert.deepEqual(net.outcomes(), ['closed', 'closed']);
});

test('window: a stale number is corrected by the answer to the proof', () => {
  const net = new Net({ method: 'window', expected: [4000, 800] });
  net.run();
  assert.deepEqual(net.outcomes(), ['closed', 'closed']);
  assert.equal(net.machine.report(0).tries, 2);
});

test('reject: only probes are sent, the kernel sends the RSTs', () => {
  const net = new Net({ method: 'reject' });
  net.rejects = true;
  net.run();
  assert.ok(net.sent.every((line) => line.includes('probe')));
  assert.deepEqual(net.outcomes(), ['closed', 'closed']);
});

test('one end behind a silent firewall: the other end tells its number, the RST goes out, and it is reported as unanswered', () => {
  const net = new Net();
  net.peers[1].isMute = true;
  net.run();
  assert.deepEqual(net.outcomes(), ['closed', 'unanswered']);
  assert.ok(net.sent.includes('1 RST 900'));
  assert.equal(net.machine.report(1).ms, 5000, 'at the deadline');
});

test('a peer that is silent after its RST counts as dead, one that never spoke does not', () => {
  const net = new Net();
  // Once dead it says nothing, as behind a firewall that forgets the connection with the RST.
  const [peer] = net.peers;
  const receive = peer.receive.bind(peer);
  peer.receive = (...segment) => {
    const answer = receive(...segment);
    return peer.isAlive ? answer : null;
  };
  net.run();
  assert.deepEqual(net.outcomes(), ['silent', 'closed']);
  assert.ok(net.nowMs < 3500, `${net.nowMs}`);
});

test('a round trip of 800 ms is waited for', () => {
  const net = new Net({}, undefined, 800);
  net.run();
  assert.deepEqual(net.outcomes(), ['closed', 'closed']);
});

test('lost segments are repeated', () => {
  const net = new Net();
  let count = 0;
  net.disturb = () => count++ % 3 !== 0;
  net.run();
  assert.deepEqual(net.outcomes(), ['closed', 'closed']);
});

test('numbers that keep moving: the connection is stalled once, then both ends die', () => {
  const net = new Net();
  // Data reaches both ends before every segment of ours, until the packets are dropped on the way.
  net.disturb = (leg) => {
    if (net.stalls > 0) return true;
    net.peers[leg].expected += 1448;
    net.peers[leg === 0 ? 1 : 0].next += 1448;
    return true;
  };
  net.run();
  assert.equal(net.stalls, 1);
  assert.deepEqual(net.outcomes(), ['closed', 'closed']);
});

test('numbers that keep moving and cannot be stalled end at the deadline as alive', () => {
  const net = new Net();
  net.disturb = (leg) => {
    net.peers[leg].expected += 1448;
    return true;
  };
  net.run();
  assert.deepEqual(net.outcomes(), ['alive', 'alive']);
  assert.equal(net.machine.report(0).ms, 5000);
  assert.ok(net.sent.length < 5000, 'bounded by the pace of answers');
});

test('a peer that keeps sending and hears none of our segments is told apart from one whose data moves', () => {
  const net = new Net({ method: 'window', expected: [5000, 900] });
  net.disturb = (leg) => leg === 0;
  // What the responder sends again and again, for want of an acknowledgement.
  const tick = net.machine.tick.bind(net.machine);
  net.machine.tick = (nowMs) => {
    if (nowMs % 200 === 0) net.machine.segment(1, TCP_ACK, 5000, 900, 0, nowMs);
    tick(nowMs);
  };
  net.run();
  assert.deepEqual(net.outcomes(), ['closed', 'deaf']);
});

test('a leg that ends on this machine is left alone', () => {
  const net = new Net({ legs: [1] });
  net.run();
  assert.ok(net.sent.every((line) => line.startsWith('1')));
  assert.deepEqual(net.outcomes(), [null, 'closed']);
});

test('a first probe answered with RST: done, and yet one RST goes out when its number becomes known', () => {
  const net = new Net();
  net.peers[0].isAlive = false;
  net.run();
  assert.deepEqual(net.outcomes(), ['closed', 'closed']);
  assert.ok(net.sent.includes('0 RST 5000'));
});

test('wrap-around of sequence numbers', () => {
  const net = new Net({}, [new Peer(0x10, 0xfffffff0), new Peer(0xfffffff0, 0x10)]);
  net.run();
  assert.deepEqual(net.outcomes(), ['closed', 'closed']);
});

test('whatever is lost or moves, it ends by the deadline and says closed only of the dead', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }),
      fc.array(fc.nat(3), { minLength: 1, maxLength: 30 }),
      fc.constantFrom('challenge', 'window', 'reject' as const),
      fc.integer({ min: 1, max: 300 }),
      (delivered, moves, method, roundTripMs) => {
        const options = method === 'window' ? { method, expected: [5000, 900] as const } : { method: method as CutOptions['method'] };
        const net = new Net(options, undefined, roundTripMs);
        net.rejects = method === 'reject';
        let count = 0;
        net.disturb = (leg) => {
          const step = count++;
          if (step < moves.length && moves[step] === 0) net.peers[leg].expected += 100;
          return delivered[step % delivered.length] ?? true;
        };
        net.run();
        assert.ok(net.nowMs <= 6001);
        net.outcomes().forEach((outcome, i) => {
          if (outcome === 'closed') assert.equal(net.peers[i]?.isAlive, false, `leg ${i}`);
        });
      },
    ),
    { numRuns: 150 },
  );
});

test('segments are well formed in both families', () => {
  for (const name of ['masqueraded', 'plainIpv6'] as const) {
    const leg = legsOf(recordedEntry(name))[1];
    const template = segmentTemplate(leg);
    const packet = new Uint8Array(template.length);
    writeSegment(template, TCP_FIN | TCP_ACK, 0xdeadbeef, 0x01020304, packet, 0);
    const view = new PacketView();
    assert.equal(decodeIp(view, packet, 0, packet.length), 'ok');
    assert.deepEqual([view.srcPort, view.dstPort, view.seq, view.ack, view.tcpFlags], [leg.from.port, leg.to.port, 0xdeadbeef, 0x01020304, 0x11]);
    assert.deepEqual(packet.slice(view.sourceAt, view.sourceAt + leg.from.address.length), leg.from.address);
    assert.deepEqual(packet.slice(view.destinationAt, view.destinationAt + leg.to.address.length), leg.to.address);
    const addressBytes = leg.to.address.length === 4 ? 4 : 16;
    assert.equal(transportChecksum(packet, view.sourceAt, view.destinationAt, addressBytes, 6, view.transportAt, packet.length), 0);
    if (addressBytes === 4) assert.equal(internetChecksum(packet, 0, 20), 0);
  }
});
