/**
 * PPLive (PPTV): the datagrams of its peers.
 *
 *   E9 03 41 01 or E9 03 42 01 | ...      request and answer (peers, trackers)
 *   1C 1C 32 01 | ...                     older clients, both directions
 *
 * Not recognised: its HTTP requests, and flows that show neither word.
 * No specification was published; these are the facts that public traffic classifiers agree on.
 */
import { defineProtocol, type Finding, type Inspection, match, NO, UDP } from '../detector.js';
import { fromHex, u32 } from '../../base/bytes.js';

const DIALOGUE = match('certain', 'PPLive header words in both directions');
const REQUEST = match('likely', 'PPLive request of the usual 57 bytes');
const ONE_SIDED = match('suspected', 'datagram that begins with a PPLive header word');

const WORD_REQUEST = 0xe9034101;
const WORD_ANSWER = 0xe9034201;
const WORD_OLD = 0x1c1c3201;
const REQUEST_BYTES = 57;

const family = (word: number): number => (word === WORD_OLD ? 2 : word === WORD_REQUEST || word === WORD_ANSWER ? 1 : 0);

/** 32 literal bits in each direction: 2^-63, and 2^-30 where both sides begin with one random number of the connection. One side alone is a suspicion, with the length seen in use two independent signs. */
function inspect(input: Inspection): Finding {
  const { bytes, start, end, turns } = input;
  if (end - start < 8) return NO;
  const word = u32(bytes, start);
  for (let i = 0; i < turns.count; i++) {
    if (turns.direction(i) === input.direction || turns.headLengthBytes(i) < 4) continue;
    if (family(u32(turns.heads, turns.headAt(i))) === family(word)) return DIALOGUE;
  }
  return word === WORD_REQUEST && end - start === REQUEST_BYTES ? REQUEST : ONE_SIDED;
}

export const pplive = defineProtocol({
  id: 'pplive',
  title: 'PPLive (PPTV)',
  category: 'streaming',
  specs: ['https://en.wikipedia.org/wiki/PPTV'],
  features: [
    {
      feature: 'peer',
      transport: UDP,
      trigger: { kind: 'anchors', anchors: ['e9034101', 'e9034201', '1c1c3201'].map((hex) => ({ at: 0, bytes: fromHex(hex) })) },
      inspect,
    },
  ],
});
