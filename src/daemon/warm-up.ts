/**
 * Takes made-up openings of everyday and peer-to-peer protocols through an inspection of its own before the wall stands, so that
 * the first real packets meet compiled code: without it each of the first thousands costs several times as
 * much, and V8 compiles while they wait (bench/gateway.ts). Nothing of it is kept, reported, or leaves the process.
 */
import { ascii, concat } from '../base/bytes.js';
import type { BatchReceiver } from '../kernel/nfqueue.js';
import { QueueRehearsal } from '../kernel/queue-rehearsal.js';
import { buildTcp, buildUdp } from '../wire/build.js';
import { TCP_ACK, TCP_PSH, TCP_SYN } from '../wire/constants.js';

/** Enough for V8 to have compiled what every packet meets; measured by the time of a packet, which falls no further. */
const ROUNDS = 500;
/** Packets taken through together. */
const BATCH = 6;
/** On a slow or busy machine a start shall not wait longer. */
const PATIENCE_MS = 1500;

/** Bytes that look random, the same in each run. */
function noise(lengthBytes: number, seed: number): Uint8Array {
  const out = new Uint8Array(lengthBytes);
  let state = seed | 1;
  for (let i = 0; i < lengthBytes; i++) {
    // xorshift32, G. Marsaglia, 2003.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = state;
  }
  return out;
}

interface Opening {
  readonly port: number;
  /** What the client says first, and what it is answered. */
  readonly says: Uint8Array;
  readonly answer: Uint8Array;
}

const DNS_QUESTION = concat(Uint8Array.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3), ascii('www'), Uint8Array.of(7), ascii('example'), Uint8Array.of(3), ascii('org'), Uint8Array.of(0, 0, 1, 0, 1));

/** Datagrams: DNS, NTP, QUIC (RFC 9000, long header), something like a game, the hash table (BEP 5), uTP (BEP 29). */
const DATAGRAMS: readonly Opening[] = [
  { port: 53, says: DNS_QUESTION, answer: concat(DNS_QUESTION.subarray(0, 2), Uint8Array.of(0x81, 0x80), DNS_QUESTION.subarray(4)) },
  { port: 123, says: concat(Uint8Array.of(0x23), new Uint8Array(47)), answer: concat(Uint8Array.of(0x24), noise(47, 1)) },
  { port: 443, says: concat(Uint8Array.of(0xc3, 0, 0, 0, 1, 8), noise(1194, 2)), answer: concat(Uint8Array.of(0x43), noise(900, 3)) },
  { port: 27_015, says: new Uint8Array(32), answer: noise(64, 4) },
  { port: 6881, says: concat(ascii('d1:ad2:id20:'), noise(20, 5), ascii('e1:q4:ping1:t2:aa1:y1:qe')), answer: concat(ascii('d1:rd2:id20:'), noise(20, 6), ascii('e1:t2:aa1:y1:re')) },
  { port: 40_000, says: concat(Uint8Array.of(0x41, 0), noise(18, 7)), answer: concat(Uint8Array.of(0x21, 0), noise(18, 8)) },
];
/** Streams: TLS, HTTP, SSH, mail, the handshake of BitTorrent (BEP 3), encrypted ones. */
const STREAMS: readonly Opening[] = [
  { port: 443, says: concat(Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3), noise(500, 9)), answer: concat(Uint8Array.of(0x16, 3, 3, 0, 0x7a, 2), noise(1200, 10)) },
  { port: 80, says: ascii('GET / HTTP/1.1\r\nHost: www.example.org\r\nAccept: */*\r\n\r\n'), answer: ascii('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello') },
  { port: 22, says: ascii('SSH-2.0-OpenSSH_9.2\r\n'), answer: ascii('SSH-2.0-OpenSSH_9.2\r\n') },
  { port: 25, says: ascii('EHLO mail.example.org\r\n'), answer: ascii('220 mail.example.org ESMTP\r\n') },
  { port: 51_413, says: concat(Uint8Array.of(19), ascii('BitTorrent protocol'), noise(48, 11)), answer: concat(Uint8Array.of(19), ascii('BitTorrent protocol'), noise(48, 12)) },
  { port: 51_414, says: noise(300, 13), answer: noise(400, 14) },
];

/** Each opening once, between two hosts (RFC 5737, RFC 2544). */
function packetsOfOneRound(): Uint8Array[] {
  const there = { src: '192.0.2.1', dst: '198.18.0.1', srcPort: 20_000 };
  const back = { src: there.dst, dst: there.src, dstPort: there.srcPort };
  return [
    ...DATAGRAMS.flatMap(({ port, says, answer }) => [buildUdp({ ...there, dstPort: port, payload: says }), buildUdp({ ...back, srcPort: port, payload: answer })]),
    ...STREAMS.flatMap(({ port, says, answer }) => [
      buildTcp({ ...there, dstPort: port, seq: 999, flags: TCP_SYN }),
      buildTcp({ ...back, srcPort: port, seq: 4999, ack: 1000, flags: TCP_SYN | TCP_ACK }),
      buildTcp({ ...there, dstPort: port, seq: 1000, ack: 5000, flags: TCP_ACK }),
      buildTcp({ ...there, dstPort: port, seq: 1000, ack: 5000, flags: TCP_ACK | TCP_PSH, payload: says }),
      buildTcp({ ...back, srcPort: port, seq: 5000, ack: 1000 + says.length, flags: TCP_ACK | TCP_PSH, payload: answer }),
    ]),
  ];
}

/** Makes them flows of other hosts, both directions alike; nobody looks at checksums. */
function moveToOtherHosts(packets: readonly Uint8Array[], round: number): void {
  // RFC 791 section 3.1: source at 12, destination at 16. What changes from one number to the next, in the two last bytes of each.
  const change = round ^ (round + 1);
  for (const packet of packets) {
    for (const at of [14, 18]) {
      packet[at] = (packet[at] ?? 0) ^ (change >>> 8);
      packet[at + 1] = (packet[at + 1] ?? 0) ^ change;
    }
  }
}

/** Takes packets through `receiver`, which must be an inspection of its own. Returns how many. Throws SystemError. */
export function warmUp(receiver: BatchReceiver, inInterface: number): number {
  const rehearsal = new QueueRehearsal(receiver);
  const endMs = performance.now() + PATIENCE_MS;
  const packets = packetsOfOneRound();
  let count = 0;
  try {
    for (let round = 0; round < ROUNDS && performance.now() < endMs; round++) {
      for (let i = 0; i < packets.length; i += BATCH) rehearsal.give(packets.slice(i, i + BATCH), inInterface);
      count += packets.length;
      moveToOtherHosts(packets, round);
    }
  } finally {
    rehearsal.close();
  }
  return count;
}
