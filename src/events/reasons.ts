/**
 * Why a verdict was given: every decision carries one of these, every one is explained
 * in docs/events.md (a test checks that).
 */
export const REASONS = {
  'rule': 'a rule of the policy names this protocol',
  'default': 'no rule matches: the default action',
  'exception': 'the client or the outside network is excepted from the rule',
  'not-p2p': 'the flow was inspected to the end of its budget and nothing was found',
  'contained': 'the client is contained and the endpoint is a known peer',
  'blocked': 'an administrator blocked the address for a time',
  'table-full': 'the flow table was full and the flow was evicted undecided',
  'state-evicted': 'too many flows were undecided at once',
  'malformed': 'the packet contradicts itself',
  'truncated': 'the packet ends inside a header',
  'detector-threw': 'a detector failed on this packet (a bug: please report it)',
  'queue-overrun': 'the kernel had to pass or drop packets because the queue was full',
} as const;

export type ReasonCode = keyof typeof REASONS;
