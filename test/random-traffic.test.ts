/**
 * Encrypted traffic that is not peer-to-peer, in numbers: tunnels, calls, games and framed protocols whose
 * bytes are random. None is `certain` or `likely`, at an ordinary host; and at a host that speaks BitTorrent and
 * eDonkey beside it no tunnel is either. How many are `suspected` is bounded, so that a shape that is widened shows.
 * Seeds are fixed: a failure repeats. The second tier (`script/test --all`) makes twenty times as many.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, fromHex, putU16, putU32 } from '../src/base/bytes.js';
import { PROTOCOLS } from '../src/detect/registry.js';
import { Identifier } from '../src/engine/identifier.js';
import { buildTcp, buildUdp } from '../src/wire/build.js';
import { TCP_ACK, TCP_SYN } from '../src/wire/constants.js';
import { decodeIp } from '../src/wire/decode.js';
import { PacketView } from '../src/wire/packet-view.js';

/** Mulberry32: fast, and the same everywhere. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
const next = numbers(20_261_122);
const within = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
const random = (least: number, most = least): Uint8Array => Uint8Array.from({ length: within(least, most) }, () => next() * 256);
const times = (count: number, make: (index: number) => Uint8Array): Uint8Array[] => Array.from({ length: count }, (_, index) => make(index));
const big16 = (value: number): Uint8Array => { const bytes = new Uint8Array(2); putU16(bytes, 0, value); return bytes; };
const big32 = (value: number): Uint8Array => { const bytes = new Uint8Array(4); putU32(bytes, 0, value); return bytes; };
const little32 = (value: number): Uint8Array => big32(value).reverse();
/** A body with its length in front. */
const counted = (lengthOf: (count: number) => Uint8Array, body: Uint8Array): Uint8Array => concat(lengthOf(body.length), body);

/** Messages of a dialogue, the client's first, in turns. `mostSuspected`: per 1,000 flows at an ordinary host, for any protocol. */
interface Kind {
  readonly name: string;
  readonly transport: 'tcp' | 'udp';
  readonly mostSuspected: number;
  readonly make: () => Uint8Array[];
}
const kinds: readonly Kind[] = [
  // The shape of MSE needs both first bursts of 96 to 608 bytes: tunnels have it by chance only, but often.
  { name: 'Shadowsocks AEAD: salt, length with tag, payload with tag', transport: 'tcp', mostSuspected: 290, make: () => [random(16 + 34 + 7, 16 + 34 + 640), random(16 + 34, 1460), random(34, 700), random(34, 1460)] },
  { name: 'Shadowsocks 2022', transport: 'tcp', mostSuspected: 450, make: () => [random(32 + 27 + 60, 32 + 27 + 560), random(32 + 60, 1460), random(50, 250), random(34, 1460)] },
  { name: 'Shadowsocks stream ciphers', transport: 'tcp', mostSuspected: 20, make: () => [random(23, 46), random(26, 1416), random(1, 400), random(1, 1400)] },
  { name: 'VMess', transport: 'tcp', mostSuspected: 400, make: () => [random(60, 400), random(40, 1400), random(20, 400), random(20, 1400)] },
  { name: 'obfs4: paddings of up to 8 KiB', transport: 'tcp', mostSuspected: 20, make: () => [random(141, 8192), random(96, 8192), random(21, 1448), random(21, 1448)] },
  { name: 'random streams', transport: 'tcp', mostSuspected: 200, make: () => times(8, () => random(1, 1400)) },
  { name: 'random first segments', transport: 'tcp', mostSuspected: 1, make: () => [random(1, 1400)] },
  { name: 'frames with a length of 32 bits', transport: 'tcp', mostSuspected: 60, make: () => times(10, () => counted(big32, random(1, 200))) },
  { name: 'frames with a little-endian length', transport: 'tcp', mostSuspected: 60, make: () => times(10, () => counted(little32, random(1, 700))) },
  { name: 'type, version and a length of 24 bits (Diameter)', transport: 'tcp', mostSuspected: 1, make: () => times(4, () => counted((count) => concat(Uint8Array.of(1), big32(count + 4).subarray(1)), random(96, 500))) },
  { name: 'OpenVPN', transport: 'tcp', mostSuspected: 1, make: () => times(8, (i) => counted(big16, concat(Uint8Array.of(i < 2 ? 0x38 + 8 * i : 0x48), random(13, 1200)))) },
  { name: 'datagrams of any length', transport: 'udp', mostSuspected: 1, make: () => times(14, () => random(1, 1400)) },
  { name: 'short datagrams', transport: 'udp', mostSuspected: 2, make: () => times(14, () => random(1, 100)) },
  { name: 'single datagrams', transport: 'udp', mostSuspected: 1, make: () => [random(1, 64)] },
  { name: 'QUIC picked up in the middle', transport: 'udp', mostSuspected: 1, make: () => times(10, () => concat(Uint8Array.of(within(0x40, 0x7f)), random(25, 1200))) },
  { name: 'WireGuard', transport: 'udp', mostSuspected: 1, make: () => times(10, (i) => concat(Uint8Array.of(Math.min(i + 1, 4), 0, 0, 0), random(28 + 16 * within(1, 80)))) },
  { name: 'OpenVPN', transport: 'udp', mostSuspected: 1, make: () => times(10, (i) => concat(Uint8Array.of(i < 2 ? 0x38 + 8 * i : 0x48), random(13, 1300))) },
  { name: 'IPsec in UDP', transport: 'udp', mostSuspected: 2, make: () => { const index = random(4); return times(10, (i) => concat(index, big32(i >> 1), random(50, 1300))); } },
  { name: 'SRTP', transport: 'udp', mostSuspected: 1, make: () => { const source = random(4); return times(14, (i) => concat(Uint8Array.of(0x90, 111), big16(within(0, 60_000)), big32(i * 960), source, random(40, 180))); } },
  { name: 'TURN channel data', transport: 'udp', mostSuspected: 1, make: () => times(10, () => counted((count) => concat(Uint8Array.of(0x40, 0x01), big16(count)), random(20, 180))) },
  { name: 'Shadowsocks', transport: 'udp', mostSuspected: 2, make: () => times(8, () => random(60, 600)) },
  // Ordinary protocols that begin with a random number: identifiers, connections, sources.
  { name: 'questions to DNS, names of 1 to 30 bytes', transport: 'udp', mostSuspected: 1, make: () => times(3, () => concat(random(2), fromHex('0100 0001 0000 0000 0000'), label(1, 30), fromHex('00 0001 0001'))) },
  { name: 'ENet (games)', transport: 'udp', mostSuspected: 2, make: () => { const peer = random(2); return times(10, (i) => concat(peer, random(2), Uint8Array.of(0x86, 0xff), big16(i), random(4, 60))); } },
  { name: 'KCP (games)', transport: 'udp', mostSuspected: 2, make: () => { const conversation = random(4); return times(10, (i) => concat(conversation, Uint8Array.of(81 + (i & 3), 0, 128, 0), little32(i * 10), little32(i), little32(i), counted(little32, random(0, 300)))); } },
  { name: 'remote procedure calls', transport: 'udp', mostSuspected: 1, make: () => { const call = random(4); return times(6, (i) => concat(call, big32(i & 1), big32(2), big32(100_003), big32(3), big32(1), random(8, 120))); } },
  { name: 'small numbers, big-endian', transport: 'udp', mostSuspected: 40, make: () => times(10, (i) => concat(big32(within(0, 4)), big32(i), big32(within(0, 4000)), big32(within(0, 99)), big32(within(0, 99)), random(0, 60))) },
  { name: 'zeros', transport: 'udp', mostSuspected: 1, make: () => times(6, () => new Uint8Array(within(1, 100))) },
  { name: 'Modbus', transport: 'tcp', mostSuspected: 1, make: () => times(6, () => concat(random(2), fromHex('0000 0006 01 03'), big16(within(0, 99)), big16(within(1, 20)))) },
  { name: 'logins of two strings with little-endian lengths', transport: 'tcp', mostSuspected: 10, make: () => times(6, () => counted(little32, concat(little32(within(0, 5)), counted(little32, label(3, 20)), counted(little32, label(3, 20)), little32(within(0, 99))))) },
  { name: 'KCP behind a byte 01 (Mirror, games)', transport: 'udp', mostSuspected: 2, make: () => times(12, (i) => concat(fromHex('01 00000000'), Uint8Array.of(81 + (next() < 0.5 ? 0 : 1), 0, 128, 0), little32(i * 30), little32(i), little32(i), counted(little32, random(0, 300)))) },
  { name: 'Photon (games): a number of the connection, a clock, commands, all with numbers of eDonkey opcodes', transport: 'udp', mostSuspected: 200, make: () => { const peer = concat(Uint8Array.of(0xe3, 0x90 + 2 * within(0, 5)), Uint8Array.of(0, within(1, 3))); return times(10, (i) => concat(peer, big32(i * 50), random(4), Uint8Array.of(6, 0, 1, 4), counted((count) => big32(count + 12), random(4, 100)), big32(i))); } },
  { name: 'memcached with the numbers of eDonkey opcodes', transport: 'udp', mostSuspected: 40, make: () => { const request = Uint8Array.of(0xe3, within(0x90, 0xa4)); return times(6, () => concat(request, fromHex('0000 0001 0000'), ascii('get '), label(3, 20))); } },
  { name: 'tables of small 16-bit numbers behind 01 00', transport: 'udp', mostSuspected: 1, make: () => times(10, () => concat(fromHex('0100'), ...times(within(9, 30), () => big16(within(0, 9))))) },
  { name: 'tables of small 32-bit numbers behind a marker of Kad', transport: 'udp', mostSuspected: 20, make: () => times(10, () => concat(Uint8Array.of(0xe4, [0, 0x10, 0x18, 0x21, 0x28, 0x29][within(0, 5)]!), ...times(within(4, 12), () => big32(within(0, 9))))) },
  { name: 'WhatsApp', transport: 'tcp', mostSuspected: 10, make: () => [concat(ascii('WA'), Uint8Array.of(6, 3), counted((count) => big32(count).subarray(1), random(90, 300))), counted((count) => big32(count).subarray(1), random(100, 400)), counted((count) => big32(count).subarray(1), random(50, 400))] },
  { name: 'Tabular Data Stream', transport: 'tcp', mostSuspected: 1, make: () => times(6, (i) => concat(Uint8Array.of(i & 1 ? 4 : 0x12, 1), counted((count) => big16(count + 4), random(92, 500)))) },
  { name: 'length and type of 16 bits', transport: 'tcp', mostSuspected: 1, make: () => times(10, () => counted(big16, concat(big16(within(0, 8)), random(2, 100)))) },
];
/** Letters with their number in front, as in a name. */
function label(least: number, most: number): Uint8Array {
  return counted((count) => Uint8Array.of(count), random(least, most).map((byte) => 0x61 + (byte % 26)));
}

const SCALE = process.env.P2PWALL_TEST_ALL === '1' ? 20 : 1;
const FLOWS = 200 * SCALE;
const PEER_QUESTION = concat(ascii('d1:ad2:id20:'), random(20), ascii('e1:q4:ping1:t2:aa1:y1:qe'));
/** Kad hello: id, TCP port 4662, version 8, no tags. */
const KAD_HELLO = concat(Uint8Array.of(0xe4, 0x11), random(16), Uint8Array.of(0x36, 0x12, 8, 0));

class Network {
  readonly found: string[] = [];
  suspected = 0;
  readonly #view = new PacketView();
  readonly #identifier = new Identifier({
    protocols: PROTOCOLS,
    onFlowEnd: (flow, finding) => {
      if (finding === null || this.#identifier.table.port(flow, 1) === 6881) return;
      if (finding.confidence === 'suspected') this.suspected++;
      else this.found.push(`${finding.protocol.id} ${finding.feature} ${finding.confidence}: ${finding.why}`);
    },
  });
  #timeMs = 1_700_000_000_000;

  #feed(bytes: Uint8Array): void {
    assert.equal(decodeIp(this.#view, bytes, 0, bytes.length), 'ok');
    this.#view.timeMs = this.#timeMs++;
    this.#identifier.packet(this.#view);
  }

  /** The client speaks BitTorrent and eDonkey with somebody. */
  speakPeerToPeer(src: string): void {
    for (const payload of [PEER_QUESTION, KAD_HELLO]) this.#feed(buildUdp({ src, dst: '203.0.113.5', srcPort: 999, dstPort: 6881, payload }));
  }

  flow(src: string, index: number, transport: 'tcp' | 'udp', messages: readonly Uint8Array[]): void {
    const ends = [{ src, dst: `198.51.${index >> 8}.${index & 255}`, srcPort: 20_000 + (index % 40_000), dstPort: 8388 }, { src: `198.51.${index >> 8}.${index & 255}`, dst: src, srcPort: 8388, dstPort: 20_000 + (index % 40_000) }] as const;
    if (transport === 'udp') {
      for (const [i, payload] of messages.entries()) this.#feed(buildUdp({ ...ends[i & 1 ? 1 : 0], payload }));
      return;
    }
    const seq = [1001, 5001];
    this.#feed(buildTcp({ ...ends[0], seq: 1000, flags: TCP_SYN }));
    this.#feed(buildTcp({ ...ends[1], seq: 5000, ack: 1001, flags: TCP_SYN | TCP_ACK }));
    for (const [i, message] of messages.entries()) {
      const from = i & 1 ? 1 : 0;
      for (let at = 0; at < message.length; at += 1448) {
        const payload = message.subarray(at, at + 1448);
        this.#feed(buildTcp({ ...ends[from], seq: seq[from] ?? 0, ack: seq[1 - from] ?? 0, payload }));
        seq[from] = (seq[from] ?? 0) + payload.length;
      }
    }
  }

  end(): void {
    this.#identifier.finish();
  }
}

for (const { name, transport, mostSuspected, make } of kinds) {
  test(`no peer-to-peer: ${name} over ${transport.toUpperCase()}`, (t) => {
    const ordinary = new Network();
    for (let i = 0; i < FLOWS; i++) ordinary.flow(`10.0.${i & 255}.1`, i, transport, make());
    ordinary.end();
    assert.deepEqual(ordinary.found, []);
    const per1000 = (1000 * ordinary.suspected) / FLOWS;
    t.diagnostic(`${FLOWS} flows, ${per1000.toFixed(1)} of 1,000 suspected`);
    // Four standard deviations of the count above the bound.
    assert.ok(ordinary.suspected <= (mostSuspected * FLOWS) / 1000 + 4 * Math.sqrt((mostSuspected * FLOWS) / 1000), `${per1000} of 1,000 are suspected`);
    const mixed = new Network();
    for (let i = 0; i < FLOWS / 4; i++) {
      if (i % 10 === 0) mixed.speakPeerToPeer('10.9.9.9');
      mixed.flow('10.9.9.9', i, transport, make());
    }
    mixed.end();
    assert.deepEqual(mixed.found, [], 'at a host that speaks BitTorrent and eDonkey');
  });
}
