/** Detectors of the configuration on their way to the inspection threads, and there. */
import { ropeProtocols } from '../config/rope-protocols.js';
import type { Protocol } from '../detect/detector.js';
import { PROTOCOLS } from '../detect/registry.js';
import { replaceProtocols } from '../engine/protocol-places.js';
import type { RopeSettings } from './inspection-news.js';

/** Settings for other detectors than before; null when the places are used up (`replaceProtocols`). */
export function newRopeSettings(before: RopeSettings, entries: RopeSettings['entries'], own: readonly Protocol[]): RopeSettings | null {
  const all = replaceProtocols([...PROTOCOLS, ...before.places], PROTOCOLS.length, own);
  return all && { ...before, entries, places: all.slice(PROTOCOLS.length).map((protocol) => ({ ...protocol, features: [] })) };
}

/** All protocols, those of the configuration compiled. A script that has become faulty since the main thread read it names nothing. */
export function protocolsOf({ entries, configPath, places }: RopeSettings): readonly Protocol[] {
  const own = ropeProtocols(entries, configPath).protocols;
  return [...PROTOCOLS, ...places.map((place) => own.find(({ id }) => id === place.id) ?? place)];
}
