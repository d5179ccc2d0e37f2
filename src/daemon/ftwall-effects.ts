/**
 * Carries out the actions of the containment machine: forged packets, probes, set members, store and client files, log.
 *
 * Every effect may fail without stopping the wall: a full disk, a folder that cannot be written, a set that is missing are
 * reported once and again only after a success in between.
 */
import { createSocket, type Socket } from 'node:dgram';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../base/address.js';
import { FORGED_MARK, SETS, setName } from '../enforce/ftwall-rules.js';
import type { Action } from '../ftwall/actions.js';
import { storeLine } from '../ftwall/store-file.js';
import { IpsetMembers } from '../kernel/ipset-members.js';
import { RawSocket } from '../kernel/raw-socket.js';
import { errnoName } from '../kernel/errno.js';
import type { SetMember } from '../netlink/ipset.js';
import { buildUdp } from '../wire/build.js';
import type { FtwallLog } from './ftwall-log.js';

/** Addresses whose bytes are kept. */
const MAX_PARSED = 4096;

export interface EffectOptions {
  readonly storeFile: string | null;
  readonly clientFolder: string | null;
}

export interface EffectCounters {
  forged: number;
  probes: number;
  stored: number;
}

export class FtwallEffects {
  readonly counters: EffectCounters = { forged: 0, probes: 0, stored: 0 };
  readonly #log: FtwallLog;
  readonly #clientFolder: string | null;
  readonly #members: IpsetMembers;
  readonly #raw4: RawSocket;
  readonly #raw6: RawSocket;
  readonly #probe4: Socket;
  readonly #probe6: Socket;
  readonly #failing = new Set<string>();
  readonly #parsed = new Map<string, Uint8Array>();
  #storeFd: number | null = null;
  /** The file ends inside a line: of a predecessor that was killed, or of ours when the disk was full. */
  #isStoreLineOpen = false;

  /** Opens everything; throws SystemError for sockets and the file's own error for the store, which must be writable. */
  constructor(options: EffectOptions, log: FtwallLog) {
    this.#log = log;
    this.#clientFolder = options.clientFolder;
    this.#removeOldClientFiles();
    if (options.storeFile !== null) {
      this.#isStoreLineOpen = endsInsideLine(options.storeFile);
      this.#storeFd = openSync(options.storeFile, 'a', 0o644);
    }
    this.#members = new IpsetMembers({ onRefused: (set, name) => log.trouble(`the set ${set} refuses a member: ${name}`, 'is it there, and large enough?') });
    this.#raw4 = new RawSocket({ ipVersion: 4, mark: FORGED_MARK });
    this.#raw6 = new RawSocket({ ipVersion: 6, mark: FORGED_MARK });
    // Answers never reach these sockets: the queue takes them before.
    this.#probe4 = createSocket('udp4').on('error', (error) => this.#failed('probe', error.message));
    this.#probe6 = createSocket({ type: 'udp6', ipv6Only: true }).on('error', (error) => this.#failed('probe6', error.message));
  }

  /** Carries out one action; verdicts are the caller's. `mac` of the packet's sender, '' when unknown. */
  run(action: Action, mac: string): void {
    switch (action.kind) {
      case 'verdict':
        if (action.reason === 'transfer' || action.reason === 'session-opening') this.#log.debug('h', `${action.reason} ${action.verdict === 'drop' ? 'dropped' : 'passed'}`);
        return;
      case 'send-as-peer':
        this.#forge(action);
        return;
      case 'send-probe':
        this.counters.probes++;
        this.#log.debug('p', `probe to ${action.client}:${action.clientPort}`);
        (action.client.includes(':') ? this.#probe6 : this.#probe4).send(action.payload, action.clientPort, action.client, (error) => {
          if (error) this.#failed('probe', `cannot probe ${action.client}: ${error.message}`);
        });
        return;
      case 'block':
        if (action.port === 0) this.#log.debug('aD', `${action.address} closed to ${action.client || 'all'} for ${Math.round(action.timeoutMs / 1000)} s`);
        this.#change(blockMember(action.client, action.address, action.port), action.timeoutMs);
        return;
      case 'unblock':
        this.#change(blockMember(action.client, action.address, action.port), null);
        return;
      case 'dns-answer':
        this.#log.debug('dD', `${action.client} asked for ${action.question}`);
        this.#log.debug('aD', `${action.client} was told ${action.targets.join(', ') || 'nothing'} of ${action.question}`);
        return;
      case 'lock':
        this.#log.debug('t', `time-lock of ${action.client} for ${Math.round(action.timeoutMs / 1000)} s`);
        this.#change(lockMember(action.client), action.timeoutMs);
        return;
      case 'unlock':
        this.#log.debug('t', `time-lock of ${action.client} ends`);
        this.#change(lockMember(action.client), null);
        return;
      case 'store':
        this.#store(action.address, action.port, action.client);
        return;
      case 'create-client-file':
        this.#clientFile(action.client, (path) => writeFileSync(path, clientFileText(action.client)));
        return;
      case 'remove-client-file':
        this.#clientFile(action.client, (path) => removeFile(path));
        return;
      case 'log':
        this.#log.event(action, mac);
        return;
    }
  }

  /** Sends set changes that wait. */
  flush(): void {
    this.#members.flush();
  }

  close(): void {
    this.#members.close();
    this.#raw4.close();
    this.#raw6.close();
    this.#probe4.close();
    this.#probe6.close();
    if (this.#storeFd !== null) closeSync(this.#storeFd);
    this.#storeFd = null;
  }

  #forge(action: Extract<Action, { kind: 'send-as-peer' }>): void {
    const packet = buildUdp({ src: this.#bytesOf(action.peer), dst: this.#bytesOf(action.client), srcPort: action.peerPort, dstPort: action.clientPort, payload: action.payload });
    const errno = (action.peer.includes(':') ? this.#raw6 : this.#raw4).send(packet);
    if (errno === 0) {
      this.counters.forged++;
      this.#worked('forge');
    } else this.#failed('forge', `cannot answer ${action.client} in the name of ${action.peer}: ${errnoName(errno)}`);
  }

  /** Addresses come again and again: reading their text costs more than sending. */
  #bytesOf(address: string): Uint8Array | string {
    const known = this.#parsed.get(address);
    if (known) return known;
    const bytes = parseAddress(address);
    if (!bytes) return address;
    if (this.#parsed.size >= MAX_PARSED) this.#parsed.clear();
    this.#parsed.set(address, bytes);
    return bytes;
  }

  #change(member: SetMember | null, timeoutMs: number | null): void {
    if (!member) return;
    if (timeoutMs === null) this.#members.delete(member);
    else this.#members.add(member, timeoutMs);
  }

  #store(address: string, port: number, client: string): void {
    if (this.#storeFd === null) return;
    const text = `${this.#isStoreLineOpen ? '\n' : ''}${storeLine({ address, port, client, seenAtS: Date.now() / 1000 })}`;
    try {
      this.#isStoreLineOpen = true;
      this.#isStoreLineOpen = writeSync(this.#storeFd, text) < text.length;
      this.counters.stored++;
      this.#worked('store');
    } catch (error) {
      this.#failed('store', `cannot append to the store file: ${messageOf(error)}`);
    }
  }

  /** Of a predecessor that was killed: now no client is known. Files that others made are left alone. */
  #removeOldClientFiles(): void {
    const folder = this.#clientFolder;
    if (folder === null || !existsSync(folder)) return;
    let names: string[] = [];
    try {
      names = readdirSync(folder);
    } catch (error) {
      this.#failed('client', `client folder ${folder}: ${messageOf(error)}`);
    }
    for (const name of names) {
      if (parseAddress(name)) this.#clientFile(name, (path) => readFileSync(path, 'utf8') === clientFileText(name) && removeFile(path));
    }
  }

  #clientFile(client: string, change: (path: string) => unknown): void {
    if (this.#clientFolder === null) return;
    // An IPv6 address has colons, which are allowed in file names here.
    const path = join(this.#clientFolder, client);
    try {
      change(path);
      this.#worked('client');
    } catch (error) {
      this.#failed('client', `client file ${path}: ${messageOf(error)}`);
    }
  }

  #worked(kind: string): void {
    this.#failing.delete(kind);
  }

  #failed(kind: string, text: string): void {
    if (this.#failing.has(kind)) return;
    this.#failing.add(kind);
    this.#log.trouble(text);
  }
}

/** What a client file says: enough to tell ours from others. */
function clientFileText(client: string): string {
  return `${client}\n`;
}

/** Devices and pipes have no end; a file that is not there yet is empty. */
function endsInsideLine(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile() || found.size === 0) return false;
  const last = new Uint8Array(1);
  const fd = openSync(path, 'r');
  readSync(fd, last, 0, 1, found.size - 1);
  closeSync(fd);
  return last[0] !== 0x0a;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** The member that blocks an endpoint (port 0: an address) for a client ('' for all); null when the addresses are of different families. */
export function blockMember(client: string, address: string, port: number): SetMember | null {
  const bytes = parseAddress(address);
  if (!bytes) return null;
  const family = bytes.length === 4 ? 4 : 6;
  if (port === 0) return { set: setName(client === '' ? SETS.closed : SETS.names, family), address: bytes };
  if (client === '') return { set: setName(SETS.peers, family), address: bytes, port };
  const second = parseAddress(client);
  if (second?.length !== bytes.length) return null;
  return { set: setName(SETS.own, family), address: bytes, port, second };
}

function lockMember(client: string): SetMember | null {
  const bytes = parseAddress(client);
  return bytes && { set: setName(SETS.locked, bytes.length === 4 ? 4 : 6), address: bytes };
}
