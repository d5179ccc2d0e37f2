/**
 * Containment at the gate, with all real protocols: whatever tells a client of a peer in clear, the client's first packet to
 * that peer is refused, and the pair is handed out for the kernel's set. Who tells is let pass; other clients and other ports too.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { addressText, parseNetwork } from '../base/address.js';
import { ascii, concat, fromHex } from '../base/bytes.js';
import { PROTOCOLS } from '../detect/registry.js';
import { contact, FILE, frame, login } from '../detect/protocols/edonkey/samples.js';
import type { Rule } from '../policy/policy.js';
import { buildTcp, buildUdp } from '../wire/build.js';
import { TCP_ACK, TCP_SYN } from '../wire/constants.js';
import { decodeIp } from '../wire/decode.js';
import { PacketView } from '../wire/packet-view.js';
import { Gate } from './gate.js';

const CLIENT = '10.0.0.1';
const NEIGHBOUR = '10.0.0.2';
const TELLER = '198.51.100.53';
/** Never seen before it is told: port 51413 of 203.0.113.5. */
const PEER = '203.0.113.5';
const PORT = 51_413;
const COMPACT = fromHex('cb007105 c8d5');
/** The same, port in little endian. */
const COMPACT_LE = fromHex('cb007105 d5c8');
const HASH = ascii('h'.repeat(20));
const HELD = `${CLIENT} not to ${PEER} ${PORT}`;

/** Client (>) and teller (<) in turn. */
type Turn = readonly ['>' | '<', Uint8Array];
const text = (from: '>' | '<', content: string): Turn => [from, ascii(content)];
const bytes = (from: '>' | '<', ...parts: (string | Uint8Array)[]): Turn => [from, concat(...parts.map((part) => (typeof part === 'string' ? fromHex(part) : part)))];

/** BEP 3 length prefix. */
function message(...parts: Uint8Array[]): Uint8Array {
  const body = concat(...parts);
  return concat(Uint8Array.of(0, 0, body.length >> 8, body.length & 0xff), body);
}
const handshake = (id: string): Uint8Array => concat(ascii('\x13BitTorrent protocol'), fromHex('0000000000100000'), HASH, ascii(id.padEnd(20, '-')));
const extended = (id: number, dictionary: string, tail: Uint8Array = new Uint8Array(0), end = ''): Uint8Array =>
  message(Uint8Array.of(20, id), ascii(dictionary), tail, ascii(end));

interface Row {
  readonly name: string;
  readonly transport: 'tcp' | 'udp';
  readonly port: number;
  readonly turns: readonly Turn[];
}

const ROWS: readonly Row[] = [
  {
    name: 'BitTorrent: HTTP tracker',
    transport: 'tcp',
    port: 6969,
    turns: [
      text('>', `GET /announce?info_hash=${'%68'.repeat(20)}&peer_id=-XX0001-123456789012&port=6881&uploaded=0&downloaded=0&left=99&compact=1 HTTP/1.1\r\nHost: t.example\r\n\r\n`),
      ['<', concat(ascii('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 33\r\n\r\nd8:intervali1800e5:peers6:'), COMPACT, ascii('e'))],
    ],
  },
  {
    name: 'BitTorrent: UDP tracker',
    transport: 'udp',
    port: 6969,
    turns: [
      bytes('>', '0000041727101980 00000000 01020304'),
      bytes('<', '00000000 01020304 a1a2a3a4a5a6a7a8'),
      bytes('>', 'a1a2a3a4a5a6a7a8 00000001 05060708', HASH, ascii('-XX0001-123456789012'), '0000000000000000 0000000000000063 0000000000000000 00000002 00000000 11223344 ffffffff 1ae1'),
      bytes('<', '00000001 05060708 00000708 00000001 00000002', COMPACT),
    ],
  },
  {
    name: 'BitTorrent: hash table',
    transport: 'udp',
    port: 6881,
    turns: [
      ['>', concat(ascii('d1:ad2:id20:'), ascii('a'.repeat(20)), ascii('9:info_hash20:'), HASH, ascii('e1:q9:get_peers1:t2:aa1:y1:qe'))],
      ['<', concat(ascii('d1:rd2:id20:'), ascii('b'.repeat(20)), ascii('5:token4:tttt6:valuesl6:'), COMPACT, ascii('ee1:t2:aa1:y1:re'))],
    ],
  },
  {
    name: 'BitTorrent: peer exchange',
    transport: 'tcp',
    port: 6881,
    turns: [
      ['>', handshake('-XX0001-')],
      ['<', handshake('-YY0001-')],
      ['>', extended(0, 'd1:md6:ut_pexi1eee')],
      ['<', extended(0, 'd1:md6:ut_pexi2eee')],
      ['<', extended(1, 'd5:added6:', COMPACT, '7:added.f1:\x01e')],
    ],
  },
  {
    name: 'Gnutella: X-Try-Ultrapeers',
    transport: 'tcp',
    port: 6346,
    turns: [
      text('>', 'GNUTELLA CONNECT/0.6\r\nUser-Agent: Shareaza\r\nX-Ultrapeer: False\r\n\r\n'),
      text('<', `GNUTELLA/0.6 503 Full\r\nUser-Agent: LimeWire\r\nX-Try-Ultrapeers: ${PEER}:${PORT}\r\n\r\n`),
    ],
  },
  {
    name: 'Gnutella: pong',
    transport: 'udp',
    port: 6346,
    turns: [
      bytes('>', '8de43102 4929251c ff297df9 e9260403 00 01 00 05000000 c3 82 51 4b 40'),
      bytes('<', '8de43102 4929251c ff297df9 e9260403 01 01 00 0e000000', COMPACT_LE.subarray(4), COMPACT_LE.subarray(0, 4), '0a000000 00100000'),
    ],
  },
  {
    name: 'eDonkey: sources from a server, TCP',
    transport: 'tcp',
    port: 4661,
    turns: [
      ['>', login()],
      ['<', frame(0xe3, 0x40, fromHex('05000010 19000000'))],
      ['>', frame(0xe3, 0x19, FILE, fromHex('40420f00'))],
      ['<', frame(0xe3, 0x42, FILE, Uint8Array.of(1), COMPACT_LE)],
    ],
  },
  {
    name: 'eDonkey: sources from a server, UDP',
    transport: 'udp',
    port: 4665,
    turns: [bytes('>', 'e39a', FILE), bytes('<', 'e39b', FILE, '01', COMPACT_LE)],
  },
  {
    name: 'Kad: contacts',
    transport: 'udp',
    port: 4672,
    turns: [
      bytes('>', 'e421 0b', FILE, FILE.slice().reverse()),
      bytes('<', 'e429', FILE, '01', contact(1).subarray(0, 16), fromHex('057100cb'), COMPACT_LE.subarray(4), COMPACT_LE.subarray(4), '08'),
    ],
  },
];

class Lab {
  readonly held: string[] = [];
  readonly #view = new PacketView();
  readonly #gate: Gate;
  #timeMs = Date.UTC(2023, 10, 13, 12);

  constructor(rules: readonly Partial<Rule>[]) {
    const any: Omit<Rule, 'name' | 'action'> = { protocols: null, confidence: 'likely', clients: [], exceptClients: [], macs: [], outside: [], exceptOutside: [], schedule: null };
    const whole = rules.map((rule, i): Rule => ({ ...any, name: String(i), action: { kind: 'contain', holdMs: 60_000 }, ...rule }));
    const show = (address: Uint8Array): string => addressText(address, 0, address.length);
    this.#gate = new Gate(
      { protocols: PROTOCOLS, policy: { rules: whole, defaultAction: { kind: 'log' }, trouble: 'accept' } },
      { onContain: ({ client, peer, port }) => this.held.push(`${show(client)} not to ${show(peer)} ${port}`) },
    );
  }

  feed(packet: Uint8Array, isFromInside: boolean): string {
    this.#timeMs += 10;
    const status = decodeIp(this.#view, packet, 0, packet.length);
    const verdict = this.#gate.packet(this.#view, status, isFromInside, null, this.#timeMs, this.#timeMs);
    return typeof verdict === 'string' ? verdict : verdict.outcome;
  }

  /** A new connection: what becomes of its first packet. */
  connects(client: string, peer: string, port: number, sourcePort = 40_000): string {
    return this.feed(buildTcp({ src: client, dst: peer, srcPort: sourcePort, dstPort: port, seq: 7, flags: TCP_SYN, payload: new Uint8Array(0) }), true);
  }

  datagram(client: string, peer: string, port: number): string {
    return this.feed(buildUdp({ src: client, dst: peer, srcPort: 6999, dstPort: port, payload: fromHex('21 00 a5 5a') }), true);
  }

  hears({ transport, port, turns }: Row): void {
    const seqs = { '>': 1, '<': 1 };
    const send = (from: '>' | '<', payload: Uint8Array, flags: number): void => {
      const inside = from === '>';
      const [src, dst] = inside ? [CLIENT, TELLER] : [TELLER, CLIENT];
      const [srcPort, dstPort] = inside ? [50_000, port] : [port, 50_000];
      const verdict = this.feed(
        transport === 'udp' ? buildUdp({ src, dst, srcPort, dstPort, payload }) : buildTcp({ src, dst, srcPort, dstPort, seq: seqs[from], flags, payload }),
        inside,
      );
      assert.ok(verdict === 'undecided' || verdict === 'pass', `who tells may pass: ${verdict}`);
      seqs[from] += payload.length + (flags === TCP_ACK ? 0 : 1);
    };
    if (transport === 'tcp') {
      send('>', new Uint8Array(0), TCP_SYN);
      send('<', new Uint8Array(0), TCP_SYN | TCP_ACK);
    }
    for (const [from, payload] of turns) send(from, payload, TCP_ACK);
  }
}

const teller: Partial<Rule> = { outside: [parseNetwork(`${TELLER}/32`) ?? assert.fail()], action: { kind: 'allow' } };

for (const row of ROWS) {
  test(`told by ${row.name}: the first packet to the peer is refused`, () => {
    const lab = new Lab([teller, {}]);
    assert.equal(lab.connects(CLIENT, PEER, PORT), 'undecided', 'before it was told');
    lab.hears(row);
    assert.ok(lab.held.includes(HELD), `${row.name}: ${lab.held.join(', ')}`);
    assert.equal(lab.connects(CLIENT, PEER, PORT, 40_001), 'drop');
    assert.equal(lab.datagram(CLIENT, PEER, PORT), 'drop', 'uTP and all else that runs over UDP');
    assert.equal(lab.connects(CLIENT, PEER, 443, 40_002), 'undecided', 'its web server is nobody of the swarm');
    assert.ok(lab.held.every((held) => held.startsWith(`${CLIENT} `)), 'nobody else is held');
  });

  test(`told by ${row.name}: cut short, it tells nothing wrong`, () => {
    const last = row.turns.at(-1)?.[1] ?? new Uint8Array(0);
    for (let length = 0; length < last.length; length += Math.max(1, Math.floor(last.length / 25))) {
      const lab = new Lab([teller, {}]);
      lab.hears({ ...row, turns: [...row.turns.slice(0, -1), ['<', last.subarray(0, length)]] });
      for (const held of lab.held) assert.ok(held === HELD || held.startsWith(`${CLIENT} not to ${TELLER} `), `${length} bytes: ${held}`);
    }
  });
}

test('a port of the system that is told, by mistake or to do harm, stays open: the web goes on', () => {
  const lab = new Lab([teller, {}]);
  lab.hears({
    name: 'Gnutella',
    transport: 'tcp',
    port: 6346,
    turns: [
      text('>', 'GNUTELLA CONNECT/0.6\r\nUser-Agent: Shareaza\r\nX-Ultrapeer: False\r\n\r\n'),
      text('<', `GNUTELLA/0.6 503 Full\r\nUser-Agent: LimeWire\r\nX-Try-Ultrapeers: ${PEER}:443,${PEER}:${PORT}\r\n\r\n`),
    ],
  });
  assert.ok(lab.held.includes(HELD) && !lab.held.some((held) => held.endsWith(` ${PEER} 443`)), lab.held.join(', '));
  assert.equal(lab.connects(CLIENT, PEER, 443), 'undecided');
});

test('local discovery tells everybody on the link: the first packet of any of them is refused', () => {
  const lab = new Lab([{ protocols: new Set(['file-sharing']) }]);
  const search = ascii(`BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: ${PORT}\r\nInfohash: ${'AB'.repeat(20)}\r\n\r\n\r\n`);
  lab.feed(buildUdp({ src: PEER, dst: '239.192.152.143', srcPort: 6771, dstPort: 6771, payload: search }), false);
  for (const client of [CLIENT, NEIGHBOUR]) {
    assert.equal(lab.connects(client, PEER, PORT), 'drop');
    assert.ok(lab.held.includes(`${client} not to ${PEER} ${PORT}`), lab.held.join(', '));
  }
});

/** An inside host that speaks a protocol to an address which does not: a web server with a port of its own, say. */
function speaksAlone(lab: Lab, transport: 'tcp' | 'udp', opening: Uint8Array): void {
  const ends = { src: CLIENT, dst: PEER, srcPort: 50_000, dstPort: PORT };
  if (transport === 'udp') lab.feed(buildUdp({ ...ends, payload: opening }), true);
  else {
    lab.feed(buildTcp({ ...ends, seq: 1, flags: TCP_SYN, payload: new Uint8Array(0) }), true);
    lab.feed(buildTcp({ src: PEER, dst: CLIENT, srcPort: PORT, dstPort: 50_000, seq: 8, flags: TCP_SYN | TCP_ACK, payload: new Uint8Array(0) }), false);
    lab.feed(buildTcp({ ...ends, seq: 2, flags: TCP_ACK, payload: opening }), true);
  }
}

const OPENINGS: readonly (readonly [name: string, transport: 'tcp' | 'udp', opening: Uint8Array])[] = [
  ['BitTorrent handshake', 'tcp', handshake('-XX0001-')],
  ['Gnutella handshake', 'tcp', ascii('GNUTELLA CONNECT/0.6\r\nUser-Agent: Shareaza\r\nX-Ultrapeer: False\r\n\r\n')],
  ['eDonkey login', 'tcp', login()],
  ['question to the hash table', 'udp', concat(ascii('d1:ad2:id20:'), ascii('a'.repeat(20)), ascii('9:info_hash20:'), HASH, ascii('e1:q9:get_peers1:t2:aa1:y1:qe'))],
  ['Gnutella ping', 'udp', fromHex('8de43102 4929251c ff297df9 e9260403 00 01 00 05000000 c3 82 51 4b 40')],
  ['FastTrack ping', 'udp', concat(fromHex('2700000029 80'), ascii('KaZaA\0'))],
  ['FastTrack session', 'tcp', fromHex('fa00b62bfacb12383209d232')],
];

for (const [name, transport, opening] of OPENINGS) {
  test(`an inside host cannot close a site for others by speaking to it: ${name}`, () => {
    const lab = new Lab([{}]);
    speaksAlone(lab, transport, opening);
    assert.equal(lab.connects(NEIGHBOUR, PEER, PORT), 'undecided');
    assert.ok(lab.held.every((held) => held.startsWith(`${CLIENT} `)), lab.held.join(', '));
  });
}

test('outsiders cannot close an inside server for others by speaking to it, not even two of them', () => {
  const lab = new Lab([{}]);
  const [server, port] = ['10.0.0.80', 8443];
  for (const outsider of ['203.0.113.66', '203.0.113.67']) {
    const ends = { src: outsider, dst: server, srcPort: 50_000, dstPort: port };
    lab.feed(buildTcp({ ...ends, seq: 1, flags: TCP_SYN, payload: new Uint8Array(0) }), false);
    assert.equal(lab.feed(buildTcp({ ...ends, seq: 2, flags: TCP_ACK, payload: handshake('-XX0001-') }), false), 'drop');
  }
  const visitor = buildTcp({ src: '203.0.113.68', dst: server, srcPort: 40_000, dstPort: port, seq: 7, flags: TCP_SYN, payload: new Uint8Array(0) });
  assert.equal(lab.feed(visitor, false), 'undecided');
});

test('a forged sender closes nothing: from outside only who is answered, or answers, is who it says', () => {
  const question = OPENINGS[3]?.[2] ?? assert.fail();
  const toServer = { src: PEER, dst: '10.0.0.80', srcPort: PORT, dstPort: 9999 };
  const forged = new Lab([{}]);
  forged.feed(buildUdp({ ...toServer, payload: question }), false);
  forged.feed(buildTcp({ ...toServer, seq: 5, flags: TCP_ACK, payload: handshake('-XX0001-') }), false);
  assert.equal(forged.connects(NEIGHBOUR, PEER, PORT), 'undecided');

  const isLetPass: Partial<Rule> = { clients: [parseNetwork('10.0.0.80/32') ?? assert.fail()], action: { kind: 'allow' } };
  const genuine = new Lab([isLetPass, {}]);
  genuine.feed(buildUdp({ ...toServer, payload: question }), false);
  genuine.feed(buildUdp({ src: '10.0.0.80', dst: PEER, srcPort: 9999, dstPort: PORT, payload: question }), true);
  assert.equal(genuine.connects(NEIGHBOUR, PEER, PORT), 'undecided');
  genuine.feed(buildUdp({ ...toServer, payload: question }), false);
  assert.equal(genuine.connects(NEIGHBOUR, PEER, PORT, 40_001), 'drop');
});

test('once it answers in the protocol, or a second client speaks to it, a peer is one for all', () => {
  const [, transport, question] = OPENINGS[3] ?? assert.fail();
  const answer = concat(ascii('d1:rd2:id20:'), ascii('b'.repeat(20)), ascii('5:token4:tttte1:t2:aa1:y1:re'));
  const isLetPass: Partial<Rule> = { clients: [parseNetwork(`${CLIENT}/32`) ?? assert.fail()], action: { kind: 'allow' } };
  const answered = new Lab([isLetPass, {}]);
  speaksAlone(answered, transport, question);
  answered.feed(buildUdp({ src: PEER, dst: CLIENT, srcPort: PORT, dstPort: 50_000, payload: ascii('HTTP/1.1 400 Bad Request\r\n\r\n') }), false);
  assert.equal(answered.datagram(NEIGHBOUR, PEER, PORT), 'undecided', 'that was no answer');
  answered.feed(buildUdp({ src: PEER, dst: CLIENT, srcPort: PORT, dstPort: 50_000, payload: answer }), false);
  assert.equal(answered.connects(NEIGHBOUR, PEER, PORT), 'drop');

  const second = new Lab([{}]);
  speaksAlone(second, transport, question);
  second.feed(buildUdp({ src: NEIGHBOUR, dst: PEER, srcPort: 50_000, dstPort: PORT, payload: question }), true);
  assert.equal(second.connects('10.0.0.3', PEER, PORT), 'drop');
});
