/**
 * The slot form of a rope program: what the JavaScript and eBPF back ends compile.
 *
 * `lower.ts` makes it from the stack form (`code.ts`) by running the program on
 * symbolic values. After that there is no run-time stack: each value is a
 * constant or lives in a numbered slot, blocks are inlined where they run,
 * register references are resolved, pushed arguments are constants. Programs
 * for which this is impossible (depth or types known only at run time) have no
 * slot form; the interpreter runs their stack form.
 *
 * Semantics, equal on every back end:
 * - Integers are 32 bits, signed, with wraparound.
 * - Strings are immutable byte strings: a back end may keep (offset, length) into
 *   the packet or copy the bytes, nobody can tell the difference.
 * - `$offset` is integer slot 0 and may hold any integer. The bytes left are
 *   `[offset, packet_len)` when 0 <= offset <= packet_len, otherwise none.
 *   An operation that finds too few bytes leaves slot 0 as it was.
 * - Ends: an operation that "ends with V" finishes the innermost `scope` or body of an `attempt`
 *   around it with verdict V, or the program when there is none. `hotdrop` always
 *   finishes the program.
 * - Running off the end of a program or scope gives OKAY.
 * - Every operation is total: what can fail (division by zero, say) is guarded
 *   by an `if` with an `end` that `lower.ts` put in front of it. The only
 *   exceptions are those documented at `charge`, `loop` and `ArenaOp`.
 * - `dst` may be one of the operand slots: operands are read before it is written.
 *
 * It deliberately knows nothing of source text: `at` is a step number, see
 * `Ir.spans`.
 */

/** Verdict codes as scripts see them (specs of the original: FAIL 0 ... NO 3); HOTDROP is ours and never visible to scripts. */
export const FAIL = 0;
export const OKAY = 1;
export const YES = 2;
export const NO = 3;
export const HOTDROP = 4;
export type Verdict = typeof FAIL | typeof OKAY | typeof YES | typeof NO | typeof HOTDROP;

/** OKAY and YES are a match; FAIL and NO are not; HOTDROP discards the packet whatever the rule's target. */
export function isMatch(verdict: Verdict): boolean {
  return verdict === OKAY || verdict === YES;
}

/** Why a program ended with FAIL, or with HOTDROP by a limit. */
export type ErrorTag =
  | 'EStackEmpty' // a word found too few items (interpreter only: the checker proves the opposite for the slot form)
  | 'EStackFull' // more items than the limit (interpreter only, as above)
  | 'EBadType' // an operand of the wrong type (interpreter only, as above)
  | 'EMixedTypes' // comparison of an integer with a string (interpreter only)
  | 'EAnchor' // a word ran into an anchor: too few values inside its bracket (interpreter only)
  | 'ETooManyValues' // a word of fixed arity found more values in its bracket (interpreter only)
  | 'EReadOnly' // put, inc or dec on a header register (interpreter only)
  | 'EAssertFailed' // reported for a false assert; the verdict is NO, not FAIL
  | 'EDivideByZero' // div or mod by zero
  | 'EBadLength' // string operands of unequal length (and, or, xor), or too short to decode
  | 'EBadNumber' // atoi found no digits
  | 'EBadRegister' // greg or reg index out of range
  | 'EArenaFull' // more computed string bytes than the arena holds
  | 'EMaxActions' // $max_actions exceeded: verdict HOTDROP
  | 'EMaxLoops'; // $max_while_loops exceeded: verdict HOTDROP

/** Number of global registers. */
export const GLOBAL_COUNT = 64;
/** The integer slot that holds `$offset`. */
export const OFFSET_SLOT = 0;

/** An integer operand. */
export type Int = { readonly kind: 'const'; readonly value: number } | { readonly kind: 'slot'; readonly slot: number };
/** A string operand: `literal` indexes `Ir.literals`, `slot` indexes `Ir.strSlots`. */
export type Str = { readonly kind: 'literal'; readonly index: number } | { readonly kind: 'slot'; readonly slot: number };

export type Rel = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';

/** Something that is true or false. */
export type Test =
  /** Signed comparison. */
  | { readonly kind: 'int'; readonly rel: Rel; readonly a: Int; readonly b: Int }
  /** Bytewise unsigned comparison, the shorter string first when one is a prefix of the other. `ignoreCase` folds ASCII letters and comes with eq and ne only. */
  | { readonly kind: 'str'; readonly rel: Rel; readonly ignoreCase: boolean; readonly a: Str; readonly b: Str }
  /** `of` is not empty and each of its bytes is in `Ir.sets[set]`; `negated` turns the answer over. */
  | { readonly kind: 'all'; readonly of: Str; readonly set: number; readonly negated: boolean };

/**
 * Integer registers that come with the packet. Fields of an absent protocol read 0.
 * What each reads is defined by `packet.ts` (class PacketInput).
 */
export type IntField =
  | 'packet_len' | 'data_len' | 'data_start'
  | 'ip_version' | 'ip_ihl' | 'ip_tos' | 'ip_tot_len' | 'ip_id' | 'ip_dont_frag' | 'ip_frag_off'
  | 'ip_ttl' | 'ip_protocol' | 'ip_check' | 'ip6_hop_limit' | 'ip6_flow_label'
  | 'tcp_source' | 'tcp_dest' | 'tcp_seq' | 'tcp_ack_seq' | 'tcp_doff' | 'tcp_window' | 'tcp_check' | 'tcp_urg_ptr'
  | 'tcp_urg' | 'tcp_ack' | 'tcp_psh' | 'tcp_rst' | 'tcp_syn' | 'tcp_fin'
  | 'udp_source' | 'udp_dest' | 'udp_len' | 'udp_check'
  | 'ct_proto' | 'ct_mark' | 'ct_state' | 'mark'
  | 'kernel_time' | 'packet_time';

/** String registers that come with the packet: slices of it. Addresses are 4 bytes (IPv4), 16 (IPv6) or empty (not IP). */
export type StrField = 'packet' | 'data' | 'ip_saddr' | 'ip_daddr';

export type ArithFn = 'add' | 'sub' | 'mult' | 'div' | 'mod' | 'and' | 'or' | 'xor' | 'lshift' | 'rshift';
/** Fixed-width numbers inside a string; the number of bytes read is in the name. 32-bit forms wrap to signed. */
export type DecodeForm = 'u8' | 'be16s' | 'be16u' | 'le16s' | 'le16u' | 'be32' | 'le32';
export type TimePart = 'sec' | 'min' | 'hour' | 'mday' | 'mon' | 'year' | 'wday';
export type Zone = 'local' | 'utc';

/** Each operation carries `at`: index into `Ir.spans`, the step of the source it came from. */
interface At {
  readonly at: number;
}

/** Operations on integers. */
export type IntOp =
  | { readonly op: 'int'; readonly dst: number; readonly value: Int }
  /**
   * dst = a fn b. div and mod truncate towards zero, the remainder has the sign of a, b is never 0
   * (guarded), -2^31 div -1 = -2^31 and its mod 0. Shift counts outside 0..31 (as unsigned) give 0
   * for lshift and all sign bits for rshift, which is arithmetic.
   */
  | { readonly op: 'arith'; readonly fn: ArithFn; readonly dst: number; readonly a: Int; readonly b: Int }
  /** dst = |a|; -2^31 stays. */
  | { readonly op: 'abs'; readonly dst: number; readonly a: Int }
  /** dst = 1 if the test holds, else 0. */
  | { readonly op: 'test'; readonly dst: number; readonly test: Test }
  | { readonly op: 'field'; readonly dst: number; readonly field: IntField }
  /** Length in bytes. */
  | { readonly op: 'length'; readonly dst: number; readonly of: Str }
  /** Number at the start of `of`, which is long enough (guarded). */
  | { readonly op: 'decode'; readonly dst: number; readonly form: DecodeForm; readonly of: Str }
  /**
   * Decimal number at the start of `of`: optional '-' or '+', then digits up to the first other byte.
   * At least one digit is present (guarded by `digits`). More than 2^31-1 gives 2^31-1, less than -2^31 gives -2^31.
   */
  | { readonly op: 'atoi'; readonly dst: number; readonly of: Str }
  /** dst = 1 when `atoi` would find at least one digit, else 0. */
  | { readonly op: 'digits'; readonly dst: number; readonly of: Str }
  /** Component of epoch seconds (signed 32 bits): mon 1-12, year four digits, wday Monday = 1 ... Sunday = 7. */
  | { readonly op: 'timePart'; readonly dst: number; readonly part: TimePart; readonly zone: Zone; readonly of: Int }
  /** Global register; index is within 0..GLOBAL_COUNT-1 (guarded). */
  | { readonly op: 'getGlobal'; readonly dst: number; readonly index: Int }
  | { readonly op: 'setGlobal'; readonly index: Int; readonly value: Int }
  /** Adds atomically (inc and dec), with wraparound. */
  | { readonly op: 'addGlobal'; readonly index: Int; readonly delta: number };

/** Operations that make a string without new bytes. */
export type SliceOp =
  | { readonly op: 'str'; readonly dst: number; readonly value: Str }
  | { readonly op: 'strField'; readonly dst: number; readonly field: StrField }
  /** `length` bytes of `of` from `start`; start is clamped to 0..len, then length to 0..len-start. */
  | { readonly op: 'slice'; readonly dst: number; readonly of: Str; readonly start: Int; readonly length: Int };

/**
 * Operations that make a string of new bytes. When `Ir.checksArena` is set each adds the length of its
 * result to the bytes used so far in this run, and more than `Limits.arenaBytes` ends with FAIL (EArenaFull)
 * before anything else happens. When it is not set, the total is proven to fit.
 */
export type ArenaOp =
  /** Bytewise; both have the same length (guarded). */
  | { readonly op: 'bitwise'; readonly fn: 'and' | 'or' | 'xor'; readonly dst: number; readonly a: Str; readonly b: Str }
  | { readonly op: 'concat'; readonly dst: number; readonly parts: readonly Str[] }
  /** ASCII letters only. */
  | { readonly op: 'mapCase'; readonly to: 'lower' | 'upper'; readonly dst: number; readonly of: Str }
  /** One byte: the low 8 bits. */
  | { readonly op: 'chr'; readonly dst: number; readonly of: Int }
  /** ipv4: `of` is 4 bytes long (guarded), dotted text. mac: any length, lower-case hex pairs joined by colons. */
  | { readonly op: 'format'; readonly form: 'ipv4' | 'mac'; readonly dst: number; readonly of: Str }
  /** 14 bytes: seven little-endian 16-bit fields sec min hour mday mon(0-11) year(-1900) wday(Sunday = 0). */
  | { readonly op: 'time'; readonly zone: Zone; readonly dst: number; readonly of: Int };

/** Operations that read at `$offset` and move it past what they read. `dst` null: nobody wants the bytes. */
export type ReadOp =
  /** Up to `count` bytes (negative counts as 0). Fewer left: `short` takes what is there, `no` ends with NO. */
  | { readonly op: 'take'; readonly dst: number | null; readonly count: Int; readonly missing: 'short' | 'no' }
  /** The longest run of bytes in `Ir.sets[set]`. Empty: `short` gives "", `no` ends with NO. */
  | { readonly op: 'takeWhile'; readonly dst: number | null; readonly set: number; readonly missing: 'short' | 'no' }
  /**
   * As takeWhile with a computed condition: for each byte left, string slot `byte` is that one byte (a packet
   * slice), slot 0 its position, `body` runs, and `test` tells whether to keep the byte and go on. Whatever
   * `body` leaves in slot 0 is overwritten: with the next position, or at the end with that of the first byte not kept.
   */
  | {
      readonly op: 'scan'; readonly dst: number | null; readonly byte: number;
      readonly body: readonly Op[]; readonly test: Test; readonly missing: 'short' | 'no';
    }
  /**
   * First place of `needle` in the bytes left (an empty needle is found at once). Found: dst is what precedes it and
   * the offset moves behind it. Not found: `no` ends with NO; `rest` gives all bytes left and moves to the end.
   */
  | { readonly op: 'search'; readonly dst: number | null; readonly needle: Str; readonly ignoreCase: boolean; readonly missing: 'no' | 'rest' }
  /** The bytes left begin with the parts, one behind the other: moves past them all; otherwise ends with NO. */
  | { readonly op: 'expectStr'; readonly parts: readonly Str[]; readonly ignoreCase: boolean };

/** Control. */
export type ControlOp =
  | { readonly op: 'if'; readonly test: Test; readonly whenTrue: readonly Op[]; readonly whenFalse: readonly Op[] }
  /**
   * `head` runs, then `test`; while it holds, `body` runs and all begins again. Integer slot `counter` counts
   * bodies (the loop sets it to 0 first): when it has reached `limit` and a further body would begin, ends the program with HOTDROP (EMaxLoops).
   * `limit` is a constant unless the script writes `$max_while_loops`.
   */
  | { readonly op: 'loop'; readonly head: readonly Op[]; readonly test: Test; readonly body: readonly Op[]; readonly counter: number; readonly limit: Int }
  /** `body` runs `count` times (evaluated once; negative: none). `counter` counts from 0 up. */
  | { readonly op: 'repeat'; readonly count: Int; readonly body: readonly Op[]; readonly counter: number }
  /** eval: what ends inside ends only `body`; integer slot `result` gets the verdict code (0-3). */
  | { readonly op: 'scope'; readonly body: readonly Op[]; readonly result: number }
  /**
   * An alternative of expect_one: `body` runs as that of a scope; `whenMatched` when it came to OKAY or YES, `otherwise` when it
   * came to NO or FAIL. Those two belong to the scope around.
   */
  | { readonly op: 'attempt'; readonly body: readonly Op[]; readonly whenMatched: readonly Op[]; readonly otherwise: readonly Op[] }
  /** Ends the innermost scope. The last operation of its list. `tag` for FAIL, and EAssertFailed for a false assert. */
  | { readonly op: 'end'; readonly verdict: typeof FAIL | typeof YES | typeof NO; readonly tag: ErrorTag | null }
  /** Ends the program: the packet is dropped. The last operation of its list. */
  | { readonly op: 'hotdrop'; readonly message: Str | null }
  /**
   * Adds `count` actions; more than `limit` in all ends the program with HOTDROP (EMaxActions).
   * Stands at the start of each block that runs; absent (all of them) when the total is proven to fit.
   */
  | { readonly op: 'charge'; readonly count: number; readonly limit: Int };

export type PrintPart = { readonly type: 'int'; readonly value: Int } | { readonly type: 'str'; readonly value: Str };
/** Output: events for whoever runs the program, never part of the verdict. Not for the kernel. */
export type OutputOp =
  | { readonly op: 'print'; readonly parts: readonly PrintPart[]; readonly newline: boolean }
  | { readonly op: 'hexdump'; readonly of: Str };

export type Op = (IntOp | SliceOp | ArenaOp | ReadOp | ControlOp | OutputOp) & At;

/**
 * What a string slot can hold, for its whole life:
 * - `packet`: a slice of the packet: two numbers, offset from the start of the IP header and length.
 * - `literal`: one of several literals (a join of branches).
 * - `arena`: new bytes.
 * - `any`: several of these: needs a tag or pointer at run time.
 */
export type StrBase = 'packet' | 'literal' | 'arena' | 'any';

export interface StrSlotInfo {
  readonly base: StrBase;
  /** Never longer than this; 65535 when nothing better is known. */
  readonly maxLengthBytes: number;
  /** User register the slot belongs to, or null for a value of the stack. Slots of registers start as "" (never read before written). */
  readonly register: string | null;
}

export interface IntSlotInfo {
  /** User register, 'offset', 'max_actions', 'max_while_loops', or null for a value of the stack. Slots of user registers start as 0. */
  readonly register: string | null;
}

export interface Limits {
  /** Items on the stack, anchors included. */
  readonly stackItems: number;
  /** Bytes of computed strings in one run. */
  readonly arenaBytes: number;
  readonly maxActions: number;
  readonly maxWhileLoops: number;
}

export const DEFAULT_LIMITS: Limits = { stackItems: 64, arenaBytes: 65536, maxActions: 100_000, maxWhileLoops: 10_000 };
/** The limits of the original program, as far as they are recorded. */
export const ORIGINAL_LIMITS: Limits = { stackItems: 20, arenaBytes: 1000, maxActions: 1000, maxWhileLoops: 1000 };

/** Place in the source: byte-free character offsets of the text, [start, end); line and column from 1. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly line: number;
  readonly column: number;
}

export interface Ir {
  readonly ops: readonly Op[];
  /** Slot 0 is `$offset`, set by the packet before the program begins. All other slots are 0 at the start. */
  readonly intSlots: readonly IntSlotInfo[];
  readonly strSlots: readonly StrSlotInfo[];
  readonly literals: readonly Uint8Array[];
  /** Byte sets of 32 bytes: byte b is in the set when bit (b & 7) of set[b >> 3] is 1. */
  readonly sets: readonly Uint8Array[];
  readonly spans: readonly Span[];
  readonly limits: Limits;
  readonly checksArena: boolean;
}
