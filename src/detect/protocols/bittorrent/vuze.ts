/**
 * What Vuze (Azureus) and BiglyBT speak beside the common protocols: a DHT of their own over
 * UDP, and announcements of their instances on the local network.
 *
 *   request   connection id 8 (upper bit set) | action 4 | transaction 4 | version 1 | vendor 1 | network 4
 *             | own version 1 | address length 1, address 4 or 16, port 2 | instance 4 | time 8 | ...
 *   answer    action 4 | transaction 4 | connection id 8 | version 1 | vendor 1 | network 4 | instance 4 | ...
 *
 * Contacts that answers tell are not harvested. Programs without the fields vendor and network
 * (before 2006) are not recognised. Specification: "Distributed hash table", Vuze wiki; the layout
 * of instance announcements is that of the programs, a bencoded dictionary to a multicast group.
 */
import { ascii, fromHex, indexOf, u16, u32, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, NO, UDP, match } from '../../detector.js';

/*
 * Odds: action (26 of 32 bits), network (24), both versions (2 each), vendor (7), length of the address (7),
 * port and time (16): 2^-80 for random bytes.
 */
const REQUEST = match('certain', 'request of the DHT of Vuze and BiglyBT: action, versions, network, own address and time');
/* Odds: action (26 of 32 bits), network (24), version (2), vendor (7), one bit of the connection id: 2^-60. */
const ANSWER = match('certain', 'answer of the DHT of Vuze and BiglyBT: action, version and network');
/* Odds: 15 fixed bytes that name the program, in a bencoded dictionary. */
const INSTANCE = match('certain', 'Vuze or BiglyBT that announces itself on the local network');

/** Upper three bytes of all actions. */
const ACTION_PREFIX = fromHex('000004');
/** Ping 1024 to answered store query 1039; requests are even but for error 1032, data 1035 and the last four. */
const LAST_ACTION = 0x040f;
/** Versions with vendor and network (2006) to a wide margin above those of BiglyBT 3 (54). */
const FIRST_VERSION = 9;
const LAST_VERSION = 100;
/** Networks so far: main, test, main over IPv6, and those of anonymous networks. */
const MAX_NETWORK = 255;
/** Milliseconds since 1970, upper half: 2005 to 2039. */
const FIRST_TIME_HIGH = 0x101;
const LAST_TIME_HIGH = 0x1ff;

function isVersion(version: number): boolean {
  return version >= FIRST_VERSION && version <= LAST_VERSION;
}

/** Version, vendor (0, or 255 for the branch of test versions) and network. */
function hasVersions(bytes: Uint8Array, at: number): boolean {
  const vendor = u8(bytes, at + 1);
  return isVersion(u8(bytes, at)) && (vendor === 0 || vendor === 0xff) && u32(bytes, at + 2) <= MAX_NETWORK;
}

function inspectRequest({ bytes, start, end }: Inspection): Finding {
  if (end - start < 24 || u8(bytes, start) < 0x80 || u32(bytes, start + 8) > LAST_ACTION) return NO;
  if (!hasVersions(bytes, start + 16) || !isVersion(u8(bytes, start + 22))) return NO;
  const addressBytes = u8(bytes, start + 23);
  const portAt = start + 24 + addressBytes;
  if ((addressBytes !== 4 && addressBytes !== 16) || portAt + 14 > end || u16(bytes, portAt) === 0) return NO;
  const timeHigh = u32(bytes, portAt + 6);
  return timeHigh >= FIRST_TIME_HIGH && timeHigh <= LAST_TIME_HIGH ? REQUEST : NO;
}

function inspectAnswer({ bytes, start, end }: Inspection): Finding {
  if (end - start < 26 || u32(bytes, start) > LAST_ACTION || u8(bytes, start + 8) < 0x80) return NO;
  return hasVersions(bytes, start + 16) ? ANSWER : NO;
}

export const vuzeDht: Feature = {
  feature: 'vuze-dht',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 8, bytes: ACTION_PREFIX }] },
  inspect: inspectRequest,
};

export const vuzeDhtAnswer: Feature = {
  feature: 'vuze-dht-answer',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ACTION_PREFIX }] },
  inspect: inspectAnswer,
};

/** `orig` is the sender's description; its first key is the name of the program and version. */
const ORIGIN = ascii('4:origd2:ai');
const PROGRAM = ascii(':az_');

function inspectInstance({ bytes, start, end }: Inspection): Finding {
  const originAt = indexOf(bytes, start, end, ORIGIN);
  if (originAt < 0) return NO;
  const nameAt = originAt + ORIGIN.length;
  // The length of the name has one or two digits.
  const at = indexOf(bytes, nameAt, Math.min(end, nameAt + 2 + PROGRAM.length), PROGRAM);
  return at > nameAt ? INSTANCE : NO;
}

export const vuzeInstance: Feature = {
  feature: 'vuze-instance',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ascii('d4:origd2:ai') }, { at: 0, bytes: ascii('d4:bodyd') }] },
  inspect: inspectInstance,
  remember: 'none',
};
