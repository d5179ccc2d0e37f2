/**
 * What is kept of a flow while it is undecided: turns, stream prefixes, and the
 * features that wait for more bytes. Pooled and bounded: when all states are in use
 * the flow that has been undecided longest gives its state up.
 */
import { MAX_PREFIX_BYTES } from '../detect/detector.js';
import { TURN_LIMITS } from '../detect/live-inspection.js';
import type { Candidate } from '../detect/trigger-index.js';
import { type BufferPart, GrownBuffers, StreamPrefix } from '../flow/stream-prefix.js';
import { TurnSlab, Turns } from '../flow/turns.js';

/** Room for a prefix before it gets a buffer of its own: most openings are smaller. */
const FIRST_PREFIX_BYTES = 512;
/** States whose memory is allocated together. */
const STATES_PER_SLAB = 256;

/** One direction of an undecided TCP flow. */
export class StreamState {
  readonly prefix: StreamPrefix;
  /** Features that answered MORE; valid in [0, waitingCount). */
  readonly waiting: Candidate[] = [];
  waitingCount = 0;
  /** First bytes were inspected: `waiting` is meaningful. */
  hasBegun = false;

  constructor(first: BufferPart, grown: GrownBuffers) {
    this.prefix = new StreamPrefix(first, grown);
  }

  reset(): void {
    this.prefix.reset();
    this.waitingCount = 0;
    this.hasBegun = false;
  }

  /** Takes over the features that want more. */
  keep(candidates: readonly Candidate[], count: number): void {
    for (let i = 0; i < count; i++) this.waiting[i] = candidates[i]!;
    this.waitingCount = count;
    this.hasBegun = true;
  }
}

/** Memory of the states that were allocated together. */
interface Slab {
  readonly turns: TurnSlab;
  /** Two parts of FIRST_PREFIX_BYTES for each state; allocated when the first stream needs one. */
  prefixes: Uint8Array | null;
  /** Shared by all states of a pool. */
  readonly grown: GrownBuffers;
}

export class FlowState {
  readonly turns: Turns;
  /** By direction; null until a TCP flow needs it. */
  readonly streams: [StreamState | null, StreamState | null] = [null, null];
  /** Owner's number of the flow. */
  flow = -1;
  newer: FlowState | null = null;
  older: FlowState | null = null;
  readonly #slab: Slab;
  readonly #index: number;

  constructor(slab: Slab, index: number) {
    this.turns = new Turns(slab.turns, index);
    this.#slab = slab;
    this.#index = index;
  }

  /** The state of a direction, made on first use and reused afterwards. */
  stream(direction: 0 | 1): StreamState {
    const existing = this.streams[direction];
    if (existing) return existing;
    this.#slab.prefixes ??= new Uint8Array(STATES_PER_SLAB * 2 * FIRST_PREFIX_BYTES);
    const at = (this.#index * 2 + direction) * FIRST_PREFIX_BYTES;
    const made = new StreamState({ bytes: this.#slab.prefixes, at, sizeBytes: FIRST_PREFIX_BYTES }, this.#slab.grown);
    this.streams[direction] = made;
    return made;
  }

  reset(flow: number): void {
    this.flow = flow;
    this.turns.reset();
  }
}

/** States in use, oldest first, and spare ones. */
export class FlowStatePool {
  readonly #limit: number;
  readonly #onEvict: (flow: number) => void;
  readonly #spare: FlowState[] = [];
  readonly #grown = new GrownBuffers(MAX_PREFIX_BYTES);
  #slab: Slab | null = null;
  #made = 0;
  #oldest: FlowState | null = null;
  #newest: FlowState | null = null;
  #inUse = 0;

  /** `onEvict` is told the flow that loses its state; it must forget the reference. */
  constructor(limit: number, onEvict: (flow: number) => void) {
    this.#limit = Math.max(1, limit);
    this.#onEvict = onEvict;
  }

  get inUse(): number {
    return this.#inUse;
  }

  take(flow: number): FlowState {
    if (this.#inUse >= this.#limit && this.#oldest) {
      const victim = this.#oldest;
      this.#onEvict(victim.flow);
      this.give(victim);
    }
    const state = this.#spare.pop() ?? this.#make();
    state.reset(flow);
    state.older = this.#newest;
    state.newer = null;
    if (this.#newest) this.#newest.newer = state;
    else this.#oldest = state;
    this.#newest = state;
    this.#inUse++;
    return state;
  }

  #make(): FlowState {
    const index = this.#made++ % STATES_PER_SLAB;
    if (index === 0 || this.#slab === null) {
      this.#slab = { turns: new TurnSlab(TURN_LIMITS, STATES_PER_SLAB), prefixes: null, grown: this.#grown };
    }
    return new FlowState(this.#slab, index);
  }

  /** Returns a state to the pool. */
  give(state: FlowState): void {
    if (state.older) state.older.newer = state.newer;
    else this.#oldest = state.newer;
    if (state.newer) state.newer.older = state.older;
    else this.#newest = state.older;
    state.older = null;
    state.newer = null;
    this.#inUse--;
    // Grown buffers go back at once: spare states must not sit on them.
    state.streams[0]?.reset();
    state.streams[1]?.reset();
    this.#spare.push(state);
  }
}
