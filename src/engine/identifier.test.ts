import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ascii, concat, hasAt, u16 } from '../base/bytes.js';
import { type Feature, type Inspection, MORE, NO, type Protocol, TCP, UDP, match } from '../detect/detector.js';
import { buildTcp, buildUdp } from '../wire/build.js';
import { TCP_ACK, TCP_RST, TCP_SYN } from '../wire/constants.js';
import { decodeIp } from '../wire/decode.js';
import { PacketView } from '../wire/packet-view.js';
import { Identifier, type IdentifierOptions } from './identifier.js';

/** A protocol made for these tests: a greeting over TCP, pings that name peers over UDP, and a shape that proves little. */
const GREETING = ascii('HELLO SWARM');
const PEERS = ascii('PEERS');

const greeting: Feature = {
  feature: 'greeting',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: GREETING }] },
  inspect: () => match('certain', 'greeting'),
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
const shape: Feature = {
  feature: 'shape',
  transport: TCP,
  trigger: { kind: 'always', because: 'the test wants a weak sign' },
  inspect: (input: Inspection) => (input.bytes[input.start] === 0xee ? match('suspected', 'shape') : NO),
};
const late: Feature = {
  feature: 'late',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ascii('WAIT') }] },
  inspect: (input) => {
    if (input.end - input.start < 40) return MORE;
    return hasAt(input.bytes, input.start + 36, input.end, ascii('DONE')) ? match('certain', 'late') : NO;
  },
};
/** Another protocol, whose sign rests on more bytes than the shape. */
const fuller: Feature = {
  feature: 'fuller',
  transport: TCP,
  trigger: { kind: 'always', because: 'the test wants a sign that outweighs another' },
  inspect: (input) => (input.end - input.start < 8 ? MORE : { confidence: 'suspected', why: 'eight bytes', outweighs: true }),
};
const OTHERS: Protocol = { id: 'zebra', title: 'Zebra', category: 'file-sharing', specs: [], features: [fuller] };
/** Never knows. */
const WAITS: Protocol = { id: 'waits', title: 'Waits', category: 'file-sharing', specs: [], features: [{ ...shape, inspect: () => MORE }] };
const SWARM: Protocol = { id: 'swarm', title: 'Swarm', category: 'file-sharing', specs: [], features: [greeting, peers, shape, late] };

const CLIENT = '10.0.0.1';
const PEER = '198.51.100.7';
const STRANGER = '203.0.113.9';

class Lab {
  readonly ended: string[] = [];
  readonly identifier: Identifier;
  readonly #view = new PacketView();
  #timeMs = 1_700_000_000_000;

  constructor(options: Partial<IdentifierOptions> = {}) {
    this.identifier = new Identifier({
      protocols: [SWARM],
      ...options,
      onFlowEnd: (_flow, finding, reason) => {
        this.ended.push(`${finding === null ? 'none' : `${finding.feature} ${finding.confidence}`} ${reason}`);
      },
    });
  }
  after(ms: number): this {
    this.#timeMs += ms;
    return this;
  }
  /** Feeds a datagram; returns its flow's finding as text. */
  feed(bytes: Uint8Array): string {
    const status = decodeIp(this.#view, bytes, 0, bytes.length);
    assert.equal(status, 'ok');
    this.#view.timeMs = this.#timeMs;
    const flow = this.identifier.packet(this.#view);
    const finding = this.identifier.finding(flow);
    return finding === null ? 'none' : `${finding.feature} ${finding.confidence} @${this.identifier.table.decidedAtPacket(flow)}`;
  }
  tcp(from: string, to: string, payload: string | Uint8Array, seq: number, flags = TCP_ACK): string {
    const [src = '', srcPort] = from.split(' ');
    const [dst = '', dstPort] = to.split(' ');
    const bytes = typeof payload === 'string' ? ascii(payload) : payload;
    return this.feed(buildTcp({ src, dst, srcPort: Number(srcPort), dstPort: Number(dstPort), seq, flags, payload: bytes }));
  }
  udp(from: string, to: string, payload: Uint8Array): string {
    const [src = '', srcPort] = from.split(' ');
    const [dst = '', dstPort] = to.split(' ');
    return this.feed(buildUdp({ src, dst, srcPort: Number(srcPort), dstPort: Number(dstPort), payload }));
  }
}

const C = `${CLIENT} 40000`;
const P = `${PEER} 6000`;
const namesPeer = concat(PEERS, Uint8Array.of(198, 51, 100, 7, 6000 >> 8, 6000 & 0xff));

test('a greeting is found in its first packet, also when it is split at any byte', () => {
  const lab = new Lab();
  assert.equal(lab.tcp(C, P, '', 99, TCP_SYN), 'none');
  assert.equal(lab.tcp(C, P, GREETING, 100), 'greeting certain @2');
  for (let cut = 1; cut < GREETING.length; cut++) {
    const split = new Lab();
    split.tcp(C, P, '', 99, TCP_SYN);
    assert.equal(split.tcp(C, P, GREETING.subarray(0, cut), 100), 'none');
    assert.equal(split.tcp(C, P, GREETING.subarray(cut), 100 + cut), 'greeting certain @3', `cut at ${cut}`);
  }
});

test('segments out of order, repeated and overlapping give the same finding', () => {
  const lab = new Lab();
  lab.tcp(C, P, '', 99, TCP_SYN);
  assert.equal(lab.tcp(C, P, GREETING.subarray(6), 106), 'none');
  assert.equal(lab.tcp(C, P, GREETING.subarray(6), 106), 'none');
  assert.equal(lab.tcp(C, P, GREETING.subarray(0, 8), 100), 'greeting certain @4');
});

test('a flow picked up mid-stream is inspected from its first segment, and an earlier one that arrives late counts', () => {
  const lab = new Lab();
  assert.equal(lab.tcp(C, P, GREETING, 5000), 'greeting certain @1');
  const late = new Lab();
  assert.equal(late.tcp(C, P, GREETING.subarray(5), 5005), 'none');
  assert.equal(late.tcp(C, P, GREETING.subarray(0, 5), 5000), 'greeting certain @2');
});

test('a stream whose first segment was never captured is taken up after the hole', () => {
  const lab = new Lab();
  lab.tcp(C, P, '', 99, TCP_SYN);
  for (let i = 0; i < 7; i++) assert.equal(lab.tcp(C, P, GREETING, 200 + i * GREETING.length), 'none');
  assert.equal(lab.tcp(C, P, GREETING, 277), 'greeting certain @9');
});

test('what a snap length cuts off does not hide what follows, and turns keep the lengths of the wire', () => {
  const seen: string[] = [];
  const eager: Feature = {
    feature: 'eager',
    transport: TCP,
    trigger: { kind: 'always', because: 'the test looks at everything' },
    inspect({ bytes, start, segmentAt, end, fromStart, turns }) {
      const text = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
      seen.push(`${fromStart} ${turns.count} turns, ${turns.lengthBytes(turns.count - 1)} bytes: ${text(start, segmentAt)}|${text(segmentAt, end)}`);
      return MORE;
    },
  };
  const lab = new Lab({ protocols: [{ ...OTHERS, features: [eager] }] });
  /** Only three bytes of the payload are captured. */
  const cut = (from: string, to: string, payload: string, seq: number, flags = TCP_ACK): string => {
    const [[src = '', srcPort], [dst = '', dstPort]] = [from.split(' '), to.split(' ')];
    const whole = buildTcp({ src, dst, srcPort: Number(srcPort), dstPort: Number(dstPort), seq, flags, payload: ascii(payload) });
    return lab.feed(whole.subarray(0, whole.length - Math.max(0, payload.length - 3)));
  };
  cut(C, P, '', 99, TCP_SYN);
  cut(P, C, '', 499, TCP_SYN | TCP_ACK);
  cut(C, P, 'opening', 100);
  cut(P, C, 'answer', 500);
  cut(C, P, 'third', 107);
  cut(C, P, 'opening', 100); // sent again
  cut(C, P, 'go', 112);
  cut(C, P, 'on', 114);
  assert.deepEqual(seen, [
    'true 1 turns, 7 bytes: |ope',
    'true 2 turns, 6 bytes: |ans',
    'true 3 turns, 5 bytes: ope|thi',
    'true 3 turns, 7 bytes: opethi|go',
    'true 3 turns, 9 bytes: opethigo|on',
  ]);
});

test('peers are not read across what a snap length cut off', () => {
  const LIST = ascii('LIST');
  const list: Feature = {
    feature: 'list',
    transport: TCP,
    trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: LIST }] },
    inspect: (input) => (input.end - input.start < LIST.length + 6 ? MORE : match('certain', 'list')),
    harvest(input, sink) {
      for (let at = input.start + LIST.length; at + 6 <= input.end; at += 6) sink.toldIpv4(input.bytes, at, u16(input.bytes, at + 4));
      return true;
    },
  };
  for (const [cutBytes, told] of [[0, 2], [3, 0]] as const) {
    const lab = new Lab({ protocols: [{ ...OTHERS, features: [list] }] });
    const segment = (payload: Uint8Array, seq: number): Uint8Array => buildTcp({ src: CLIENT, dst: STRANGER, srcPort: 40000, dstPort: 7000, seq, flags: TCP_ACK, payload });
    const first = segment(concat(LIST, Uint8Array.of(198, 51, 100, 7, 23)), 100);
    lab.feed(first.subarray(0, first.length - cutBytes));
    lab.feed(segment(Uint8Array.of(112, 198, 51, 100, 8, 23, 112), 109));
    assert.equal(lab.identifier.endpoints.toldCount, told, `${cutBytes} bytes cut`);
  }
});

test('a feature that wants more bytes gets them, as long as the budget lasts', () => {
  const lab = new Lab();
  const text = `WAIT${'.'.repeat(32)}DONE`;
  for (let at = 0; at < 39; at += 3) assert.equal(lab.tcp(C, P, text.slice(at, at + 3), 100 + at), 'none');
  assert.equal(lab.tcp(C, P, text.slice(39), 139), 'late certain @14');
});

test('64 KiB without a word of the other side: what a silent one is told in bulk is looked at no longer', () => {
  const bulk = (lab: Lab, has: { syn: boolean; answer: boolean; hole: boolean }): boolean => {
    if (has.syn) lab.tcp(C, P, '', 99, TCP_SYN);
    for (let at = 0; at < 72_000; at += 3000) {
      if (has.hole && at === 3000) continue;
      lab.tcp(C, P, 'x'.repeat(3000), 100 + at);
      if (has.answer && at === 0) lab.tcp(P, C, 'W', 500);
    }
    return lab.identifier.isDone(0);
  };
  assert.equal(bulk(new Lab({ protocols: [WAITS] }), { syn: true, answer: false, hole: false }), true);
  assert.equal(bulk(new Lab({ protocols: [WAITS] }), { syn: false, answer: false, hole: false }), false, 'from the middle');
  assert.equal(bulk(new Lab({ protocols: [WAITS] }), { syn: true, answer: true, hole: false }), false, 'a dialogue');
  assert.equal(bulk(new Lab({ protocols: [WAITS] }), { syn: true, answer: false, hole: true }), false, 'a number far ahead proves nothing');
  const answered = new Lab();
  answered.tcp(C, P, '', 99, TCP_SYN);
  for (let at = 0; at < 60_000; at += 3000) answered.tcp(C, P, 'x'.repeat(3000), 100 + at);
  assert.match(answered.tcp(P, C, GREETING, 500), /greeting certain/, 'an answer in time is heard');
});

test('protocols change under live flows: new ones see the stream from its start, and decided flows keep their finding', () => {
  const lab = new Lab();
  const own: Feature = {
    feature: 'own',
    transport: TCP,
    trigger: { kind: 'always', because: 'a script' },
    inspect: (input) => (hasAt(input.bytes, input.start, input.end, ascii('WAIT for me')) ? match('certain', 'own') : MORE),
  };
  const mine: Protocol = { id: 'mine', title: 'Mine', category: 'file-sharing', specs: [], features: [own] };
  lab.tcp(C, P, 'WAIT', 100);
  lab.identifier.setProtocols([SWARM, mine]);
  assert.equal(lab.tcp(C, P, ' for me', 104), 'own certain @2');
  lab.identifier.setProtocols([SWARM, { ...mine, features: [] }]);
  assert.equal(lab.tcp(C, P, ' and more', 111), 'own certain @2');
  // Nor does memory of its endpoints name anything.
  assert.equal(lab.tcp(`${CLIENT} 40001`, P, 'WAIT for me', 100), 'none');
  // Waiting for more when the feature goes: nobody is asked any more, nothing breaks.
  lab.identifier.setProtocols([SWARM, mine]);
  assert.equal(lab.tcp(`${CLIENT} 40002`, `${STRANGER} 6000`, 'WA', 100), 'none');
  lab.identifier.setProtocols([SWARM]);
  assert.equal(lab.tcp(`${CLIENT} 40002`, `${STRANGER} 6000`, 'IT for me', 102), 'none');
});

test('sequence numbers wrap', () => {
  const lab = new Lab();
  lab.tcp(C, P, '', 0xfffffffb, TCP_SYN);
  lab.tcp(C, P, GREETING.subarray(0, 6), 0xfffffffc);
  assert.equal(lab.tcp(C, P, GREETING.subarray(6), 2), 'greeting certain @3');
});

test('an endpoint named to a client is known in the first packet of its next connection, for that client only', () => {
  const lab = new Lab();
  assert.equal(lab.udp(`${STRANGER} 7000`, `${CLIENT} 7001`, namesPeer), 'peers certain @1');
  assert.equal(lab.tcp(C, P, '', 1, TCP_SYN), 'known-peer certain @1');
  assert.equal(lab.tcp('10.0.0.2 40000', P, '', 1, TCP_SYN), 'none');
  assert.equal(lab.tcp(C, `${PEER} 6001`, '', 1, TCP_SYN), 'none');
});

test('memory ages by the packets clock', () => {
  const lab = new Lab({ peers: { ageMs: 60_000 } });
  lab.udp(`${STRANGER} 7000`, `${CLIENT} 7001`, namesPeer);
  lab.after(61_000);
  assert.equal(lab.tcp(C, P, '', 1, TCP_SYN), 'none');
});

test('an ordinary protocol to a named endpoint is not called P2P', () => {
  const lab = new Lab();
  lab.udp(`${STRANGER} 7000`, `${CLIENT} 7001`, namesPeer);
  assert.equal(lab.tcp(C, P, '', 99, TCP_SYN), 'known-peer certain @1');
  assert.equal(lab.tcp(C, P, 'GET / HTTP/1.1\r\nHost: example.org\r\n\r\n', 100), 'none');
  lab.identifier.finish();
  assert.deepEqual(lab.ended, ['peers certain end-of-input', 'none end-of-input']);
});

test('a service port is not known by hearsay', () => {
  const lab = new Lab();
  const namesWeb = concat(PEERS, Uint8Array.of(198, 51, 100, 7, 443 >> 8, 443 & 0xff));
  lab.udp(`${STRANGER} 7000`, `${CLIENT} 7001`, namesWeb);
  assert.equal(lab.tcp(C, `${PEER} 443`, '', 1, TCP_SYN), 'none');
  assert.equal(lab.tcp(C, `${PEER} 443`, Uint8Array.of(0xee, 1, 2, 3), 2), 'shape certain @2', 'but a sign in the content is enough');
});

test('a weak sign is suspected, likely on a host that speaks the protocol, certain to a known endpoint', () => {
  const sign = Uint8Array.of(0xee, 1, 2, 3);
  assert.equal(new Lab().tcp(C, P, sign, 1), 'shape suspected @1');
  const host = new Lab();
  host.tcp(`${CLIENT} 40001`, `${STRANGER} 9000`, GREETING, 1);
  assert.equal(host.tcp(C, P, sign, 1), 'shape likely @1');
  const endpoint = new Lab();
  endpoint.tcp(`${CLIENT} 40001`, P, GREETING, 1);
  assert.equal(endpoint.tcp(C, P, sign, 1), 'shape certain @1');
});

test('what is learnt after a flow began names it when it ends', () => {
  const lab = new Lab();
  assert.equal(lab.tcp(C, P, Uint8Array.of(0xaa, 1, 2), 1), 'none');
  lab.udp(`${STRANGER} 7000`, `${CLIENT} 7001`, namesPeer);
  lab.identifier.finish();
  assert.deepEqual(lab.ended, ['known-peer certain end-of-input', 'peers certain end-of-input']);
});

test('multicast names endpoints to everybody, and a group is never a peer', () => {
  const lab = new Lab();
  lab.udp('10.0.0.9 7000', '239.1.2.3 7000', namesPeer);
  assert.equal(lab.tcp(C, P, '', 1, TCP_SYN), 'known-peer certain @1');
  assert.equal(lab.udp('10.0.0.1 5000', '239.1.2.3 7000', ascii('xxxx')), 'none');
});

test('a new connection on the same ports starts from nothing', () => {
  const lab = new Lab({ protocols: [{ ...SWARM, features: [greeting] }] });
  const client = `${CLIENT} 500`;
  lab.tcp(client, `${PEER} 600`, '', 99, TCP_SYN);
  lab.tcp(client, `${PEER} 600`, GREETING, 100);
  lab.tcp(client, `${PEER} 600`, '', 111, TCP_RST);
  assert.equal(lab.tcp(client, `${PEER} 600`, '', 99, TCP_SYN), 'none');
  assert.deepEqual(lab.ended, ['greeting certain port-reuse']);
});

test('too many undecided flows: the oldest gives up, and is counted', () => {
  const lab = new Lab({ maxUndecided: 2 });
  for (let i = 0; i < 5; i++) lab.udp(`10.0.1.${i} 5000`, P, ascii('zz'));
  assert.equal(lab.identifier.evictedStates, 3);
  assert.equal(lab.udp('10.0.1.0 5000', P, PEERS), 'none', 'a flow that gave up is not inspected again');
  assert.equal(lab.udp('10.0.1.4 5000', P, PEERS), 'peers certain @2');
});

test('of two suspicions the one that rests on more of the flow stands, whenever it comes', () => {
  for (const segments of [['\xee123', '4567', '89'], ['\xee1234567', '89']]) {
    const lab = new Lab({ protocols: [SWARM, OTHERS] });
    lab.tcp(C, P, '', 99, TCP_SYN);
    let seq = 100;
    let found = '';
    for (const segment of segments) {
      found = lab.tcp(C, P, Uint8Array.from(segment, (letter) => letter.charCodeAt(0)), seq);
      seq += segment.length;
    }
    assert.match(found, /^fuller suspected/);
  }
});

test('other protocols and later fragments have no flow', () => {
  const lab = new Lab();
  const view = new PacketView();
  const bytes = buildUdp({ src: CLIENT, dst: PEER, srcPort: 1, dstPort: 2, payload: new Uint8Array(64), fragment: { offsetBytes: 64, isLast: true, id: 1 } });
  assert.equal(decodeIp(view, bytes, 0, bytes.length), 'fragment');
  assert.equal(lab.identifier.packet(view), -1);
  assert.equal(lab.identifier.otherPackets, 1);
});

test('any split, order and repetition of a stream gives the finding of the whole stream', () => {
  const stream = concat(ascii(`WAIT${'.'.repeat(32)}DONE`), new Uint8Array(20));
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: stream.length - 1 }), { maxLength: 6 }), fc.infiniteStream(fc.nat()), (cuts, choices) => {
      const bounds = [0, ...cuts.sort((a, b) => a - b), stream.length];
      const segments = bounds.slice(0, -1).map((from, i) => ({ from, to: bounds[i + 1] ?? stream.length }));
      const lab = new Lab();
      lab.tcp(C, P, '', 99, TCP_SYN);
      const order = segments.map((segment) => ({ segment, key: choices.next().value ?? 0 })).sort((a, b) => a.key - b.key);
      for (const { segment } of [...order, ...order]) lab.tcp(C, P, stream.slice(segment.from, segment.to), 100 + segment.from);
      lab.identifier.finish();
      assert.deepEqual(lab.ended, ['late certain end-of-input']);
    }),
    { numRuns: 200 },
  );
});

test('features without anchors, where an everyday protocol parses and where it only may', () => {
  const asked: string[] = [];
  const always = (feature: string, more: { readonly inEveryday?: true }): Feature => ({
    feature,
    transport: TCP,
    trigger: { kind: 'always', because: 'the test counts calls', ...more },
    inspect() {
      asked.push(feature);
      return MORE;
    },
  });
  /** Makes the identifier parse HTTP. */
  const http: Feature = { feature: 'http', transport: TCP, trigger: { kind: 'facet', facet: 'http' }, inspect: () => MORE };
  const protocols: readonly Protocol[] = [{ ...OTHERS, features: [http, always('bare', {}), always('script', { inEveryday: true })] }];
  const askedOf = (...segments: string[]): string => {
    asked.length = 0;
    const identifier = new Identifier({ protocols });
    const view = new PacketView();
    let seq = 1;
    const packets = [buildTcp({ src: CLIENT, dst: PEER, srcPort: 2000, dstPort: 80, seq: 0, flags: TCP_SYN })];
    for (const text of segments) {
      packets.push(buildTcp({ src: CLIENT, dst: PEER, srcPort: 2000, dstPort: 80, seq, flags: TCP_ACK, payload: ascii(text) }));
      seq += text.length;
    }
    for (const bytes of packets) {
      decodeIp(view, bytes, 0, bytes.length);
      identifier.packet(view);
    }
    return asked.join(' ');
  };
  assert.equal(askedOf('GET /index.html HTTP/1.1\r\nHost: a.example\r\n\r\n'), 'script');
  assert.equal(askedOf('\u0001 nothing that is known'), 'bare script');
  // Eight letters could begin a request, or be the first bytes of anything.
  assert.equal(askedOf('QWERTYUI', '\u0001 random'), 'bare script bare script');
});
