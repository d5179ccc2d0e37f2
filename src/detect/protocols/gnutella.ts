/**
 * Gnutella (2000): unstructured search network of LimeWire, BearShare,
 * gtk-gnutella, FrostWire, Foxy and others, with HTTP transfers and the Mojito DHT.
 *
 * The parts are in `gnutella/`: TCP handshakes and messages, datagrams, transfers,
 * web caches, TLS. Not recognised: what follows a handshake that agreed on deflate,
 * when its beginning was not seen; TLS connections beyond `suspected`.
 */
import { defineProtocol } from '../detector.js';
import { gwebcache } from './gnutella/gwebcache.js';
import { handshake, messages } from './gnutella/handshake.js';
import { tls } from './gnutella/tls.js';
import { http, push } from './gnutella/transfer.js';
import { messages as datagrams, semiReliable } from './gnutella/udp.js';

export const gnutella = defineProtocol({
  id: 'gnutella',
  title: 'Gnutella',
  category: 'file-sharing',
  specs: [
    'https://rfc-gnutella.sourceforge.net/',
    'https://github.com/gtk-gnutella/gtk-gnutella/tree/devel/doc/gnutella',
    'https://en.wikipedia.org/wiki/Gnutella',
  ],
  features: [handshake, messages, push, http, gwebcache, tls, datagrams, semiReliable],
});
