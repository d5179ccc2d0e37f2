/**
 * A small eDonkey server for live tests: logs clients in with a high identifier, takes their offers, and
 * tells sources, on request with the keys that obfuscated connections need. Posts `ready`, and `offered` for each offer. TCP only, in clear, as real servers
 * are even when clients obfuscate among themselves. Runs as the module of a Worker inside a lab host.
 *
 * Specification: "The eMule Protocol Specification" (Kulbak, Bickson), section 6.2.
 */
import { type Socket, createServer } from 'node:net';
import { concat } from '../base/bytes.js';
import type { WorkerMain } from './namespace-worker.js';

export interface EdonkeyServerData {
  readonly host: string;
  readonly port: number;
  /** Tell sources with the keys of obfuscated connections, also to those who did not ask for them. */
  readonly isObfuscated: boolean;
}

const PROTOCOL = 0xe3;
const LOGIN = 0x01;
const OFFER_FILES = 0x15;
const GET_SOURCES = 0x19;
const GET_SOURCES_OBFUSCATED = 0x23;
const SERVER_STATUS = 0x34;
const ID_CHANGE = 0x40;
const FOUND_SOURCES = 0x42;
const FOUND_SOURCES_OBFUSCATED = 0x44;
/** Supports and requests obfuscation, and its user hash follows. */
const CRYPT_OPTIONS = 0x83;
const HASH_BYTES = 16;

interface Client {
  readonly address: Uint8Array;
  port: number;
  hash: Uint8Array;
}

const u16le = (value: number): Uint8Array => Uint8Array.of(value & 255, value >> 8);
const u32le = (value: number): Uint8Array => Uint8Array.of(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);
const packet = (opcode: number, body: Uint8Array): Uint8Array => concat(Uint8Array.of(PROTOCOL), u32le(body.length + 1), Uint8Array.of(opcode), body);

const main: WorkerMain = (data, messages) => {
  const { host, port, isObfuscated } = data as EdonkeyServerData;
  /** Who offers a file, by its hash. */
  const sources = new Map<string, Client>();

  const sourcesOf = (hash: Uint8Array, asker: Client): Uint8Array => {
    const found = sources.get(Buffer.from(hash).toString('hex'));
    const list = found && found !== asker ? [concat(found.address, u16le(found.port), isObfuscated ? concat(Uint8Array.of(CRYPT_OPTIONS), found.hash) : new Uint8Array(0))] : [];
    return packet(isObfuscated ? FOUND_SOURCES_OBFUSCATED : FOUND_SOURCES, concat(hash, Uint8Array.of(list.length), ...list));
  };

  const take = (socket: Socket, client: Client, opcode: number, body: Buffer): void => {
    switch (opcode) {
      case LOGIN:
        client.hash = body.subarray(0, HASH_BYTES);
        client.port = body.readUInt16LE(20);
        // A high identifier is the client's address; no flags: no compression, no obfuscation of this connection.
        socket.write(concat(packet(ID_CHANGE, concat(client.address, u32le(0))), packet(SERVER_STATUS, concat(u32le(2), u32le(1)))));
        break;
      case OFFER_FILES:
        // The file of the test is the only one that anybody offers.
        if (body.length < 4 + HASH_BYTES || body.readUInt32LE(0) === 0) return;
        sources.set(body.toString('hex', 4, 4 + HASH_BYTES), client);
        messages.postMessage('offered');
        break;
      case GET_SOURCES:
      case GET_SOURCES_OBFUSCATED:
        socket.write(sourcesOf(body.subarray(0, HASH_BYTES), client));
        break;
    }
  };

  createServer((socket) => {
    const client: Client = { address: Uint8Array.from((socket.remoteAddress ?? '0.0.0.0').split('.').map(Number)), port: 0, hash: new Uint8Array(HASH_BYTES) };
    let pending: Buffer = Buffer.alloc(0);
    // Clients that a wall cuts off are the point of the tests.
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => {
      pending = Buffer.concat([pending, bytes]);
      while (pending.length >= 6) {
        const length = pending.readUInt32LE(1);
        if (pending[0] !== PROTOCOL) return socket.destroy();
        if (pending.length < 5 + length) return undefined;
        take(socket, client, pending[5] ?? 0, pending.subarray(6, 5 + length));
        pending = pending.subarray(5 + length);
      }
      return undefined;
    });
  }).listen(port, host, () => messages.postMessage('ready'));
};
export default main;
