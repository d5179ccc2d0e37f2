/**
 * Gnutella2 (Mike's Protocol, 2002): Shareaza's network of hubs and leaves. It
 * shares the TCP greeting and the transfers with Gnutella; transfers are named
 * gnutella, for nothing in them tells the networks apart.
 *
 * Not recognised: deflated TCP streams whose handshake was not seen.
 */
import { defineProtocol } from '../detector.js';
import { gwebcache, handshake, packets } from './gnutella2/tcp.js';
import { datagrams } from './gnutella2/udp.js';

export const gnutella2 = defineProtocol({
  id: 'gnutella2',
  title: 'Gnutella2 (G2)',
  category: 'file-sharing',
  specs: ['http://g2.doxu.org/', 'https://en.wikipedia.org/wiki/Gnutella2'],
  features: [handshake, packets, gwebcache, datagrams],
});
