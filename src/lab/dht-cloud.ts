/**
 * A small Mainline DHT for live tests: many nodes, each at an address of its own, in one Worker inside a
 * lab host. They answer ping, find_node, get_peers and announce_peer; all share one table of nodes and one of peers,
 * so that every search ends at once. They never ask: programs under test do.
 *
 * Specification: BEP 5; BEP 32 for IPv6, where the table is one of its own.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { parseAddress } from '../base/address.js';
import { type Bencoded, decodeBencode, encodeBencode } from './bencode.js';
import type { WorkerMain } from './namespace-worker.js';

export interface DhtCloudData {
  readonly addresses: readonly string[];
  readonly port: number;
}

/** Nodes of an answer, BEP 5: the eight closest. */
const CLOSEST = 8;
const MAX_PEERS = 50;

interface Node {
  readonly id: string;
  readonly address: string;
  readonly port: number;
}

type Dictionary = { readonly [key: string]: Bencoded };

const compact = (address: string, port: number): string => latin1(parseAddress(address) ?? new Uint8Array()) + String.fromCharCode(port >> 8, port & 255);
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Smaller is closer: exclusive or of two identifiers, as text of equal length. */
function distance(a: string, b: string): string {
  let out = '';
  for (let i = 0; i < 20; i++) out += String.fromCharCode((a.charCodeAt(i) ^ b.charCodeAt(i)) & 255);
  return out;
}

class Cloud {
  readonly #nodes: Node[];
  readonly #peers = new Map<string, Set<string>>();

  constructor(data: DhtCloudData) {
    this.#nodes = data.addresses.map((address) => ({ id: latin1(randomBytes(20)), address, port: data.port }));
  }

  get #nodesKey(): 'nodes' | 'nodes6' {
    return this.#nodes[0]?.address.includes(':') ? 'nodes6' : 'nodes';
  }

  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  #closest(target: string): string {
    const sorted = [...this.#nodes].sort((a, b) => (distance(a.id, target) < distance(b.id, target) ? -1 : 1));
    return sorted.slice(0, CLOSEST).map(({ id, address, port }) => id + compact(address, port)).join('');
  }

  #token(address: string): string {
    return latin1(createHash('sha1').update(address).digest().subarray(0, 4));
  }

  /** The answer of `node` to one datagram; null for what needs none. */
  answer(node: Node, bytes: Buffer, address: string, port: number): string | null {
    const message = decodeBencode(bytes.toString('latin1')) as Dictionary;
    if (message.y !== 'q') return null;
    const asked = message.a as Dictionary;
    const reply = (values: Dictionary): string => encodeBencode({ t: message.t ?? '', y: 'r', ip: compact(address, port), r: { id: node.id, ...values } });
    switch (message.q) {
      case 'find_node':
        return reply({ [this.#nodesKey]: this.#closest(String(asked.target)) });
      case 'get_peers': {
        const infoHash = String(asked.info_hash);
        const known = [...(this.#peers.get(infoHash) ?? [])].slice(0, MAX_PEERS);
        return reply({ token: this.#token(address), [this.#nodesKey]: this.#closest(infoHash), ...(known.length > 0 ? { values: known } : {}) });
      }
      case 'announce_peer': {
        const infoHash = String(asked.info_hash);
        const peers = this.#peers.get(infoHash) ?? new Set<string>();
        this.#peers.set(infoHash, peers.add(compact(address, asked.implied_port === 1 ? port : Number(asked.port))));
        return reply({});
      }
      default:
        return reply({});
    }
  }
}

function serve(cloud: Cloud, node: Node): Promise<void> {
  const socket: Socket = createSocket(node.address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (bytes, from) => {
    // Port 1 and the like answer nobody; what is not bencode is not for us.
    if (bytes[0] !== 0x64) return;
    const answer = cloud.answer(node, bytes, from.address, from.port);
    if (answer !== null) socket.send(Buffer.from(answer, 'latin1'), from.port, from.address);
  });
  // Answers that a wall refuses are what the tests are about.
  socket.on('error', () => undefined);
  return new Promise((ready) => socket.bind(node.port, node.address, ready));
}

const main: WorkerMain = async (data, port) => {
  const cloud = new Cloud(data as DhtCloudData);
  await Promise.all(cloud.nodes.map((node) => serve(cloud, node)));
  port.postMessage('ready');
};
export default main;
