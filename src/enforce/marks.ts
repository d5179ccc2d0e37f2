/**
 * Which bits of the packet and connection mark are ours, and what they mean.
 *
 * The mask is a run of at least eight bits; the field's value is the verdict:
 *
 *   0        undecided: the flow's packets go to the queue
 *   1        passes, no more questions
 *   2        dropped
 *   3        rejected (TCP reset, ICMP port unreachable)
 *   4 ... 254 passes in the traffic class of a rule (limit, prioritise)
 *   255      mode closed, packets only: undecided, and our chains have seen it
 *
 * Bits outside the mask belong to others and survive: every rule reads and writes
 * through the mask. The default, 0x00ff0000, stays clear of the low bytes that most
 * policy-routing set-ups use, of tailscale's (0x00ff0000 is its fwmark mask's upper
 * byte on some systems: change ours there) and of Docker's single bits.
 */
import { invariant } from '../base/assert.js';
import { markMaskProblem } from '../base/mark-mask.js';

export const VALUE_UNDECIDED = 0;
export const VALUE_PASS = 1;
export const VALUE_DROP = 2;
export const VALUE_REJECT = 3;
/** Values of the traffic classes. */
export const VALUE_FIRST_CLASS = 4;
export const VALUE_LAST_CLASS = 0xfe;
/** Never in the mark of a connection. */
export const VALUE_SEEN = 0xff;

export interface MarkField {
  readonly mask: number;
  readonly shift: number;
}

export function markField(mask: number): MarkField {
  invariant(markMaskProblem(mask) === null, `mark mask ${mask}`);
  const shift = 31 - Math.clz32(mask & -mask);
  return { mask, shift };
}

/** The mark that says `value`, other bits zero. */
export function markOf(field: MarkField, value: number): number {
  return (value << field.shift) >>> 0;
}

/** Our value in a mark. */
export function markValue(field: MarkField, mark: number): number {
  return (mark & field.mask) >>> field.shift;
}

/** `0x20000/0xff0000`, as iptables and nft write it. */
export function markText(field: MarkField, value: number): string {
  return `${hex(markOf(field, value))}/${hex(field.mask)}`;
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
