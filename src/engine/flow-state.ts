/**
 * What is kept of a flow while it is undecided: turns, stream prefixes, and the
 * features that wait for more bytes. Pooled and bounded: when all states are in use
 * the flow that has been undecided longest gives its state up.
 */
import { DATAGRAM_HEAD_BYTES, MAX_PREFIX_BYTES, MAX_TURNS } from '../detect/detector.js';
import { TURN_LIMITS } from '../detect/live-inspection.js';
import { GrownBuffers, StreamPrefix } from '../flow/stream-prefix.js';
import { TurnSlab, Turns } from '../flow/turns.js';

/** Room for a prefix before it gets a buffer of its own: half the room for heads of datagrams. Many openings are smaller. */
const FIRST_PREFIX_BYTES = (MAX_TURNS * DATAGRAM_HEAD_BYTES) / 2;
/** States whose memory is allocated together. */
const STATES_PER_SLAB = 256;

/** One direction of an undecided TCP flow: its first bytes, and who waits for more of them. */
export class StreamState extends StreamPrefix {
  /** First bytes were inspected: the waiting features are known. */
  hasBegun = false;
  /** Bits of the features that answered MORE, in the list of features for the stream's first byte. */
  waitingLow = 0;
  waitingHigh = 0;
  /** Segments were cut by a snap length: what was captured of them adjoins. */
  isSpliced = false;

  override reset(): void {
    super.reset();
    this.hasBegun = false;
    this.waitingLow = 0;
    this.waitingHigh = 0;
    this.isSpliced = false;
  }

  get isWaiting(): boolean {
    return (this.waitingLow | this.waitingHigh) !== 0;
  }

  /** Takes over which features want more. */
  keep(low: number, high: number): void {
    this.waitingLow = low;
    this.waitingHigh = high;
    this.hasBegun = true;
  }
}

/** Memory of the states that were allocated together. */
interface Slab {
  readonly turns: TurnSlab;
  /** Shared by all states of a pool. */
  readonly grown: GrownBuffers;
}

export class FlowState {
  readonly turns: Turns;
  /** Owner's number of the flow. */
  flow = -1;
  newer: FlowState | null = null;
  older: FlowState | null = null;
  readonly #slab: Slab;
  // Null until a TCP flow needs them.
  #fromInitiator: StreamState | null = null;
  #fromResponder: StreamState | null = null;

  constructor(slab: Slab, index: number) {
    this.turns = new Turns(slab.turns, index);
    this.#slab = slab;
  }

  /** The state of a direction if it was used since the state was made, or null. */
  existingStream(direction: 0 | 1): StreamState | null {
    return direction === 0 ? this.#fromInitiator : this.#fromResponder;
  }

  /** The state of a direction, made on first use and reused afterwards. */
  stream(direction: 0 | 1): StreamState {
    return this.existingStream(direction) ?? this.#makeStream(direction);
  }

  #makeStream(direction: 0 | 1): StreamState {
    const { turns, grown } = this.#slab;
    // A flow is either datagrams or streams: the first bytes of streams stand where heads of datagrams would.
    const at = this.turns.headAt(0) + direction * FIRST_PREFIX_BYTES;
    const made = new StreamState({ bytes: turns.heads, at, sizeBytes: FIRST_PREFIX_BYTES }, grown);
    if (direction === 0) this.#fromInitiator = made;
    else this.#fromResponder = made;
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
      this.#slab = { turns: new TurnSlab(TURN_LIMITS, STATES_PER_SLAB), grown: this.#grown };
    }
    return new FlowState(this.#slab, index);
  }

  /** The features have changed: streams in use are shown to all of them again, from their first byte, with the next segment. */
  restart(): void {
    for (let state = this.#oldest; state; state = state.newer) {
      for (const direction of [0, 1] as const) {
        const stream = state.existingStream(direction);
        if (stream) stream.hasBegun = false;
      }
    }
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
    state.existingStream(0)?.reset();
    state.existingStream(1)?.reset();
    this.#spare.push(state);
  }
}
