/**
 * GWebCache: web scripts that hand out Gnutella hosts. Requests are recognised by
 * their parameters, answers only as part of a flow whose request was. A request
 * for `net=gnutella2` belongs to gnutella2.
 *
 * Gnutella Web Caching System 1.3.1; GWebCache 2 (`get=1&net=gnutella`).
 */
import { u8 } from '../../../base/bytes.js';
import { scanIpv4Endpoints } from '../../../base/endpoint-text.js';
import { type Feature, type Finding, type Inspection, match, MORE, NO, TCP } from '../../detector.js';

/** Odds: two or three parameters whose names and values only this system joins (`net=gnutella`, or `hostfile=1` with a vendor code). */
const CACHE_2 = match('certain', 'GWebCache 2 request: net=gnutella');
const CACHE_1 = match('certain', 'GWebCache request with the vendor code of a Gnutella servent');
/** Without the vendor code `hostfile=1` is unusual, but just one parameter. */
const CACHE_BARE = match('likely', 'GWebCache request: hostfile, urlfile or statfile');
/** Odds: a request of the system with the vendor code of a well-known servent and its version: three parameters. */
const CACHE_VENDOR = match('certain', 'GWebCache request (ping, get or update) of a well-known Gnutella servent');
/** `ip=a.b.c.d:port` with a 4-letter client and a version: a cache update. */
const UPDATE = match('likely', 'GWebCache update: ip, client and version');

/** Vendor codes of servents that ask caches; four letters alone are nobody's. */
const SERVENTS: ReadonlySet<string> = new Set(
  'ACQX BEAR CABO COCO FOXY FROS GDNA GIFT GNUC GNUT GTKG KIWI LIME LION MLDK MRPH NOVA PCST PHEX QTEL RAZA RZCB SHLN SNUT SWAP TOAD WSHR XOLX'.split(' '),
);

const QUESTION = 0x3f;

function inspectRequest(input: Inspection): Finding {
  const http = input.http();
  if (!http?.isRequest) return NO;
  if (!http.isLineComplete) return MORE;
  const { bytes, targetAt, targetEnd } = http;
  let at = targetAt;
  while (at < targetEnd && u8(bytes, at) !== QUESTION) at++;
  // Parameters of a cache: at least `?ping=1`; and long ones are no cache's.
  if (targetEnd - at < 7 || targetEnd - at > 600) return NO;
  return inspectQuery(http.target().slice(at - targetAt + 1));
}

/** One of these parameters is in every request of a cache: refuses other queries before they are taken apart. */
const NEEDED_PARAMETER = /(?:^|&)(?:net|client|hostfile|urlfile|bfile|statfile)=/i;

function inspectQuery(query: string): Finding {
  if (!NEEDED_PARAMETER.test(query)) return NO;
  let network = '';
  let hasVendor = false;
  let isServent = false;
  let hasVersion = false;
  let hasFile = false;
  let hasAsked = false;
  let hasAddress = false;
  for (const parameter of query.split('&')) {
    const equalsAt = parameter.indexOf('=');
    if (equalsAt < 0) continue;
    const value = parameter.slice(equalsAt + 1);
    switch (parameter.slice(0, equalsAt).toLowerCase()) {
      case 'net':
        network = value.toLowerCase();
        break;
      case 'client':
        hasVendor = /^[A-Z]{4}([0-9.%]|$)/.test(value);
        isServent = hasVendor && SERVENTS.has(value.slice(0, 4));
        // GWebCache 2 allows the version right behind the code.
        hasVersion ||= isServent && value.length > 4;
        break;
      case 'version':
        hasVersion = true;
        break;
      case 'hostfile':
      case 'urlfile':
      case 'bfile':
      case 'statfile':
        hasFile = value === '1';
        break;
      case 'get':
      case 'update':
      case 'ping':
        hasAsked = value === '1';
        break;
      case 'ip':
      case 'ip1':
        hasAddress = /^\d+\.\d+\.\d+\.\d+(:|%3a)\d+$/i.test(value);
        break;
      default:
    }
  }
  if (network === 'gnutella') return hasAsked || hasFile || hasVendor || hasAddress ? CACHE_2 : NO;
  if (network !== '') return NO;
  if (hasFile) return hasVendor ? CACHE_1 : CACHE_BARE;
  if (isServent && hasVersion && hasAsked) return CACHE_VENDOR;
  return hasVendor && hasVersion && hasAddress ? UPDATE : NO;
}

export const gwebcache: Feature = {
  feature: 'gwebcache',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'http', words: ['net=gnutella', 'client=', 'hostfile=', 'urlfile=', 'bfile=', 'statfile='] },
  inspect: inspectRequest,
  remember: 'none',
  harvest(input, sink) {
    if (input.direction === 0) return true;
    const http = input.http();
    const from = http?.isComplete ? http.bodyAt : input.end;
    // Version 1: `ip:port` lines; version 2: `H|ip:port|age|...`.
    scanIpv4Endpoints(input.bytes, from, input.end, (address, at, port) => sink.toldIpv4(address, at, port));
    return true;
  },
};
