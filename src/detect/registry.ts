/**
 * All protocols, alphabetically: one line each, no directory scan, no side effects.
 * Configuration, completion, `p2pwall protocols` and the documentation derive from it.
 */
import type { Protocol } from './detector.js';
import { bitcoin } from './protocols/bitcoin.js';
import { gnutella } from './protocols/gnutella.js';
import { gnutella2 } from './protocols/gnutella2.js';
import { hyperswarm } from './protocols/hyperswarm.js';
import { ipfs } from './protocols/ipfs.js';
import { resilio } from './protocols/resilio.js';
import { syncthing } from './protocols/syncthing.js';

export const PROTOCOLS: readonly Protocol[] = [
  bitcoin,
  gnutella,
  gnutella2,
  hyperswarm,
  ipfs,
  resilio,
  syncthing,
];
