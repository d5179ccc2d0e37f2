/**
 * All protocols, alphabetically: one line each, no directory scan, no side effects.
 * Configuration, completion, `p2pwall protocols` and the documentation derive from it.
 */
import type { Protocol } from './detector.js';
import { ares } from './protocols/ares.js';
import { bitcoin } from './protocols/bitcoin.js';
import { bittorrent } from './protocols/bittorrent.js';
import { directconnect } from './protocols/directconnect.js';
import { edonkey } from './protocols/edonkey.js';
import { ethereum } from './protocols/ethereum.js';
import { fasttrack } from './protocols/fasttrack.js';
import { gnutella } from './protocols/gnutella.js';
import { gnutella2 } from './protocols/gnutella2.js';
import { hyperswarm } from './protocols/hyperswarm.js';
import { ipfs } from './protocols/ipfs.js';
import { kontiki } from './protocols/kontiki.js';
import { openft } from './protocols/openft.js';
import { opennap } from './protocols/opennap.js';
import { pplive } from './protocols/pplive.js';
import { ppstream } from './protocols/ppstream.js';
import { resilio } from './protocols/resilio.js';
import { sopcast } from './protocols/sopcast.js';
import { soulseek } from './protocols/soulseek.js';
import { syncthing } from './protocols/syncthing.js';
import { thunder } from './protocols/thunder.js';
import { winmx } from './protocols/winmx.js';

export const PROTOCOLS: readonly Protocol[] = [
  ares,
  bitcoin,
  bittorrent,
  directconnect,
  edonkey,
  ethereum,
  fasttrack,
  gnutella,
  gnutella2,
  hyperswarm,
  ipfs,
  kontiki,
  openft,
  opennap,
  pplive,
  ppstream,
  resilio,
  sopcast,
  soulseek,
  syncthing,
  thunder,
  winmx,
];
