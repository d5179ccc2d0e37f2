/**
 * The encrypted TCP session of FastTrack, both ends, as pure state machines: bytes in,
 * bytes to send and events out. For simulated clients and supernodes; no timers (the
 * caller has them) and no real peer is needed.
 *
 *   C->S  random 4 | client seed 4 | requested type XOR mask(client seed), 4
 *   S->C  server seed 4 | chosen type XOR mask(server seed), 4 | network name, zero (encrypted)
 *   C->S  network name, zero (encrypted), then frames both ways
 *
 * Server to client is keyed with the server seed, client to server with client seed XOR
 * server seed, both with the type the server chose.
 * Type masks and ciphers exist for few seeds and types (see `type-mask.ts`, `cipher.ts`):
 * where they are missing the session fails with a reason.
 */
import { ascii, concat, latin1, putU32, u32 } from '../base/bytes.js';
import { applyKeyStream, createKeyStream, type KeyStream } from './cipher.js';
import { FrameReader, FrameWriter, type Frame, SESSION_PING, SESSION_PONG } from './framing.js';
import { MAX_NETWORK_NAME_BYTES } from './networks.js';
import { COMMON_CLIENT_RANDOM, COMMON_CLIENT_SEED, maskType } from './type-mask.js';
import { SUPPORTED_TYPE_BITS, TYPE_GIFT } from './udp.js';

export const CLIENT_HELLO_BYTES = 12;
export const SERVER_HELLO_BYTES = 8;

export type SessionEvent =
  | { readonly kind: 'open'; readonly network: string; readonly type: number }
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'failed'; readonly why: string };

/** What to do after a call: bytes for the other side (perhaps none), in order, and what happened. */
export interface SessionStep {
  readonly send: Uint8Array;
  readonly events: readonly SessionEvent[];
}

/** Where key bytes come from; recorded streams stand in for unavailable ciphers in tests. */
export type KeyStreamSource = (seed: number, type: number) => KeyStream | null;

export interface ClientOptions {
  readonly network: string;
  readonly random?: number;
  readonly seed?: number;
  readonly requestedType?: number;
  readonly keyStreams?: KeyStreamSource;
}

export interface SupernodeOptions {
  readonly network: string;
  readonly seed: number;
  /** Type bits offered; 0xBF and 0x29 were usual, 0x09 for both is what a simulator can encrypt. */
  readonly supportedType?: number;
  readonly minimumType?: number;
  readonly keyStreams?: KeyStreamSource;
}

const NOTHING = new Uint8Array(0);

/** The 12 opening bytes; null when the seed's mask is unavailable. */
export function buildClientHello(random: number, seed: number, requestedType: number): Uint8Array | null {
  const masked = maskType(requestedType, seed);
  if (masked === null) return null;
  const out = new Uint8Array(CLIENT_HELLO_BYTES);
  putU32(out, 0, random);
  putU32(out, 4, seed);
  putU32(out, 8, masked);
  return out;
}

/** Everything behind the hellos: names and frames, each direction with its key stream. */
class Channel {
  readonly #incoming: KeyStream;
  readonly #outgoing: KeyStream;
  readonly #type: number;
  readonly #reader = new FrameReader();
  readonly #writer = new FrameWriter();
  #name = '';
  #isOpen = false;

  constructor(incoming: KeyStream, outgoing: KeyStream, type: number) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#type = type;
  }

  encrypt(plain: Uint8Array): Uint8Array {
    return applyKeyStream(this.#outgoing, plain);
  }
  packet(type: number, body: Uint8Array): Uint8Array {
    return this.encrypt(this.#writer.packet(type, body));
  }
  receive(bytes: Uint8Array): SessionEvent[] {
    const plain = applyKeyStream(this.#incoming, bytes);
    const events: SessionEvent[] = [];
    let at = 0;
    for (; at < plain.length && !this.#isOpen; at++) {
      if (plain[at] === 0) {
        this.#isOpen = true;
        events.push({ kind: 'open', network: this.#name, type: this.#type });
      } else if (this.#name.length === MAX_NETWORK_NAME_BYTES) {
        return [{ kind: 'failed', why: 'the network name does not end' }];
      } else {
        this.#name += latin1(plain, at, at + 1);
      }
    }
    for (const frame of this.#reader.read(plain.subarray(at))) events.push({ kind: 'frame', frame });
    if (this.#reader.isBroken) events.push({ kind: 'failed', why: 'a byte starts no frame: the keys differ or data was lost' });
    return events;
  }
}

/** What one side makes of the other's hello: a channel and the bytes to send, or why not. */
type HelloAnswer = { readonly channel: Channel; readonly send: Uint8Array } | { readonly failed: string };

/** One end of a session; see {@link clientSession} and {@link supernodeSession}. */
export class Session {
  readonly #helloBytes: number;
  readonly #answer: (hello: Uint8Array) => HelloAnswer;
  #channel: Channel | null = null;
  #hello: Uint8Array = NOTHING;
  #hasFailed = false;

  constructor(helloBytes: number, answer: (hello: Uint8Array) => HelloAnswer) {
    this.#helloBytes = helloBytes;
    this.#answer = answer;
  }

  /** Reads what the other side sent, in pieces of any size. After a `failed` event it answers nothing more. */
  receive(bytes: Uint8Array): SessionStep {
    if (this.#hasFailed) return { send: NOTHING, events: [] };
    let send: Uint8Array = NOTHING;
    let rest = bytes;
    if (!this.#channel) {
      this.#hello = concat(this.#hello, bytes);
      if (this.#hello.length < this.#helloBytes) return { send, events: [] };
      rest = this.#hello.subarray(this.#helloBytes);
      const answer = this.#answer(this.#hello);
      if ('failed' in answer) {
        this.#hasFailed = true;
        return { send, events: [{ kind: 'failed', why: answer.failed }] };
      }
      this.#channel = answer.channel;
      send = answer.send;
    }
    const events = this.#channel.receive(rest);
    this.#hasFailed = events.some((event) => event.kind === 'failed');
    return { send, events };
  }

  /** A packet to send, encrypted. Empty before the hellos. */
  packet(type: number, body: Uint8Array): Uint8Array {
    return this.#channel?.packet(type, body) ?? NOTHING;
  }
  /** An encrypted ping. Empty before the hellos. */
  ping(): Uint8Array {
    return this.#channel?.encrypt(Uint8Array.of(SESSION_PING)) ?? NOTHING;
  }
  /** An encrypted pong. Empty before the hellos. */
  pong(): Uint8Array {
    return this.#channel?.encrypt(Uint8Array.of(SESSION_PONG)) ?? NOTHING;
  }
}

function openChannel(source: KeyStreamSource | undefined, incomingSeed: number, outgoingSeed: number, type: number): Channel | null {
  const keyStreams = source ?? createKeyStream;
  const incoming = keyStreams(incomingSeed >>> 0, type);
  const outgoing = keyStreams(outgoingSeed >>> 0, type);
  return incoming && outgoing ? new Channel(incoming, outgoing, type) : null;
}

function noCipher(type: number): HelloAnswer {
  return { failed: `no cipher for encryption type 0x${type.toString(16).padStart(2, '0')}` };
}

/** The connecting side: send `opening` first. null when the mask of the seed is unavailable. */
export function clientSession(options: ClientOptions): { readonly opening: Uint8Array; readonly session: Session } | null {
  const { network, random = COMMON_CLIENT_RANDOM, seed = COMMON_CLIENT_SEED, requestedType = TYPE_GIFT } = options;
  const opening = buildClientHello(random, seed, requestedType);
  if (!opening) return null;
  const session = new Session(SERVER_HELLO_BYTES, (hello) => {
    const serverSeed = u32(hello, 0);
    const type = maskType(u32(hello, 4), serverSeed);
    if (type === null) return { failed: 'the type mask of the server seed is unavailable' };
    const channel = openChannel(options.keyStreams, serverSeed, seed ^ serverSeed, type);
    return channel ? { channel, send: channel.encrypt(ascii(`${network}\0`)) } : noCipher(type);
  });
  return { opening, session };
}

/** The accepting side. */
export function supernodeSession(options: SupernodeOptions): Session {
  const { network, seed, supportedType = SUPPORTED_TYPE_BITS, minimumType = TYPE_GIFT } = options;
  return new Session(CLIENT_HELLO_BYTES, (hello) => {
    const clientSeed = u32(hello, 4);
    const requested = maskType(u32(hello, 8), clientSeed);
    if (requested === null) return { failed: 'the type mask of the client seed is unavailable' };
    const type = (requested & supportedType) | minimumType;
    const masked = maskType(type, seed);
    if (masked === null) return { failed: 'the type mask of our own seed is unavailable' };
    const channel = openChannel(options.keyStreams, clientSeed ^ seed, seed, type);
    if (!channel) return noCipher(type);
    const head = new Uint8Array(SERVER_HELLO_BYTES);
    putU32(head, 0, seed);
    putU32(head, 4, masked);
    return { channel, send: concat(head, channel.encrypt(ascii(`${network}\0`))) };
  });
}
