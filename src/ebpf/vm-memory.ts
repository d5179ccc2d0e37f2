/**
 * Memory and maps of the virtual machine.
 *
 * An address is `(region + 1) << 32 | offset`: pointers can be added to and
 * compared like the kernel's, yet every access finds its region and is bounds
 * checked. Address 0 is null. The stack tracks which bytes were written, since
 * reading a byte nobody wrote is what the kernel's verifier refuses.
 */
import type { MapShape } from './maps.js';

/** Raised by a program that does what the kernel's verifier would not let pass. */
export class VmFault extends Error {
  override readonly name = 'VmFault';
}

interface Region {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly isWritable: boolean;
  /** One flag for each byte; absent when all bytes are defined from the start. */
  readonly written?: Uint8Array;
}

const OFFSET_MASK = 0xffff_ffffn;

export class VmMemory {
  readonly #regions: (Region | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #known = new Map<Uint8Array, bigint>();

  /** Address of the first byte. The same array keeps its address. `tracked` regions must be written before they are read. */
  add(name: string, bytes: Uint8Array, isWritable: boolean, tracked = false): bigint {
    const known = this.#known.get(bytes);
    if (known !== undefined) return known;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const region = { name, bytes, view, isWritable, ...(tracked && { written: new Uint8Array(bytes.length) }) };
    const index = this.#free.pop() ?? this.#regions.length;
    this.#regions[index] = region;
    const address = BigInt(index + 1) << 32n;
    this.#known.set(bytes, address);
    return address;
  }

  /** Later accesses through this address fail: a frame that was left. */
  remove(address: bigint): void {
    const index = Number(address >> 32n) - 1;
    const region = this.#regions[index];
    if (!region) return;
    this.#known.delete(region.bytes);
    this.#regions[index] = undefined;
    this.#free.push(index);
  }

  /** Little-endian unsigned value of 1, 2, 4 or 8 bytes. */
  read(address: bigint, width: 1 | 2 | 4 | 8): bigint {
    const { region, at } = this.#at(address, width, false);
    switch (width) {
      case 1:
        return BigInt(region.view.getUint8(at));
      case 2:
        return BigInt(region.view.getUint16(at, true));
      case 4:
        return BigInt(region.view.getUint32(at, true));
      case 8:
        return region.view.getBigUint64(at, true);
    }
  }

  write(address: bigint, width: 1 | 2 | 4 | 8, value: bigint): void {
    const { region, at } = this.#at(address, width, true);
    switch (width) {
      case 1:
        region.view.setUint8(at, Number(value & 0xffn));
        break;
      case 2:
        region.view.setUint16(at, Number(value & 0xffffn), true);
        break;
      case 4:
        region.view.setUint32(at, Number(value & 0xffff_ffffn), true);
        break;
      case 8:
        region.view.setBigUint64(at, BigInt.asUintN(64, value), true);
        break;
    }
  }

  /** The bytes themselves, for helper functions: borrowed until the program goes on. */
  bytes(address: bigint, length: number, access: 'read' | 'write'): Uint8Array {
    const { region, at } = this.#at(address, length, access === 'write');
    return region.bytes.subarray(at, at + length);
  }

  #at(address: bigint, length: number, isWrite: boolean): { region: Region; at: number } {
    const region = this.#regions[Number(address >> 32n) - 1];
    if (!region) throw new VmFault(`address 0x${address.toString(16)} points nowhere`);
    const at = Number(BigInt.asIntN(32, address & OFFSET_MASK));
    if (at < 0 || at + length > region.bytes.length) {
      throw new VmFault(`${length} bytes at ${at} of ${region.name} (${region.bytes.length} bytes) are out of bounds`);
    }
    if (isWrite && !region.isWritable) throw new VmFault(`${region.name} is read only`);
    if (region.written) {
      if (isWrite) region.written.fill(1, at, at + length);
      else if (region.written.subarray(at, at + length).includes(0)) {
        throw new VmFault(`bytes ${at} to ${at + length - 1} of ${region.name} are read before they are written`);
      }
    }
    return { region, at };
  }
}

/** A map that lives in this process. Values are the storage itself, so that the program and the test see the same bytes. */
export class VmMap {
  readonly shape: MapShape;
  readonly #values = new Map<string, Uint8Array>();

  constructor(shape: MapShape) {
    this.shape = shape;
    if (!isArray(shape)) return;
    for (let i = 0; i < shape.maxEntries; i++) {
      this.#values.set(keyText(Uint8Array.of(i, i >>> 8, i >>> 16, i >>> 24)), new Uint8Array(shape.valueBytes));
    }
  }

  /** The value's storage, or undefined. */
  lookup(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(keyText(key));
  }

  /** False when the map is full, or the index of an array does not exist. */
  update(key: Uint8Array, value: Uint8Array): boolean {
    const known = this.lookup(key);
    if (known) {
      known.set(value);
      return true;
    }
    if (isArray(this.shape) || this.#values.size >= this.shape.maxEntries) return false;
    this.#values.set(keyText(key), value.slice());
    return true;
  }

  /** False when there was no such key; elements of an array stay. */
  delete(key: Uint8Array): boolean {
    return !isArray(this.shape) && this.#values.delete(keyText(key));
  }
}

function isArray(shape: MapShape): boolean {
  return shape.type === 'array' || shape.type === 'percpu-array';
}

function keyText(key: Uint8Array): string {
  return String.fromCharCode(...key);
}
