/**
 * WinMX (WPNP): peer caches in DNS, the start of a connection to a cache or primary node, and transfers.
 *
 *   version 3   server: the byte '8'; client: a key block of 16 bytes; server: 16 bytes; then a rolling cipher
 *   cache       right behind that the node list, 132 bytes
 *   transfer    listener: the byte '1'; requester: GET or SEND, nick123_45678 "file" number
 *
 * Not recognised: the ciphered session itself and its UDP (port 6257): nothing constant is known of them.
 * Names asked for are data (`CACHE_NAMES`): the official caches closed in 2005, patches brought others.
 * No specification was published; layouts follow notes of the WinMX community and of packet filters.
 */
import { defineProtocol, type Finding, type Inspection, match, MORE, NO, TCP, UDP } from '../detector.js';
import { ascii, latin1, u16, u32 } from '../../base/bytes.js';
import { DomainSet } from '../../base/domain.js';
import { labelsOf } from '../facets/dns-questions.js';

const CACHE_NAME = match('likely', 'DNS question for a WinMX peer cache');
const CACHE_LIST = match('certain', 'WinMX cache answer: greeting byte, key block and node list with its constants');
const START = match('likely', 'WinMX start: greeting byte 8, then 16 bytes each way');
const TRANSFER = match('certain', 'WinMX transfer: request with WinMX nickname, quoted file name and number');
const TRANSFER_UNGREETED = match('likely', 'WinMX transfer request without the greeting of the listener');

/** Host names below these are caches; the bare domain and its web site are not. */
const CACHE_NAMES: readonly string[] = ['winmx.com', 'winmxworld.com', 'winmxgroup.com', 'winmxgroup.net', 'frontcode.com'];
const CACHE_DOMAINS = new DomainSet(CACHE_NAMES);
const WEB_LABELS: readonly string[] = ['www', 'forum', 'forums', 'mail', 'ftp', 'ns1', 'ns2'];

const GREETING = 0x38;
const KEY_BLOCK_BYTES = 16;
const LISTENER_BYTE = 0x31;
const BLANK = 0x20;
const MAX_REQUEST_BYTES = 1024;
const REQUEST = /^\S{1,64}\d{3}_\d{5} "[^"]{1,900}" (\d{1,12})/;
const BEGUN_REQUEST = /^[\x21-\x7e\x80-\xff]{1,80}( ("[^"\r\n]*("( )?)?)?)?$/;

function inspectName(input: Inspection): Finding {
  const names = input.dns()?.questions ?? [];
  return names.some(isCacheName) ? CACHE_NAME : NO;
}

function isCacheName(name: string): boolean {
  if (!CACHE_DOMAINS.has(name)) return false;
  return CACHE_NAMES.some((domain) => {
    if (!name.endsWith(`.${domain}`)) return false;
    return !WEB_LABELS.includes(name.slice(0, -domain.length - 1));
  });
}

/**
 * The list fixes 144 bits at known places behind the two key blocks.
 * Heuristic: the start alone is a server that greets with a single '8' and 16 bytes from each side. Servers that
 * speak first send text or more than one byte, so few others fit; none in the public negatives.
 */
function inspectStart(input: Inspection): Finding {
  const { bytes, start, end, turns } = input;
  if (!input.fromStart) return NO;
  if (end - start >= 149) return isCacheList(bytes, start) ? CACHE_LIST : NO;
  if (input.direction !== 1 || turns.count === 0 || turns.direction(0) !== 1 || turns.lengthBytes(0) !== 1) {
    return end - start > 1 && end - start < 149 && input.direction === 0 ? MORE : turns.count === 0 ? MORE : NO;
  }
  if (turns.count === 1) return MORE;
  if (turns.lengthBytes(1) !== KEY_BLOCK_BYTES) return turns.lengthBytes(1) < KEY_BLOCK_BYTES ? MORE : NO;
  return end - start >= 1 + KEY_BLOCK_BYTES ? START : MORE;
}

/** Offsets from the filters that recognise this segment of 149 bytes. */
function isCacheList(bytes: Uint8Array, at: number): boolean {
  return (
    u32(bytes, at + 17) === 0 &&
    u32(bytes, at + 21) === 0 &&
    u32(bytes, at + 25) === 0 &&
    u16(bytes, at + 39) === 0 &&
    u16(bytes, at + 135) === 0x7edf &&
    u16(bytes, at + 147) === 0xf792
  );
}

/** `GETnick123_45678 "file" 0`: no blank behind the verb, the digits WinMX appends, a quoted name and a number. Over 60 bits of form. */
function inspectTransfer(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const restAt = start + (bytes[start] === 0x47 ? 3 : 4);
  if (restAt >= end) return MORE;
  if (bytes[restAt] === BLANK) return NO;
  const text = latin1(bytes, restAt, Math.min(end, restAt + MAX_REQUEST_BYTES));
  if (!REQUEST.test(text)) return text.length < MAX_REQUEST_BYTES && BEGUN_REQUEST.test(text) ? MORE : NO;
  const isGreeted = input.otherEnd > input.otherStart && input.otherBytes[input.otherStart] === LISTENER_BYTE;
  return isGreeted ? TRANSFER : TRANSFER_UNGREETED;
}

export const winmx = defineProtocol({
  id: 'winmx',
  title: 'WinMX',
  category: 'file-sharing',
  specs: ['https://en.wikipedia.org/wiki/WinMX'],
  features: [
    { feature: 'dns', transport: UDP, trigger: { kind: 'facet', facet: 'dns', words: labelsOf(CACHE_NAMES) }, inspect: inspectName, remember: 'none' },
    { feature: 'dns', transport: TCP, trigger: { kind: 'facet', facet: 'dns', words: labelsOf(CACHE_NAMES) }, inspect: inspectName, remember: 'none' },
    { feature: 'start', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(GREETING) }] }, inspect: inspectStart },
    {
      feature: 'transfer',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ascii('GET') }, { at: 0, bytes: ascii('SEND') }] },
      inspect: inspectTransfer,
    },
  ],
});
