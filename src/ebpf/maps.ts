/**
 * The shape of a map: what a program needs to know of it before it exists.
 *
 * A compiler lists shapes by name next to its instructions; the loader creates
 * the maps and the virtual machine imitates them from the same list.
 */
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH, BPF_MAP_TYPE_PERCPU_ARRAY } from './helpers.js';

export interface MapShape {
  readonly type: 'array' | 'percpu-array' | 'hash' | 'lru-hash';
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
}

export const MAP_TYPE_NUMBERS: Readonly<Record<MapShape['type'], number>> = {
  array: BPF_MAP_TYPE_ARRAY,
  'percpu-array': BPF_MAP_TYPE_PERCPU_ARRAY,
  hash: BPF_MAP_TYPE_HASH,
  'lru-hash': BPF_MAP_TYPE_LRU_HASH,
};
