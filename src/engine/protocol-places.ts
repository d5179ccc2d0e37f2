/**
 * Protocols change while flows live (scripts of the configuration); findings and peer memory know a protocol by its place
 * in the list. So a place is never given to another protocol: one that is gone stays there without features.
 */
import type { Protocol } from '../detect/detector.js';

/** Peer memory keeps a place in 8 bits (flow/peer-memory.ts). */
const MAX_PLACES = 256;

/**
 * The list for `own` instead of those that followed the first `fixed` before; null when the places are used up by too many
 * names that came and went.
 */
export function replaceProtocols(before: readonly Protocol[], fixed: number, own: readonly Protocol[]): readonly Protocol[] | null {
  const kept = before.map((protocol, place) => {
    if (place < fixed) return protocol;
    return own.find(({ id }) => id === protocol.id) ?? { ...protocol, features: [] };
  });
  const added = own.filter(({ id }) => !before.some((protocol) => protocol.id === id));
  return kept.length + added.length > MAX_PLACES ? null : [...kept, ...added];
}
