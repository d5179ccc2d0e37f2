import { test } from 'node:test';
import assert from 'node:assert/strict';
import { addressText } from '../base/address.js';
import { ascii, u16 } from '../base/bytes.js';
import { type Feature, type Protocol, TCP, UDP, match } from '../detect/detector.js';
import type { Action, Policy, Rule } from '../policy/policy.js';
import { parseSchedule } from '../policy/schedule.js';
import { buildTcp, buildUdp } from '../wire/build.js';
import { TCP_ACK, TCP_SYN } from '../wire/constants.js';
import { decodeIp } from '../wire/decode.js';
import { PacketView } from '../wire/packet-view.js';
import { Gate, type GateOptions } from './gate.js';

const PEERS = ascii('PEERS');
const greeting: Feature = {
  feature: 'greeting',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ascii('HELLO SWARM') }] },
  inspect: () => match('certain', 'greeting'),
};
const shape: Feature = {
  feature: 'shape',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(0xee) }] },
  inspect: () => match('suspected', 'shape'),
};
const peers: Feature = {
  feature: 'peers',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: PEERS }] },
  inspect: () => match('certain', 'peers'),
  harvest(input, sink) {
    for (let at = input.start + PEERS.length; at + 6 <= input.end; at += 6) sink.toldIpv4(input.bytes, at, u16(input.bytes, at + 4));
    return true;
  },
};
const broken: Feature = {
  feature: 'broken',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ascii('THROW') }] },
  inspect: () => {
    throw new Error('a bug');
  },
};
const SWARM: Protocol = { id: 'swarm', title: 'Swarm', category: 'file-sharing', specs: [], features: [greeting, shape, peers, broken] };

const CLIENT = '10.0.0.1';
const PEER = '198.51.100.7';
// Monday 2023-11-13 12:00 UTC.
const NOON_MS = Date.UTC(2023, 10, 13, 12);

function rule(action: Action, more: Partial<Rule> = {}): Rule {
  return { name: 'rule', protocols: null, confidence: 'likely', clients: [], exceptClients: [], macs: [], outside: [], exceptOutside: [], schedule: null, action, ...more };
}

function policy(rules: readonly Rule[], trouble: Policy['trouble'] = 'accept'): Policy {
  return { rules, defaultAction: { kind: 'log' }, trouble };
}

const DROP = policy([rule({ kind: 'drop' })]);

class Lab {
  readonly said: string[] = [];
  readonly gate: Gate;
  readonly #view = new PacketView();
  timeMs = NOON_MS;
  wallMs = NOON_MS;

  constructor(rules: Policy, options: Partial<GateOptions> = {}) {
    const text = (bytes: Uint8Array): string => addressText(bytes, 0, bytes.length);
    this.gate = new Gate(
      { protocols: [SWARM], policy: rules, ...options },
      {
        onVerdict: (_flow, finding, verdict) => this.said.push(`${finding?.feature ?? '-'} ${verdict.outcome} ${verdict.why}`),
        onContain: ({ client, peer, port, holdMs }) => this.said.push(`${text(client)} not to ${text(peer)} ${port} for ${holdMs}`),
        onThrown: (feature, _error, isDisabled) => this.said.push(`${feature} threw${isDisabled ? ' too often' : ''}`),
      },
    );
  }

  /** One packet; from inside when its source is in 10/8. */
  feed(bytes: Uint8Array, isFromInside: boolean): string {
    this.timeMs += 10;
    const status = decodeIp(this.#view, bytes, 0, bytes.length);
    const verdict = this.gate.packet(this.#view, status, isFromInside, null, this.timeMs, this.wallMs);
    return typeof verdict === 'string' ? verdict : `${verdict.outcome} ${verdict.why}`;
  }

  tcp(from: string, to: string, payload: string | Uint8Array, seq: number, flags = TCP_ACK): string {
    const [src = '', srcPort] = from.split(' ');
    const [dst = '', dstPort] = to.split(' ');
    const bytes = typeof payload === 'string' ? ascii(payload) : payload;
    return this.feed(buildTcp({ src, dst, srcPort: Number(srcPort), dstPort: Number(dstPort), seq, flags, payload: bytes }), src.startsWith('10.'));
  }

  udp(from: string, to: string, payload: Uint8Array): string {
    const [src = '', srcPort] = from.split(' ');
    const [dst = '', dstPort] = to.split(' ');
    return this.feed(buildUdp({ src, dst, srcPort: Number(srcPort), dstPort: Number(dstPort), payload }), src.startsWith('10.'));
  }
}

test('a rule that blocks acts on the packet that names the protocol; the next connection ends at its SYN', () => {
  const lab = new Lab(DROP);
  assert.equal(lab.tcp(`${CLIENT} 5000`, `${PEER} 6881`, '', 1, TCP_SYN), 'undecided');
  assert.equal(lab.tcp(`${PEER} 6881`, `${CLIENT} 5000`, '', 9, TCP_SYN | TCP_ACK), 'undecided');
  assert.equal(lab.tcp(`${CLIENT} 5000`, `${PEER} 6881`, 'HELLO SWARM', 2), 'drop rule');
  assert.equal(lab.tcp(`${CLIENT} 5001`, `${PEER} 6881`, '', 1, TCP_SYN), 'drop rule');
  assert.deepEqual(lab.said, ['greeting drop rule', 'known-peer drop rule']);
});

test('a suspicion is dropped once its host is known to take part, also when the flow had passed before', () => {
  const lab = new Lab(DROP);
  lab.tcp(`${CLIENT} 5000`, `${PEER} 40000`, '', 1, TCP_SYN);
  lab.tcp(`${CLIENT} 5000`, `${PEER} 40000`, Uint8Array.of(0xee, 1, 2), 2);
  for (let i = 0; i < 40; i++) lab.tcp(`${CLIENT} 5000`, `${PEER} 40000`, Uint8Array.of(1, 2), 5 + 2 * i);
  assert.equal(lab.tcp(`${CLIENT} 5000`, `${PEER} 40000`, Uint8Array.of(1, 2), 500), 'pass default');
  lab.tcp(`${CLIENT} 5001`, '203.0.113.9 6881', '', 1, TCP_SYN);
  assert.equal(lab.tcp(`${CLIENT} 5001`, '203.0.113.9 6881', 'HELLO SWARM', 2), 'drop rule');
  const changed: string[] = [];
  lab.gate.review(lab.timeMs, lab.wallMs, (flow, verdict) => changed.push(`${lab.gate.identifier.table.port(flow, 0)} ${verdict.outcome}`));
  assert.deepEqual(changed, ['5000 drop']);
});

test('ordinary flows pass when inspection is over, and not before', () => {
  const lab = new Lab(DROP);
  lab.tcp(`${CLIENT} 5000`, `${PEER} 80`, '', 1, TCP_SYN);
  assert.equal(lab.tcp(`${CLIENT} 5000`, `${PEER} 80`, 'aa', 2), 'undecided', 'the other side may still say something');
  assert.equal(lab.tcp(`${PEER} 80`, `${CLIENT} 5000`, 'bb', 2), 'pass not-p2p');
  assert.deepEqual(lab.said, ['- pass not-p2p']);
});

test('log waits for the end of inspection, limit for the first answers and some volume, contain tells what to hold', () => {
  const told = Uint8Array.of(...PEERS, 203, 0, 113, 5, 0x1a, 0xe1);
  const much = new Uint8Array(1400);
  much.set(told);
  const watch = new Lab(policy([rule({ kind: 'log' })]));
  const limit = new Lab(policy([rule({ kind: 'limit', bitsPerSecond: 1000, per: 'rule' })]));
  const contain = new Lab(policy([rule({ kind: 'contain', holdMs: 60_000 })]));
  for (const lab of [watch, limit]) for (let i = 0; i < 5; i++) assert.equal(lab.udp(`${CLIENT} 7000`, `${PEER} 7000`, much), 'undecided');
  assert.equal(watch.udp(`${CLIENT} 7000`, `${PEER} 7000`, much), 'undecided');
  assert.equal(limit.udp(`${CLIENT} 7000`, `${PEER} 7000`, much), 'class rule');
  // A hub's or server's conversation: small, and every packet may name a peer.
  for (let i = 0; i < 30; i++) assert.equal(limit.udp(`${CLIENT} 7001`, `${PEER} 7000`, told), 'undecided');
  // The peer names a third to the client.
  assert.equal(contain.udp(`${PEER} 7000`, `${CLIENT} 7000`, told), 'drop rule');
  assert.deepEqual(contain.said, [`${CLIENT} not to 203.0.113.5 6881 for 60000`, `${CLIENT} not to ${PEER} 7000 for 60000`, 'peers drop rule']);
});

test('the client is the inside end, whoever began', () => {
  const clients = [{ address: Uint8Array.of(10, 0, 0, 0), prefixLength: 8 }];
  for (const [from, to, port] of [[CLIENT, PEER, 5000], [PEER, CLIENT, 5001]] as const) {
    const lab = new Lab(policy([rule({ kind: 'drop' }, { clients })]));
    lab.tcp(`${from} ${port}`, `${to} 6881`, '', 1, TCP_SYN);
    assert.equal(lab.tcp(`${from} ${port}`, `${to} 6881`, 'HELLO SWARM', 2), 'drop rule');
  }
});

test('hours of a rule: what passed is blocked when they begin, and a clock that jumps is no flow that ends', () => {
  const evening = parseSchedule('mon-sun 18:00-20:00', 'UTC');
  assert.ok('schedule' in evening);
  const lab = new Lab(policy([rule({ kind: 'drop' }, { schedule: evening.schedule })]));
  lab.tcp(`${CLIENT} 5000`, `${PEER} 6881`, '', 1, TCP_SYN);
  assert.equal(lab.tcp(`${CLIENT} 5000`, `${PEER} 6881`, 'HELLO SWARM', 2), 'pass default');
  const changes = (): string[] => {
    const changed: string[] = [];
    lab.gate.review(lab.timeMs, lab.wallMs, (_flow, verdict) => changed.push(verdict.outcome));
    return changed;
  };
  assert.deepEqual(changes(), []);
  lab.wallMs += 7 * 3_600_000;
  assert.deepEqual(changes(), ['drop']);
  assert.deepEqual(changes(), []);
  assert.deepEqual(lab.said, ['greeting pass default', 'greeting drop rule'], 'a review that comes to the same verdict is no news');
  assert.equal(lab.gate.identifier.table.size, 1);
});

test('another policy judges flows anew and keeps what is known of them', () => {
  const lab = new Lab(policy([]));
  lab.tcp(`${CLIENT} 5000`, `${PEER} 6881`, '', 1, TCP_SYN);
  assert.equal(lab.tcp(`${CLIENT} 5000`, `${PEER} 6881`, 'HELLO SWARM', 2), 'pass default');
  lab.gate.setPolicy(DROP);
  assert.equal(lab.tcp(`${CLIENT} 5000`, `${PEER} 6881`, 'more', 13), 'drop rule');
  lab.gate.setPolicy(policy([]));
  assert.equal(lab.tcp(`${CLIENT} 5000`, `${PEER} 6881`, 'more', 17), 'pass default');
});

test('another policy judges idle flows too, once, and only those that have a finding', () => {
  const lab = new Lab(policy([]));
  lab.tcp(`${CLIENT} 5000`, `${PEER} 6881`, 'HELLO SWARM', 1);
  lab.tcp(`${CLIENT} 5001`, `${PEER} 80`, 'GET / HTTP/1.1', 1);
  const judged = (): string[] => {
    const out: string[] = [];
    lab.gate.judgeAll(lab.timeMs, lab.wallMs, (flow, verdict) => out.push(`${lab.gate.identifier.table.port(flow, 0)} ${verdict.outcome}`));
    return out;
  };
  assert.deepEqual(judged(), [], 'it has its verdict');
  lab.gate.setPolicy(DROP);
  assert.deepEqual(judged(), ['5000 drop']);
  assert.deepEqual(judged(), []);
});

test('a detector that throws, mode open: its packets pass, and the third time ends it', () => {
  const lab = new Lab(policy([rule({ kind: 'drop' })], 'accept'));
  for (let i = 0; i < 4; i++) assert.equal(lab.udp(`${CLIENT} ${6000 + i}`, `${PEER} 1000`, ascii('THROW')), 'undecided');
  assert.deepEqual(lab.said, ['swarm/broken threw', 'swarm/broken threw', 'swarm/broken threw too often']);
  assert.equal(lab.gate.troubles['detector-threw'], 3, 'the fourth time it is not asked');
  assert.equal(lab.udp(`${CLIENT} 6200`, `${PEER} 1000`, PEERS), 'drop rule', 'others still are');
});

test('a detector that throws, mode closed: its packets are dropped, and it is asked again and again', () => {
  const lab = new Lab(policy([rule({ kind: 'drop' })], 'drop'));
  for (let i = 0; i < 4; i++) assert.equal(lab.udp(`${CLIENT} ${6000 + i}`, `${PEER} 1000`, ascii('THROW')), 'drop-packet');
  assert.deepEqual(lab.said, ['swarm/broken threw', 'swarm/broken threw', 'swarm/broken threw'], 'said three times at most');
  assert.equal(lab.gate.troubles['detector-threw'], 4);
  assert.equal(lab.udp(`${CLIENT} 6200`, `${PEER} 1000`, PEERS), 'drop rule', 'others still are');
});

test('malformed packets: as the exception policy says, counted', () => {
  for (const [trouble, expected] of [['accept', 'undecided'], ['drop', 'drop-packet']] as const) {
    const lab = new Lab(policy([], trouble));
    const packet = buildUdp({ src: CLIENT, dst: PEER, srcPort: 1, dstPort: 2, payload: ascii('x') });
    // RFC 791 section 3.1: a header of fewer than five words.
    packet[0] = 0x44;
    assert.equal(lab.feed(packet, true), expected);
    assert.equal(lab.gate.troubles.malformed, 1);
  }
});

test('too many undecided flows: the oldest passes when open, is dropped when closed', () => {
  for (const [trouble, expected] of [['accept', 'pass state-evicted'], ['drop', 'drop state-evicted']] as const) {
    const lab = new Lab(policy([rule({ kind: 'drop' })], trouble), { maxUndecided: 4 });
    for (let i = 0; i < 6; i++) assert.equal(lab.udp(`${CLIENT} ${6000 + i}`, `${PEER} 1000`, ascii('zzzz')), 'undecided');
    assert.equal(lab.udp(`${CLIENT} 6000`, `${PEER} 1000`, ascii('zzzz')), expected);
    assert.equal(lab.gate.troubles['state-evicted'], 2);
  }
});
