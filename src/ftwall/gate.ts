/**
 * Gate: packets that the firewall set aside become events of the containment machine.
 *
 * Decides by where a packet was seen and what it is: pings, pongs, answers to probes, connection requests, the first
 * bytes of streams (put in order here, both directions), DNS answers over UDP and TCP. Pure; borrowed packets are
 * not kept, streams are copied up to `MAX_PREFIX_BYTES` and bounded in number.
 */
import { addressText } from '../base/address.js';
import { u16 } from '../base/bytes.js';
import { MAX_HEAD_BYTES } from '../fasttrack/transfer.js';
import { GrownBuffers, StreamPrefix } from '../flow/stream-prefix.js';
import { IPPROTO_TCP, IPPROTO_UDP, TCP_ACK, TCP_SYN } from '../wire/constants.js';
import type { PacketView } from '../wire/packet-view.js';
import type { Action } from './actions.js';
import { parseDnsAnswer } from './dns-answer.js';
import type { ContainmentMachine } from './containment-machine.js';

/** Where the packet was seen. */
export type Place = 'from-inside' | 'to-inside' | 'to-wall' | 'from-wall';

const DNS_PORT = 53;
const FIRST_BUFFER_BYTES = 512;
const MAX_STREAMS = 4096;

interface Direction {
  /** Null until data comes. */
  prefix: StreamPrefix | null;
  /** Sequence number of the first byte; null until a handshake or the data tell. */
  startSeq: number | null;
  /** Nothing of ours in this direction. */
  isDone: boolean;
}

interface Stream {
  /** From inside, to inside. */
  readonly directions: readonly [Direction, Direction];
  /** Null while more bytes are wanted. */
  verdict: 'accept' | 'drop' | null;
  /** DNS answers read so far, with their lengths. */
  answeredBytes: number;
}

export class Gate {
  readonly #machine: ContainmentMachine;
  /** Oldest first. */
  readonly #streams = new Map<string, Stream>();
  readonly #grown = new GrownBuffers(MAX_HEAD_BYTES);

  constructor(machine: ContainmentMachine) {
    this.#machine = machine;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** Handles one decoded packet (status `ok`); `out` gets the actions, a verdict first. */
  packet(nowMs: number, view: PacketView, place: Place, out: Action[]): void {
    const length = view.ipVersion === 4 ? 4 : 16;
    const isFromInside = place === 'from-inside' || place === 'to-wall';
    const source = addressText(view.bytes, view.sourceAt, length);
    const destination = addressText(view.bytes, view.destinationAt, length);
    const client = isFromInside ? source : destination;
    const clientPort = isFromInside ? view.srcPort : view.dstPort;
    const address = isFromInside ? destination : source;
    const port = isFromInside ? view.dstPort : view.srcPort;
    if (view.protocol === IPPROTO_UDP) this.#datagram(nowMs, view, place, client, clientPort, address, port, out);
    else if (view.protocol !== IPPROTO_TCP) accept(out);
    else if ((view.tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_SYN) {
      if (place === 'from-inside') {
        this.#machine.synFromInside(nowMs, client, address, port, out);
        // RFC 9293 section 3.4: data begins one number after the SYN. A new connection may reuse the ports of an old one.
        this.#newStream(streamKey(client, clientPort, address, port)).directions[0].startSeq = (view.seq + 1) >>> 0;
      } else accept(out);
    } else this.#segment(nowMs, view, isFromInside, client, clientPort, address, port, out);
  }

  #datagram(nowMs: number, view: PacketView, place: Place, client: string, clientPort: number, address: string, port: number, out: Action[]): void {
    const { bytes, payloadAt, end } = view;
    if (place === 'from-inside') this.#machine.udpFromInside(nowMs, client, clientPort, address, port, bytes, payloadAt, end, out);
    else if (place === 'to-wall') this.#machine.udpToWall(nowMs, client, clientPort, bytes, payloadAt, end, out);
    else if (port === DNS_PORT) {
      accept(out);
      const answer = parseDnsAnswer(bytes, payloadAt, end);
      if (answer) this.#machine.dnsAnswer(nowMs, client, answer, out);
    } else if (place === 'to-inside') this.#machine.udpFromOutside(nowMs, client, address, port, bytes, payloadAt, end, out);
    else accept(out);
  }

  #segment(nowMs: number, view: PacketView, isFromInside: boolean, client: string, clientPort: number, address: string, port: number, out: Action[]): void {
    if (view.payloadAt >= view.end) {
      accept(out);
      return;
    }
    const key = streamKey(client, clientPort, address, port);
    const stream = this.#streams.get(key) ?? this.#newStream(key);
    if (stream.verdict === 'drop') out.push({ kind: 'verdict', verdict: 'drop', reason: 'transfer' });
    else if (stream.verdict === 'accept' || stream.directions[isFromInside ? 0 : 1].isDone) accept(out);
    else this.#grow(nowMs, view, stream, isFromInside, client, address, port, out);
  }

  #grow(nowMs: number, view: PacketView, stream: Stream, isFromInside: boolean, client: string, address: string, port: number, out: Action[]): void {
    const own = stream.directions[isFromInside ? 0 : 1];
    const other = stream.directions[isFromInside ? 1 : 0];
    own.startSeq ??= view.seq;
    // What is acknowledged before the other side sent anything is where it starts.
    other.startSeq ??= view.ack;
    own.prefix ??= new StreamPrefix({ bytes: new Uint8Array(FIRST_BUFFER_BYTES), at: 0, sizeBytes: FIRST_BUFFER_BYTES }, this.#grown);
    const { prefix } = own;
    prefix.add(view.bytes, view.payloadAt, view.end, (view.seq - own.startSeq) | 0);
    if (port === DNS_PORT && !isFromInside) {
      this.#dnsOverTcp(nowMs, prefix, client, stream, out);
      return;
    }
    const firstAction = out.length;
    const end = prefix.at + prefix.length;
    const found = this.#machine.streamPrefix(nowMs, client, address, port, isFromInside, prefix.bytes, prefix.at, end, out);
    const verdict = out[firstAction];
    if (verdict?.kind === 'verdict' && verdict.verdict === 'drop') stream.verdict = 'drop';
    else if (found === 'done' || prefix.isFull) {
      own.isDone = true;
      prefix.reset();
      own.prefix = null;
      if (other.isDone) stream.verdict = 'accept';
    }
  }

  #dnsOverTcp(nowMs: number, prefix: StreamPrefix, client: string, stream: Stream, out: Action[]): void {
    accept(out);
    const end = prefix.at + prefix.length;
    for (let at = prefix.at + stream.answeredBytes; at + 2 <= end; at = prefix.at + stream.answeredBytes) {
      const messageEnd = at + 2 + u16(prefix.bytes, at);
      // What does not fit is read as far as it does.
      if (messageEnd > end && !prefix.isFull) return;
      stream.answeredBytes += messageEnd - at;
      const answer = parseDnsAnswer(prefix.bytes, at + 2, Math.min(messageEnd, end));
      if (answer) this.#machine.dnsAnswer(nowMs, client, answer, out);
    }
    if (prefix.isFull) stream.verdict = 'accept';
  }

  #newStream(key: string): Stream {
    if (this.#streams.size >= MAX_STREAMS) {
      const [oldest] = this.#streams.keys();
      if (oldest !== undefined) this.#streams.delete(oldest);
    }
    const direction = (): Direction => ({ prefix: null, startSeq: null, isDone: false });
    const stream: Stream = { directions: [direction(), direction()], verdict: null, answeredBytes: 0 };
    this.#streams.delete(key);
    this.#streams.set(key, stream);
    return stream;
  }
}

function streamKey(client: string, clientPort: number, address: string, port: number): string {
  return `${client} ${clientPort} ${address} ${port}`;
}

function accept(out: Action[]): void {
  out.push({ kind: 'verdict', verdict: 'accept', reason: 'nothing-known' });
}
