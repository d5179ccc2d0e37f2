/**
 * BitTorrent: peers over TCP and uTP, clear and encrypted; DHT; trackers over UDP,
 * HTTP and WebSocket; local discovery; downloads of `.torrent` files; names of public
 * servers. The parts stand in `bittorrent/`, one file for each feature.
 *
 * Not recognised: data channels of WebTorrent (DTLS) whose tracker was not seen in clear, web seeds (plain HTTP, BEP 19)
 * of programs that do not say their name, trackers over TLS without a known name, and encrypted streams picked up in
 * the middle, except by their endpoints.
 */
import { defineProtocol } from '../detector.js';
import { dht } from './bittorrent/dht.js';
import { handshake, proxiedHandshake } from './bittorrent/handshake.js';
import { httpSeed } from './bittorrent/http-seed.js';
import { httpTracker } from './bittorrent/http-tracker.js';
import { knownNameDns, knownNameHttp, knownNameTls } from './bittorrent/known-names.js';
import { localDiscovery } from './bittorrent/local-discovery.js';
import { mse } from './bittorrent/mse.js';
import { peerWire } from './bittorrent/peer-wire.js';
import { proxiedDatagram } from './bittorrent/proxied-datagram.js';
import { proxiedMse } from './bittorrent/proxied-mse.js';
import { sslTorrent } from './bittorrent/ssl-torrent.js';
import { torrentFile } from './bittorrent/torrent-file.js';
import { udpTracker } from './bittorrent/udp-tracker.js';
import { utp } from './bittorrent/utp.js';
import { utpVersion0 } from './bittorrent/utp-version-0.js';
import { vuzeDht, vuzeDhtAnswer, vuzeInstance } from './bittorrent/vuze.js';
import { webTorrent, webTorrentPeer } from './bittorrent/web-torrent.js';

export const bittorrent = defineProtocol({
  id: 'bittorrent',
  title: 'BitTorrent',
  category: 'file-sharing',
  specs: [
    'https://www.bittorrent.org/beps/bep_0003.html',
    'https://www.bittorrent.org/beps/bep_0005.html',
    'https://www.bittorrent.org/beps/bep_0010.html',
    'https://www.bittorrent.org/beps/bep_0014.html',
    'https://www.bittorrent.org/beps/bep_0015.html',
    'https://www.bittorrent.org/beps/bep_0029.html',
    'https://libtorrent.org/manual-ref.html',
    'https://wiki.vuze.com/w/Message_Stream_Encryption',
    'https://wiki.vuze.com/w/Distributed_hash_table',
  ],
  features: [
    handshake,
    proxiedHandshake,
    peerWire,
    mse,
    proxiedMse,
    utp,
    utpVersion0,
    dht,
    udpTracker,
    proxiedDatagram,
    httpTracker,
    httpSeed,
    torrentFile,
    localDiscovery,
    vuzeDht,
    vuzeDhtAnswer,
    vuzeInstance,
    webTorrent,
    webTorrentPeer,
    sslTorrent,
    knownNameDns,
    knownNameTls,
    knownNameHttp,
  ],
});
