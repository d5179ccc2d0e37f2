/**
 * The containment machine: let a client reveal its peers, and refuse its connections to them.
 *
 * `ftwall` drives it with FastTrack's packets: it answers pings in the peers' names so that the client stays in that phase, and
 * holds back the client's other new connections while it runs (the time-lock). The wall's `contain` drives it by `told` with the peers
 * that any protocol names in clear; there policy decides about everything else.
 *
 * Pure and synchronous: events and the time in, actions out. It opens nothing, sends nothing, reads no clock.
 * Every method takes `nowMs` of a clock that does not go back (a step back counts as standing still) and
 * appends its actions to `out`; for events that carry a packet the first action is its verdict.
 *
 * Behaviour follows ftwall 1.09 and 2.01 as far as it is on record; where the record is silent the choices are
 * those of this project (see the manual page).
 */
import type { Action, LogLetter, Reason } from './actions.js';
import { type Client, ClientBook, type ClientBookOptions, CLIENT_BOOK_DEFAULTS } from './client-book.js';
import { NameBook, type DnsAnswer } from './name-book.js';
import type { NamePattern } from './name-patterns.js';
import { type Peer, PeerBook, PEER_BOOK_DEFAULTS, type Revelation } from './peer-book.js';
import { u32 } from '../base/bytes.js';
import { scanGive, scanTransferHead, type Endpoint } from '../fasttrack/transfer.js';
import { maskType } from '../fasttrack/type-mask.js';
import { buildPing, buildPong, buildPong2, parsePing, parsePong, parsePong2, PONG, PONG_2, type Ping } from '../fasttrack/udp.js';
import { ipv4Text } from '../base/address.js';

/** Which of a locked client's connections to unknown places are held back. */
export type LockScope = 'all' | 'user-ports' | 'none';

export interface ContainmentOptions extends Partial<ClientBookOptions> {
  readonly maxPeers?: number;
  readonly maxPeersPerClient?: number;
  readonly peerAgeMs?: number;
  /** As in PeerBookOptions: false keeps the peers of each client apart. Default true. */
  readonly isSharing?: boolean;
  /** Option -n: pings pass, nothing is forged. */
  readonly observesUdp?: boolean;
  /** Pong type to forge; null: silence. Default 0x29: the client learns that UDP works but does not connect. */
  readonly reply?: typeof PONG | typeof PONG_2 | null;
  /** Default `all`, as the original. `user-ports`: only to ports from 1024 up, so that the web stays usable. */
  readonly lockScope?: LockScope;
  readonly isProtected?: (address: string) => boolean;
  readonly names?: readonly NamePattern[];
  /** Letters for which log actions are wanted; all when absent. */
  readonly logs?: ReadonlySet<LogLetter>;
}

/** Locks in the data plane are renewed at most once in this time. */
const LOCK_RENEWAL_MS = 1_000;
/** A pong confirms a peer only as the answer to a ping of this age (giFT waits 20 s). */
const PONG_WAIT_MS = 20_000;
const FIRST_USER_PORT = 1024;

export class ContainmentMachine {
  readonly peers: PeerBook;
  readonly clients: ClientBook;
  readonly names: NameBook;
  readonly #options: ContainmentOptions;
  readonly #peerAgeMs: number;
  readonly #lockMs: number;
  readonly #isProtected: (address: string) => boolean;
  #nowMs = Number.NEGATIVE_INFINITY;
  #out: Action[] = [];

  constructor(options: ContainmentOptions = {}) {
    this.#options = options;
    this.#isProtected = options.isProtected ?? (() => false);
    this.#peerAgeMs = options.peerAgeMs ?? PEER_BOOK_DEFAULTS.ageMs;
    this.#lockMs = options.lockMs ?? CLIENT_BOOK_DEFAULTS.lockMs;
    this.peers = new PeerBook({
      maxPeers: options.maxPeers ?? PEER_BOOK_DEFAULTS.maxPeers,
      maxPeersPerClient: options.maxPeersPerClient ?? PEER_BOOK_DEFAULTS.maxPeersPerClient,
      ageMs: this.#peerAgeMs,
      isSharing: options.isSharing ?? true,
      isProtected: this.#isProtected,
      onForget: (peer) => this.#out.push({ kind: 'unblock', client: scopeOf(peer), address: peer.address, port: peer.port }),
    });
    this.clients = new ClientBook({ ...CLIENT_BOOK_DEFAULTS, ...options });
    this.names = new NameBook({ patterns: options.names ?? [], isProtected: this.#isProtected });
  }

  /** Event U: UDP of an inside host to somewhere outside. Borrowed bytes. */
  udpFromInside(
    nowMs: number,
    client: string,
    clientPort: number,
    address: string,
    port: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    out: Action[],
  ): void {
    this.#begin(nowMs, out);
    if (this.names.isBlockedFor(client, address, this.#nowMs)) {
      this.#verdict('drop', 'blocked-name', 'u', client, address, port);
      return;
    }
    const ping = parsePing(bytes, start, end);
    if (!ping) {
      this.#verdict('accept', 'not-fasttrack', 'U', client, address, port);
      return;
    }
    // A known peer is not protected: asked only once for each.
    if (!this.peers.has(client, address, port) && this.#isProtected(address)) {
      this.#verdict('accept', 'ping-to-protected', 'U', client, address, port);
      return;
    }
    const observes = this.#options.observesUdp === true;
    if (observes) this.#verdict('accept', 'ping-observed', 'U', client, address, port);
    else this.#verdict('drop', 'ping', 'u', client, address, port);
    // Stored before it is answered: whoever sees the answer can rely on the rest.
    this.#reveal(client, address, port);
    this.#hear(client, clientPort, ping);
    if (!observes) this.#forgePong(ping, client, clientPort, address, port);
  }

  /** UDP from outside to an inside host: a pong confirms the peer that was pinged. */
  udpFromOutside(nowMs: number, client: string, address: string, port: number, bytes: Uint8Array, start: number, end: number, out: Action[]): void {
    this.#begin(nowMs, out);
    if (!parsePong(bytes, start, end) && !parsePong2(bytes, start, end)) {
      out.push({ kind: 'verdict', verdict: 'accept', reason: 'not-fasttrack' });
      return;
    }
    out.push({ kind: 'verdict', verdict: 'accept', reason: 'pong' });
    const peer = this.peers.find(client, address, port);
    if (peer?.client !== client || this.#nowMs - peer.seenAtMs > PONG_WAIT_MS) return;
    if (this.peers.confirm(client, address, port, this.#nowMs)) this.#confirmed(client, address, port);
  }

  /** Event R: UDP of an inside host to the wall itself. A pong that answers a probe refreshes the lock and is dropped. */
  udpToWall(nowMs: number, client: string, clientPort: number, bytes: Uint8Array, start: number, end: number, out: Action[]): void {
    this.#begin(nowMs, out);
    const isPong = parsePong(bytes, start, end) !== null || parsePong2(bytes, start, end) !== null;
    const program = isPong ? this.clients.probedProgram(client, clientPort) : null;
    if (!program) {
      out.push({ kind: 'verdict', verdict: 'accept', reason: 'not-fasttrack' });
      return;
    }
    out.push({ kind: 'verdict', verdict: 'drop', reason: 'probe-answer' });
    const heard = this.#present(client);
    if (heard) this.clients.hearProgram(heard, clientPort, program.network, program.minimumType, this.#nowMs);
  }

  /** Event S: a connection request of an inside host. */
  synFromInside(nowMs: number, client: string, address: string, port: number, out: Action[]): void {
    this.#begin(nowMs, out);
    if (this.#isProtected(address)) {
      this.#verdict('accept', 'protected', 'T', client, address, port);
    } else if (this.peers.isBlockedFor(client, address, port, this.#nowMs)) {
      this.#verdict('drop', 'known-peer', 't', client, address, port);
      // Only a client that is present: a web browser that meets an old entry does not run Kazaa.
      if (this.clients.isLocked(client, this.#nowMs)) this.#present(client);
    } else if (this.names.isBlockedFor(client, address, this.#nowMs)) {
      this.#verdict('drop', 'blocked-name', 't', client, address, port);
    } else if (this.clients.isLocked(client, this.#nowMs) && this.#isInLockScope(port)) {
      this.#verdict('drop', 'time-lock', 't', client, address, port);
    } else this.#verdict('accept', 'nothing-known', 'T', client, address, port);
  }

  /**
   * Event H: the first bytes of a stream between an inside host and `address`, in order and reassembled, of one
   * direction. `more` tells the caller to come again with a longer prefix; the packet passes meanwhile.
   */
  streamPrefix(
    nowMs: number,
    client: string,
    address: string,
    port: number,
    isFromClient: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    out: Action[],
  ): 'more' | 'done' {
    this.#begin(nowMs, out);
    const head = scanTransferHead(bytes, start, end);
    const give = scanGive(bytes, start, end);
    const isTransfer = give === 'match' || (head !== null && (head.hasKazaaField || head.hasKazaaHash));
    const isSession = isFromClient && isSessionOpening(bytes, start, end);
    if (this.#isProtected(address) || (!isTransfer && !isSession)) {
      this.#verdict('accept', 'nothing-known', 'T', client, address, port);
      return give === 'more' || (head !== null && !head.isComplete) || end - start < 12 ? 'more' : 'done';
    }
    this.#verdict('drop', isTransfer ? 'transfer' : 'session-opening', 't', client, address, port);
    this.#reveal(client, address, port);
    // A request may be made up to get a site blocked for others; an answer in the protocol is the peer's own.
    if (!isFromClient && this.peers.confirm(client, address, port, this.#nowMs)) this.#confirmed(client, address, port);
    if (head?.supernode) this.#revealEndpoint(client, head.supernode);
    this.#present(client);
    return 'done';
  }

  /** Version 2: a DNS answer on its way to an inside host. Blocks the addresses of names on the list, for that host. */
  dnsAnswer(nowMs: number, client: string, answer: DnsAnswer, out: Action[]): void {
    this.#begin(nowMs, out);
    out.push({ kind: 'dns-answer', client, question: answer.question, targets: answer.records.map(({ target }) => target) });
    for (const block of this.names.learn(client, answer, this.#nowMs)) {
      out.push({ kind: 'block', client: block.client, address: block.address, port: 0, timeoutMs: block.untilMs - this.#nowMs });
      this.#log('p', client, block.address, 0, `${block.name} belongs to a blocked name`);
    }
  }

  /**
   * A peer that any other protocol told the client in clear (trackers, hash tables, peer exchange), to be blocked for `lifeMs`
   * from the last time it was told: without lock or forged answers. `source`: see `Peer`.
   */
  told(nowMs: number, client: string, address: string, port: number, out: Action[], lifeMs = this.#peerAgeMs, source = 0): Revelation {
    this.#begin(nowMs, out);
    return this.#reveal(client, address, port, lifeMs, source);
  }

  /** All blocks again, the newest first: the data plane was made anew. */
  blockAll(nowMs: number, out: Action[]): void {
    this.#begin(nowMs, out);
    for (const peer of this.peers.newestFirst()) if (peer.untilMs > this.#nowMs) this.#announce(peer);
  }

  /** An entry of the store file at start-up. `ageMs`: how long ago it was seen. Returns whether it was taken. */
  restore(nowMs: number, client: string, address: string, port: number, ageMs: number, out: Action[]): boolean {
    this.#begin(nowMs, out);
    if (ageMs >= this.#peerAgeMs || !this.peers.restore(client, address, port, this.#nowMs - ageMs)) return false;
    const peer = this.peers.find(client, address, port);
    if (peer) this.#announce(peer);
    return peer !== null;
  }

  /** Time passes: probes, expiry, ageing. Call at `nextDueMs()` or every second. */
  tick(nowMs: number, out: Action[]): void {
    this.#begin(nowMs, out);
    for (const client of this.clients.takeExpired(this.#nowMs)) {
      if (this.#lockMs > 0) out.push({ kind: 'unlock', client: client.address });
      out.push({ kind: 'remove-client-file', client: client.address });
      this.#log('c', client.address, '', 0, 'client vanished');
    }
    for (const { client, program } of this.clients.dueProbes(this.#nowMs)) {
      out.push({ kind: 'send-probe', client: client.address, clientPort: program.port, payload: buildPing(program.network, program.minimumType) });
    }
    this.peers.age(this.#nowMs);
    this.names.age(this.#nowMs);
  }

  /** When `tick` has something to do for clients; Infinity when there are none. */
  nextDueMs(): number {
    return this.clients.nextDueMs();
  }

  #begin(nowMs: number, out: Action[]): void {
    if (nowMs > this.#nowMs) this.#nowMs = nowMs;
    this.#out = out;
  }

  #isInLockScope(port: number): boolean {
    const scope = this.#options.lockScope ?? 'all';
    return scope === 'all' || (scope === 'user-ports' && port >= FIRST_USER_PORT);
  }

  #forgePong(ping: Ping, client: string, clientPort: number, peer: string, peerPort: number): void {
    const reply = this.#options.reply === undefined ? PONG_2 : this.#options.reply;
    if (reply === null) return;
    // The identifier of a node does not change: derived from its endpoint.
    const payload =
      reply === PONG
        ? buildPong(ping.network, { minimumType: ping.minimumType })
        : buildPong2(nodeId(`${peer} ${peerPort}`), { minimumType: ping.minimumType });
    this.#out.push({ kind: 'send-as-peer', peer, peerPort, client, clientPort, payload });
  }

  #revealEndpoint(client: string, endpoint: Endpoint): void {
    this.#reveal(client, ipv4Text(endpoint.address, 0), endpoint.port);
  }

  #reveal(client: string, address: string, port: number, lifeMs = this.#peerAgeMs, source = 0): Revelation {
    const found = this.peers.reveal(client, address, port, this.#nowMs, lifeMs, source);
    if (found === 'client-full') this.#log('p', client, address, port, 'client has revealed as many peers as are kept');
    if (found === 'protected' || found === 'client-full') return found;
    if (found === 'confirmed') {
      this.#confirmed(client, address, port);
      return found;
    }
    if (found === 'known' && !this.peers.needsRenewal(client, address, port, this.#nowMs)) return found;
    const peer = this.peers.find(client, address, port);
    if (peer) this.#announce(peer);
    if (found === 'known') return found;
    this.#out.push({ kind: 'store', address, port, client });
    this.#log('p', client, address, port, 'peer identified');
    return found;
  }

  #confirmed(client: string, address: string, port: number): void {
    const peer = this.peers.find(client, address, port);
    if (!peer) return;
    this.#announce(peer);
    this.#out.push({ kind: 'store', address: peer.address, port: peer.port, client: '' });
    this.#log('p', peer.client, peer.address, peer.port, 'peer confirmed');
  }

  #announce(peer: Peer): void {
    this.peers.announced(peer.client, peer.address, peer.port, peer.untilMs);
    this.#out.push({ kind: 'block', client: scopeOf(peer), address: peer.address, port: peer.port, timeoutMs: peer.untilMs - this.#nowMs });
  }

  #hear(client: string, clientPort: number, ping: Ping): void {
    const heard = this.#present(client);
    if (heard) this.clients.hearProgram(heard, clientPort, ping.network, ping.minimumType, this.#nowMs);
  }

  /** Identifies the client or refreshes its lock. */
  #present(address: string): Client | null {
    const heard = this.clients.hear(address, this.#nowMs);
    if (!heard) {
      this.#log('c', address, '', 0, 'no room for another client');
      return null;
    }
    const { client, isNew, begins } = heard;
    if (isNew) {
      this.#out.push({ kind: 'create-client-file', client: address });
      this.#log('c', address, '', 0, 'client identified');
    }
    // Renewed seldom, hence the margin: the data plane must not let go before this machine does.
    if (this.#lockMs > 0 && (begins || this.#nowMs - client.announcedAtMs >= LOCK_RENEWAL_MS)) {
      client.announcedAtMs = this.#nowMs;
      this.#out.push({ kind: 'lock', client: address, timeoutMs: this.#lockMs + LOCK_RENEWAL_MS });
    }
    return client;
  }

  #verdict(verdict: 'accept' | 'drop', reason: Reason, letter: LogLetter, client: string, address: string, port: number): void {
    this.#out.push({ kind: 'verdict', verdict, reason });
    this.#log(letter, client, address, port, reason);
  }

  #log(letter: LogLetter, client: string, address: string, port: number, text: string): void {
    if (this.#options.logs && !this.#options.logs.has(letter)) return;
    this.#out.push({ kind: 'log', letter, client, address, port, text });
  }
}

/** '' blocks for everybody. */
function scopeOf(peer: Peer): string {
  return peer.isConfirmed ? '' : peer.client;
}

/** The 12 bytes of a session opening with a seed whose type mask is known. */
function isSessionOpening(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 12) return false;
  const type = maskType(u32(bytes, start + 8), u32(bytes, start + 4));
  return type !== null && type > 0 && type <= 0xff;
}

/** FNV-1a, 32 bits. */
function nodeId(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
