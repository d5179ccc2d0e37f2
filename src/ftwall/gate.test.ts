import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../base/bytes.js';
import { buildTransferRequest, buildTransferResponse } from '../fasttrack/transfer.js';
import { buildPing, buildPong } from '../fasttrack/udp.js';
import { buildTcp, buildUdp } from '../wire/build.js';
import { TCP_ACK, TCP_SYN } from '../wire/constants.js';
import { decodeIp } from '../wire/decode.js';
import { PacketView } from '../wire/packet-view.js';
import type { Action } from './actions.js';
import { Gate, type Place } from './gate.js';
import { ContainmentMachine, type ContainmentOptions } from './containment-machine.js';

const CLIENT = '10.1.0.2';
const PEER = '198.51.100.7';
const FIELDS = { userName: 't', network: 'KaZaA', ownEndpoint: '10.1.0.2:1214', supernode: '203.0.113.9:3128' };
const REQUEST = buildTransferRequest('8e0cda92da564448da5ec5070f3231907abac2a6', '198.51.100.7:1214', FIELDS, 0, 99);

class Scene {
  readonly machine: ContainmentMachine;
  readonly gate: Gate;
  actions: Action[] = [];

  constructor(options: ContainmentOptions = {}) {
    this.machine = new ContainmentMachine(options);
    this.gate = new Gate(this.machine);
  }
  give(place: Place, packet: Uint8Array): string {
    const view = new PacketView();
    assert.equal(decodeIp(view, packet, 0, packet.length), 'ok');
    this.actions = [];
    this.gate.packet(1000, view, place, this.actions);
    const verdict = this.actions[0];
    assert.equal(verdict?.kind, 'verdict', 'a verdict comes first');
    assert.equal(this.actions.filter((action) => action.kind === 'verdict').length, 1);
    return verdict?.kind === 'verdict' ? `${verdict.verdict} ${verdict.reason}` : '';
  }
  udp(place: Place, payload: Uint8Array, ports: [number, number] = [1214, 3128], src = CLIENT, dst = PEER): string {
    return this.give(place, buildUdp({ src, dst, srcPort: ports[0], dstPort: ports[1], payload }));
  }
  /** A segment from the client (or, `back`, to it); offsets count from the first data byte. */
  tcp(payload: Uint8Array, options: { seq?: number; back?: boolean; flags?: number; port?: number } = {}): string {
    const { seq = 0, back = false, flags = TCP_ACK, port = 1214 } = options;
    const ends = back ? { src: PEER, dst: CLIENT, srcPort: port, dstPort: 40000 } : { src: CLIENT, dst: PEER, srcPort: 40000, dstPort: port };
    const base = back ? 9001 : 5001;
    return this.give(back ? 'to-inside' : 'from-inside', buildTcp({ ...ends, seq: base + seq, ack: back ? 5001 : 9001, flags, payload }));
  }
}

test('each place and kind of packet becomes its event', () => {
  const scene = new Scene({ observesUdp: true });
  assert.equal(scene.udp('from-inside', buildPing('KaZaA')), 'accept ping-observed');
  assert.equal(scene.udp('to-inside', buildPong('KaZaA'), [3128, 1214], PEER, CLIENT), 'accept pong');
  assert.equal(scene.udp('from-inside', ascii('x')), 'accept not-fasttrack');
  assert.equal(scene.udp('to-wall', buildPong('KaZaA'), [1214, 9], CLIENT, '10.1.0.1'), 'accept not-fasttrack');
  assert.equal(scene.tcp(new Uint8Array(0), { flags: TCP_SYN, seq: -1, port: 3128 }), 'drop known-peer');
  assert.equal(scene.tcp(new Uint8Array(0), { flags: TCP_SYN | TCP_ACK, back: true }), 'accept nothing-known');
  assert.equal(scene.tcp(new Uint8Array(0)), 'accept nothing-known');
});

test('a transfer head is found in segments of any size and order, and stays dropped', () => {
  for (const size of [1, 7, 50, 100, REQUEST.length]) {
    const scene = new Scene();
    scene.tcp(new Uint8Array(0), { flags: TCP_SYN, seq: -1 });
    const verdicts: string[] = [];
    for (let at = 0; at < REQUEST.length; at += size) verdicts.push(scene.tcp(REQUEST.subarray(at, at + size), { seq: at }));
    assert.ok(verdicts.includes('drop transfer'), `segments of ${size}`);
    assert.equal(verdicts.at(-1), 'drop transfer');
    assert.equal(scene.tcp(REQUEST, { seq: 0 }), 'drop transfer', 'sent again');
  }
  const scene = new Scene();
  scene.tcp(new Uint8Array(0), { flags: TCP_SYN, seq: -1 });
  const middle = 60;
  assert.equal(scene.tcp(REQUEST.subarray(middle), { seq: middle }), 'accept nothing-known');
  assert.equal(scene.tcp(REQUEST.subarray(0, middle)), 'drop transfer', 'the second half came first');
});

test('an answer in the protocol is found although the request was plain', () => {
  const scene = new Scene();
  scene.tcp(ascii('GET /12/a.mp3 HTTP/1.1\r\nHost: a\r\n\r\n'));
  const response = buildTransferResponse(FIELDS, 0, 9, 10);
  assert.equal(scene.tcp(response.subarray(0, 30), { back: true }), 'accept nothing-known');
  assert.equal(scene.tcp(response.subarray(30), { back: true, seq: 30 }), 'drop transfer');
  assert.ok(scene.machine.peers.find(CLIENT, PEER, 1214)?.isConfirmed);
});

test('ordinary streams are let go after their first words, and a new SYN starts anew', () => {
  const scene = new Scene();
  assert.equal(scene.tcp(ascii('SSH-2.0-OpenSSH_9.2\r\n')), 'accept nothing-known');
  assert.equal(scene.tcp(REQUEST, { seq: 21 }), 'accept nothing-known', 'this direction is settled');
  scene.tcp(new Uint8Array(0), { flags: TCP_SYN, seq: -1 });
  assert.equal(scene.tcp(REQUEST), 'drop transfer');
});

test('DNS answers over UDP and TCP, from outside and from the wall itself', () => {
  const name = concat(fromHex('02'), ascii('c1'), fromHex('05'), ascii('winmx'), fromHex('03'), ascii('com'), fromHex('00'));
  const answer = concat(fromHex('1234 8180 0001 0001 0000 0000'), name, fromHex('0001 0001 c00c 0001 0001 0000012c 0004 c0000221'));
  const names = [{ name: 'winmx.com', matchesSubdomains: true, label: '' }];
  const blocked = (scene: Scene): boolean => scene.actions.some((action) => action.kind === 'block' && action.address === '192.0.2.33');
  for (const place of ['to-inside', 'from-wall'] as const) {
    const scene = new Scene({ names });
    assert.equal(scene.udp(place, answer, [53, 5353], '10.1.0.1', CLIENT), 'accept nothing-known');
    assert.ok(blocked(scene), place);
  }
  const overTcp = new Scene({ names });
  const framed = concat(Uint8Array.of(0, answer.length), answer);
  overTcp.tcp(framed.subarray(0, 10), { back: true, port: 53 });
  assert.ok(!blocked(overTcp));
  overTcp.tcp(framed.subarray(10), { back: true, port: 53, seq: 10 });
  assert.ok(blocked(overTcp));

  // RFC 7766 section 6.2.1.1: several questions may share a connection.
  const other = concat(fromHex('1233 8180 0001 0000 0000 0000 03'), ascii('www'), fromHex('00 0001 0001'));
  const both = concat(Uint8Array.of(0, other.length), other, framed);
  for (const cut of [both.length, other.length + 2, 7]) {
    const pipelined = new Scene({ names });
    pipelined.tcp(both.subarray(0, cut), { back: true, port: 53 });
    if (cut < both.length) {
      assert.ok(!blocked(pipelined));
      pipelined.tcp(both.subarray(cut), { back: true, port: 53, seq: cut });
    }
    assert.ok(blocked(pipelined), `the second answer, cut at ${cut}`);
  }
});

test('any packets in any place get one verdict; streams stay bounded', () => {
  const scene = new Scene();
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom<Place>('from-inside', 'to-inside', 'to-wall', 'from-wall'),
      fc.integer({ min: 1, max: 0xffff }),
      fc.boolean(),
      fc.integer({ min: 0, max: 255 }),
      (payload, place, port, isTcp, flags) => {
        const ends = { src: CLIENT, dst: PEER, srcPort: port, dstPort: flags % 2 ? 53 : 80 };
        scene.give(place, isTcp ? buildTcp({ ...ends, flags, payload }) : buildUdp({ ...ends, payload }));
      },
    ),
    { numRuns: 300 },
  );
  for (let port = 1; port <= 5000; port++) scene.give('from-inside', buildTcp({ src: CLIENT, dst: PEER, srcPort: port, dstPort: 80, flags: TCP_SYN }));
  assert.equal(scene.gate.streamCount, 4096);
});
