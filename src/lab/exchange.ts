/**
 * What is being exchanged across a gateway, and how much of it came: a file of random bytes in the lab's
 * folder `seed`, and what a program made of it in the folder `leech`, under whatever name.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Gateway } from './gateway-lab.js';

export interface Exchange {
  /** Payload bytes that came across, as far as anybody tells. */
  payloadBytes(): number;
  /** All of it came across and is right. */
  isWhole(): boolean;
}

/** Programs verify and write in blocks of at least this size; BitTorrent asks for them (BEP 3). */
const BLOCK_BYTES = 16_384;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export class FolderExchange implements Exchange {
  readonly #right: Uint8Array;
  readonly #rightHash: string;
  readonly #folder: string;
  readonly #isStream: boolean;

  /** Makes both folders and the file `seed/data`. `isStream`: whatever is in `leech` came from the other side in order. */
  constructor(gate: Gateway, lengthBytes: number, isStream = false) {
    for (const folder of ['seed', 'leech']) mkdirSync(gate.path(folder), { recursive: true });
    this.#right = randomBytes(lengthBytes);
    this.#rightHash = sha256(this.#right);
    writeFileSync(gate.path('seed/data'), this.#right);
    this.#folder = gate.path('leech');
    this.#isStream = isStream;
  }

  #files(): string[] {
    const entries = readdirSync(this.#folder, { withFileTypes: true, recursive: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  isWhole(): boolean {
    return this.#files().some((path) => statSync(path).size === this.#right.length && sha256(readFileSync(path)) === this.#rightHash);
  }

  payloadBytes(): number {
    return Math.max(0, ...this.#files().map((path) => (this.#isStream ? statSync(path).size : this.#rightBlocks(path) * BLOCK_BYTES)));
  }

  /** Blocks of a file that are as they should be. */
  #rightBlocks(path: string): number {
    if (statSync(path).size < BLOCK_BYTES) return 0;
    const got = readFileSync(path);
    let count = 0;
    for (let at = 0; at + BLOCK_BYTES <= Math.min(got.length, this.#right.length); at += BLOCK_BYTES) {
      if (got.compare(this.#right, at, at + BLOCK_BYTES, at, at + BLOCK_BYTES) === 0) count++;
    }
    return count;
  }
}
