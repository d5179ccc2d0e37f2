/**
 * The engine's questions to PeerMemory, in terms of flows: who is known, what to learn.
 */
import { type Feature, type Known, type PeerSink, TCP } from '../detect/detector.js';
import { i32 } from '../base/bytes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { ANY_PROTOCOL, NO_PROTOCOL, type PeerMemory, clientHash } from '../flow/peer-memory.js';
import type { Confidence } from '../events/confidence.js';

/** Ports below this belong to services of the system (RFC 6335 section 6): naming one of them proves nothing about its traffic. */
export const FIRST_USER_PORT = 1024;

export const TOLD_WHY = 'the endpoint was named to this client by a peer, tracker or node of the network';
export const SPOKE_WHY = 'the endpoint spoke the protocol with this client before';
export const SPOKE_OTHERS_WHY = 'the endpoint spoke the protocol with others before';

/** What memory says of a flow before its content is seen. */
export interface KnownPeer {
  protocolIndex: number;
  confidence: Confidence;
  why: string;
}

/**
 * An endpoint was named: the sender (`direction`) of a packet of `flow` told its receiver that a peer of the
 * protocol accepts connections at `address` (4 or 16 bytes, the listener's to keep) and `port`.
 */
export type ToldListener = (flow: number, direction: 0 | 1, protocolIndex: number, address: Uint8Array, port: number) => void;

export class Endpoints implements PeerSink {
  /** Told every endpoint that is learnt; null: nobody asks, and nothing is copied. */
  onTold: ToldListener | null = null;
  readonly #table: FlowTable;
  readonly #memory: PeerMemory;
  readonly #isWary: boolean;
  readonly #result: KnownPeer = { protocolIndex: NO_PROTOCOL, confidence: 'likely', why: '' };
  // The packet whose endpoints are being harvested.
  #flow = -1;
  #direction: 0 | 1 = 0;
  #protocolIndex = 0;
  #receiverHash = 0;
  #s0 = 0;
  #s1 = 0;
  #s2 = 0;
  #s3 = 0;
  #timeMs = 0;
  /** The packet in hand came from an inside host: for `isWary`, set by who knows. */
  isFromInside = false;
  /** Endpoints learnt since the engine started. */
  toldCount = 0;

  constructor(table: FlowTable, memory: PeerMemory, isWary: boolean) {
    this.#table = table;
    this.#memory = memory;
    this.#isWary = isWary;
  }

  #hash(flow: number, end: 0 | 1): number {
    const table = this.#table;
    return clientHash(
      table.addressWord(flow, end, 0),
      table.addressWord(flow, end, 1),
      table.addressWord(flow, end, 2),
      table.addressWord(flow, end, 3),
    );
  }

  /** Which protocol is known for the endpoints of a flow, or null. The result is reused. */
  knownPeer(flow: number, timeMs: number): KnownPeer | null {
    // Each flow is asked about twice; without P2P there is nothing to find (bench/identify.ts, ordinary mix).
    if (this.#memory.isEmpty) return null;
    // What goes to a group goes to everybody: whose it is must show in its content.
    if (this.#isToGroup(flow)) return null;
    const responder = this.#knownEnd(flow, 1, timeMs);
    // The sender's port says as much over UDP, where programs use one socket for all peers, and when no SYN told who began.
    const mayAskBoth = this.#table.protocol(flow) !== TCP || !this.#table.hasSyn(flow);
    if (responder && this.#result.confidence === 'certain') return responder;
    if (!mayAskBoth) return responder;
    const { protocolIndex, confidence, why } = this.#result;
    const initiator = this.#knownEnd(flow, 0, timeMs);
    if (initiator && (!responder || initiator.confidence === 'certain')) return initiator;
    if (!responder) return null;
    this.#result.protocolIndex = protocolIndex;
    this.#result.confidence = confidence;
    this.#result.why = why;
    return this.#result;
  }

  #isToGroup(flow: number): boolean {
    const table = this.#table;
    return isGroup(table.ipVersion(flow), table.addressWord(flow, 1, 0), table.addressWord(flow, 1, 3));
  }

  #knownEnd(flow: number, end: 0 | 1, timeMs: number): KnownPeer | null {
    const table = this.#table;
    const port = table.port(flow, end);
    if (port < FIRST_USER_PORT) return null;
    const memory = this.#memory;
    const a0 = table.addressWord(flow, end, 0);
    const a1 = table.addressWord(flow, end, 1);
    const a2 = table.addressWord(flow, end, 2);
    const a3 = table.addressWord(flow, end, 3);
    const client = this.#hash(flow, end === 0 ? 1 : 0);
    memory.look(ANY_PROTOCOL, a0, a1, a2, a3, port, client, timeMs);
    if (memory.spokeHere !== NO_PROTOCOL) return this.#answer(memory.spokeHere, 'certain', SPOKE_WHY);
    if (memory.told !== NO_PROTOCOL) return this.#answer(memory.told, 'certain', TOLD_WHY);
    if (memory.spokeAny !== NO_PROTOCOL) return this.#answer(memory.spokeAny, 'likely', SPOKE_OTHERS_WHY);
    return null;
  }

  #answer(protocolIndex: number, confidence: Confidence, why: string): KnownPeer {
    this.#result.protocolIndex = protocolIndex;
    this.#result.confidence = confidence;
    this.#result.why = why;
    return this.#result;
  }

  /** What is known of a flow's endpoints for one protocol. */
  known(flow: number, protocolIndex: number, timeMs: number): Known {
    if (this.#memory.isEmpty) return 'none';
    const responder = this.#knownFor(flow, 1, protocolIndex, timeMs);
    if (responder === 'endpoint') return responder;
    const initiator = this.#knownFor(flow, 0, protocolIndex, timeMs);
    if (initiator === 'endpoint') return initiator;
    if (responder === 'told' || initiator === 'told') return 'told';
    return responder === 'host' ? responder : initiator;
  }

  #knownFor(flow: number, end: 0 | 1, protocolIndex: number, timeMs: number): Known {
    const table = this.#table;
    const memory = this.#memory;
    const port = table.port(flow, end);
    const a0 = table.addressWord(flow, end, 0);
    const a1 = table.addressWord(flow, end, 1);
    const a2 = table.addressWord(flow, end, 2);
    const a3 = table.addressWord(flow, end, 3);
    memory.look(protocolIndex, a0, a1, a2, a3, port, this.#hash(flow, end === 0 ? 1 : 0), timeMs);
    if (memory.spokeAny !== NO_PROTOCOL || memory.spokeHere !== NO_PROTOCOL) return 'endpoint';
    if (memory.told !== NO_PROTOCOL) return 'told';
    return memory.hasHost(protocolIndex, a0, a1, a2, a3, timeMs) ? 'host' : 'none';
  }

  /**
   * A certain exchange took place on the flow: remember its endpoints as the feature says. `direction` is that of the packet
   * that showed it. Its receiver may be anybody, and so may a sender outside whom nobody answered, as its address may be forged:
   * with `isWary` they count for others only once they answered (`answered`), or a second inside host spoke to them. Else an
   * inside host could close a site for all by speaking to it, and outsiders an inside server.
   */
  learn(flow: number, direction: 0 | 1, feature: Feature, protocolIndex: number, timeMs: number): void {
    const remember = feature.remember ?? (feature.transport === TCP ? 'responder' : 'both');
    const isResponderProven = this.#isProven(flow, 1, direction, protocolIndex, timeMs);
    const isInitiatorProven = this.#isProven(flow, 0, direction, protocolIndex, timeMs);
    if (remember === 'both' || remember === 'responder') this.#addSpoke(flow, 1, protocolIndex, timeMs, isResponderProven);
    if (remember === 'both' || remember === 'initiator') this.#addSpoke(flow, 0, protocolIndex, timeMs, isInitiatorProven);
    if (feature.forgetHost === true) return;
    if (isInitiatorProven) this.#addHost(flow, 0, protocolIndex, timeMs);
    if (remember !== 'none' && isResponderProven) this.#addHost(flow, 1, protocolIndex, timeMs);
  }

  /** Whether what a packet in `direction` shows of an end counts for others. */
  #isProven(flow: number, end: 0 | 1, direction: 0 | 1, protocolIndex: number, timeMs: number): boolean {
    if (!this.#isWary) return true;
    return end === direction ? this.#isGenuine(flow, direction) : this.isFromInside && this.#spokeWithAnother(flow, end, protocolIndex, timeMs);
  }

  /** The sender of a packet of a flow that is decided speaks the protocol too: what was learnt of it counts for all. */
  answered(flow: number, direction: 0 | 1, protocolIndex: number, timeMs: number): void {
    if (!this.#isWary || !this.#isGenuine(flow, direction)) return;
    const table = this.#table;
    const a0 = table.addressWord(flow, direction, 0);
    const a1 = table.addressWord(flow, direction, 1);
    const a2 = table.addressWord(flow, direction, 2);
    const a3 = table.addressWord(flow, direction, 3);
    this.#memory.look(protocolIndex, a0, a1, a2, a3, table.port(flow, direction), this.#hash(flow, direction === 0 ? 1 : 0), timeMs);
    // Nothing was learnt of those whose exchanges prove no peer (trackers).
    if (this.#memory.spokeHere === NO_PROTOCOL || this.#memory.spokeAny !== NO_PROTOCOL) return;
    this.#addSpoke(flow, direction, protocolIndex, timeMs, true);
    this.#addHost(flow, direction, protocolIndex, timeMs);
  }

  /** The sender of the packet in hand is who it says: inside, where routers check that, or it hears what it is sent. */
  #isGenuine(flow: number, direction: 0 | 1): boolean {
    return this.isFromInside || this.#table.packets(flow, direction === 0 ? 1 : 0) > 0;
  }

  #spokeWithAnother(flow: number, end: 0 | 1, protocolIndex: number, timeMs: number): boolean {
    const table = this.#table;
    const a0 = table.addressWord(flow, end, 0);
    const a1 = table.addressWord(flow, end, 1);
    const a2 = table.addressWord(flow, end, 2);
    const a3 = table.addressWord(flow, end, 3);
    return this.#memory.spokeWithAnother(protocolIndex, a0, a1, a2, a3, table.port(flow, end), this.#hash(flow, end === 0 ? 1 : 0), timeMs);
  }

  #addSpoke(flow: number, end: 0 | 1, protocolIndex: number, timeMs: number, isProven: boolean): void {
    const table = this.#table;
    const a0 = table.addressWord(flow, end, 0);
    const a3 = table.addressWord(flow, end, 3);
    if (isGroup(table.ipVersion(flow), a0, a3)) return;
    const client = this.#hash(flow, end === 0 ? 1 : 0);
    const a1 = table.addressWord(flow, end, 1);
    const a2 = table.addressWord(flow, end, 2);
    this.#memory.addSpoke(protocolIndex, a0, a1, a2, a3, table.port(flow, end), client, timeMs, isProven);
  }

  #addHost(flow: number, end: 0 | 1, protocolIndex: number, timeMs: number): void {
    const table = this.#table;
    const a0 = table.addressWord(flow, end, 0);
    const a3 = table.addressWord(flow, end, 3);
    if (isGroup(table.ipVersion(flow), a0, a3)) return;
    this.#memory.addHost(protocolIndex, a0, table.addressWord(flow, end, 1), table.addressWord(flow, end, 2), a3, timeMs);
  }

  /** Prepares the sink for one packet of a flow: `direction` is the packet's. */
  harvestFrom(flow: number, direction: 0 | 1, protocolIndex: number, timeMs: number): PeerSink {
    const table = this.#table;
    const receiver = direction === 0 ? 1 : 0;
    this.#flow = flow;
    this.#direction = direction;
    this.#protocolIndex = protocolIndex;
    this.#timeMs = timeMs;
    this.#s0 = table.addressWord(flow, direction, 0);
    this.#s1 = table.addressWord(flow, direction, 1);
    this.#s2 = table.addressWord(flow, direction, 2);
    this.#s3 = table.addressWord(flow, direction, 3);
    const isToAll = isGroup(table.ipVersion(flow), table.addressWord(flow, receiver, 0), table.addressWord(flow, receiver, 3));
    this.#receiverHash = isToAll ? 0 : this.#hash(flow, receiver);
    return this;
  }

  toldIpv4(bytes: Uint8Array, at: number, port: number): void {
    const a3 = i32(bytes, at);
    if (port === 0 || a3 === 0 || isGroup(4, 0, a3)) return;
    this.toldCount++;
    this.#memory.addTold(this.#protocolIndex, 0, 0, 0, a3, port, this.#receiverHash, this.#timeMs);
    this.onTold?.(this.#flow, this.#direction, this.#protocolIndex, bytes.slice(at, at + 4), port);
  }

  toldIpv6(bytes: Uint8Array, at: number, port: number): void {
    const a0 = i32(bytes, at);
    if (port === 0 || isGroup(6, a0, 0)) return;
    this.toldCount++;
    const a1 = i32(bytes, at + 4);
    const a2 = i32(bytes, at + 8);
    const a3 = i32(bytes, at + 12);
    this.#memory.addTold(this.#protocolIndex, a0, a1, a2, a3, port, this.#receiverHash, this.#timeMs);
    this.onTold?.(this.#flow, this.#direction, this.#protocolIndex, bytes.slice(at, at + 16), port);
  }

  listensOn(port: number): void {
    if (port === 0) return;
    this.toldCount++;
    this.#memory.addSpoke(this.#protocolIndex, this.#s0, this.#s1, this.#s2, this.#s3, port, this.#receiverHash, this.#timeMs, !this.#isWary || this.#isGenuine(this.#flow, this.#direction));
    if (this.onTold === null) return;
    const address = new Uint8Array(16);
    const lengthBytes = this.#table.writeAddress(this.#flow, this.#direction, address, 0);
    this.onTold(this.#flow, this.#direction, this.#protocolIndex, address.subarray(0, lengthBytes), port);
  }
}

/** Multicast (RFC 5771: 224/4; RFC 4291: ff00::/8), limited broadcast and loopback name no single remote peer. */
function isGroup(ipVersion: 4 | 6, a0: number, a3: number): boolean {
  if (ipVersion === 6) return a0 >>> 24 === 0xff;
  return a3 >>> 28 === 0xe || a3 === -1;
}
