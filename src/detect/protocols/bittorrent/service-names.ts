/**
 * Names of BitTorrent's public servers: a small list of long-lived ones, as data.
 * As of 2026-11. Bootstrap nodes: the defaults of Mainline, uTorrent, Transmission,
 * libtorrent, Vuze, BitComet and anacrolix/torrent. Trackers: those that stood in
 * the public lists of ngosang/trackerslist and newtrackon.com for years, the old
 * ones of The Pirate Bay's time, and the trackers of distributions.
 * Lower case, without final dot. Extend it only with names that serve nothing else.
 */
export const BOOTSTRAP_NAMES: ReadonlySet<string> = new Set([
  'dht.aelitis.com',
  'dht.anacrolix.link',
  'dht.libtorrent.org',
  'dht.transmissionbt.com',
  'dht.vuze.com',
  'router.bitcomet.com',
  'router.bittorrent.cloud',
  'router.bittorrent.com',
  'router.silotis.us',
  'router.utorrent.com',
]);

export const TRACKER_NAMES: ReadonlySet<string> = new Set([
  '9.rarbg.com',
  '9.rarbg.me',
  '9.rarbg.to',
  'bt1.archive.org',
  'bt2.archive.org',
  'bttracker.debian.org',
  'denis.stalker.h3q.com',
  'exodus.desync.com',
  'explodie.org',
  'inferno.demonoid.me',
  'inferno.demonoid.com',
  'ipv4.tracker.harry.lu',
  'ipv6.torrent.ubuntu.com',
  'mgtracker.org',
  'open.demonii.com',
  'open.stealth.si',
  'open.tracker.cl',
  'opentor.org',
  'opentracker.i2p.rocks',
  'p4p.arenabg.com',
  'retracker.hotplug.ru',
  'retracker.lanta-net.ru',
  'retracker.local',
  'torrent.fedoraproject.org',
  'torrent.ubuntu.com',
  'tracker.archlinux.org',
  'tracker.bitsearch.to',
  'tracker.bt4g.com',
  'tracker.btorrent.xyz',
  'tracker.ccc.de',
  'tracker.coppersurfer.tk',
  'tracker.cyberia.is',
  'tracker.dler.org',
  'tracker.files.fm',
  'tracker.internetwarriors.net',
  'tracker.istole.it',
  'tracker.leechers-paradise.org',
  'tracker.moeking.me',
  'tracker.opentrackr.org',
  'tracker.openbittorrent.com',
  'tracker.openwebtorrent.com',
  'tracker.prq.to',
  'tracker.publicbt.com',
  'tracker.theoks.net',
  'tracker.thepiratebay.org',
  'tracker.tiny-vps.com',
  'tracker.torrent.eu.org',
  'tracker.webtorrent.dev',
  'tracker.webtorrent.io',
  'tracker1.bt.moack.co.kr',
  'tracker2.dler.org',
]);

/** BEP 26: DNS service discovery of clients on the local network. */
export const LOCAL_SERVICE = '_bittorrent._tcp.local';
