/**
 * eDonkey network (eDonkey2000, eMule, aMule, Shareaza, MLDonkey): servers, clients and
 * the Kad and Overnet overlays, over TCP and UDP, in clear and obfuscated.
 *
 * The parts are in `edonkey/`. Obfuscated traffic is recognised by sizes only: the keys are hashes
 * that its flows do not contain. Bodies packed with zlib are recognised, not read.
 */
import { defineProtocol } from '../detector.js';
import { kad, kadPacked } from './edonkey/kad.js';
import { kadObfuscated, reaskObfuscated } from './edonkey/kad-obfuscated.js';
import { overnet } from './edonkey/overnet.js';
import { frames } from './edonkey/tcp.js';
import { obfuscated } from './edonkey/tcp-obfuscated.js';
import { client, server } from './edonkey/udp.js';

export const edonkey = defineProtocol({
  id: 'edonkey',
  title: 'eDonkey and Kad (eMule)',
  category: 'file-sharing',
  specs: [
    'https://sourceforge.net/projects/emule/files/eMule%20Protocol%20Specification/',
    'https://wiki.amule.org/wiki/Ed2k_link',
  ],
  features: [frames, obfuscated, kad, kadPacked, kadObfuscated, client, server, overnet, reaskObfuscated],
});
