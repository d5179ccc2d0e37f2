/**
 * Downloads by BitTorrent programs from ordinary web servers: HTTP seeds in BitComet's form, and web seeds
 * (BEP 19), which look like any download of a part of a file but for the program's name.
 *
 * What such programs fetch besides (feeds, blocklists, updates) is not named: it asks for whole documents.
 */
import { ascii, hasAt, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, MORE, NO, TCP, match } from '../../detector.js';
import type { HttpMessage } from '../../facets/http.js';

/* Odds: 14 literal bytes of path and parameter, 40 hexadecimal digits and a further parameter. */
const BITCOMET = match('certain', 'BitComet HTTP seed request: fid of 20 bytes and size');
/* Heuristic: two signs, the program's name and a range. False positives: people who call their downloader so. */
const WEB_SEED = match('likely', 'part of a file for a BitTorrent program, by its name and the range');

const DATA = ascii('/data?fid=');
const SIZE = ascii('&size=');
const ID_DIGITS = 40;
/** As the programs write themselves at the start of User-Agent; aria2 and others that mostly download the web are left out. */
const PROGRAM = /^(azureus|bittorrent|bitcomet|biglybt|btwebclient|deluge|ktorrent|libtorrent|qbittorrent|rtorrent|transmission|utorrent|vuze|\xb5torrent|webtorrent)[ /]/i;

function isBitComet({ bytes, targetAt, targetEnd }: HttpMessage): boolean {
  if (!hasAt(bytes, targetAt, targetEnd, DATA)) return false;
  const idAt = targetAt + DATA.length;
  if (!hasAt(bytes, idAt + ID_DIGITS, targetEnd, SIZE)) return false;
  for (let at = idAt; at < idAt + ID_DIGITS; at++) {
    const letter = u8(bytes, at) | 0x20;
    if (!(letter >= 0x30 && letter <= 0x39) && !(letter >= 0x61 && letter <= 0x66)) return false;
  }
  return true;
}

function inspect(input: Inspection): Finding {
  const http = input.http();
  if (!http?.isRequest) return NO;
  if (!http.isLineComplete) return MORE;
  if (isBitComet(http)) return BITCOMET;
  const agent = http.field('user-agent');
  if (agent !== null && PROGRAM.test(agent) && http.field('range') !== null) return WEB_SEED;
  return http.isComplete ? NO : MORE;
}

export const httpSeed: Feature = {
  feature: 'http-seed',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'http', words: ['/data?fid=', 'azureus', 'torrent', 'bitcomet', 'biglybt', 'btwebclient', 'deluge', 'transmission', 'vuze'] },
  inspect,
  remember: 'none',
};
