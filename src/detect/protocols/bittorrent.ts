/**
 * BitTorrent: peers over TCP and uTP, DHT, trackers, local discovery.
 * The parts stand in `bittorrent/`, one file for each feature.
 */
import { defineProtocol } from '../detector.js';
import { dht } from './bittorrent/dht.js';
import { handshake } from './bittorrent/handshake.js';
import { mse } from './bittorrent/mse.js';
import { peerWire } from './bittorrent/peer-wire.js';
import { utp } from './bittorrent/utp.js';

export const bittorrent = defineProtocol({
  id: 'bittorrent',
  title: 'BitTorrent',
  category: 'file-sharing',
  specs: [
    'https://www.bittorrent.org/beps/bep_0003.html',
    'https://www.bittorrent.org/beps/bep_0005.html',
    'https://www.bittorrent.org/beps/bep_0029.html',
  ],
  features: [handshake, peerWire, mse, utp, dht],
});
