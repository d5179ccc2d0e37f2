/**
 * NMDC, the first Direct Connect protocol: `$Command parameters|` between clients and
 * hubs and between clients, over TCP, and search results over UDP.
 *
 * Not recognised: data behind a transfer's opening; sessions picked up in the middle of a command.
 * "NMDC Protocol" 1.3 (nmdc.sourceforge.net).
 */
import { ascii, hasAt, indexOf, indexOfByte, latin1, u8 } from '../../../base/bytes.js';
import { scanIpv4Endpoints } from '../../../base/endpoint-text.js';
import { type Feature, type Finding, type Inspection, MAX_PREFIX_BYTES, match, MORE, NO, TCP, UDP } from '../../detector.js';

/** Odds: 6 literal bytes at the start of the stream and ` Pk=` before the bar. */
const LOCK = match('certain', 'NMDC: $Lock with Pk, the opening of hub or client');
/** Odds: 8 literal bytes, and 6 behind the first bar. */
const NICK = match('certain', 'NMDC: $MyNick and $Lock, the opening of a client');
/** Odds: two commands of a list of 70, with dollar, blank or bar where they belong: at least 8 literal bytes. */
const COMMANDS = match('certain', 'NMDC commands, each ended by a bar');
/** Odds: a command word of 5 letters or more and parameters that only it has. */
const STRONG = match('certain', 'NMDC command with its parameters');
/** Heuristic: one command whose parameters have its form. False positives: another protocol of the shape `$Word text|` with such a word. */
const COMMAND = match('likely', 'NMDC command ended by a bar, with parameters of its form');
/** The word and the bar alone: a person could invent that. */
const WORD = match('suspected', 'NMDC command word, ended by a bar');

const DOLLAR = 0x24;
const BAR = 0x7c;
const BLANK = 0x20;
/** Longest command word: ValidateDenide, MultiConnectToMe. */
const MAX_WORD_BYTES = 16;

/** Commands of the specification and its extensions. */
const WORDS: ReadonlySet<string> = new Set(
  (
    'ADCGET ADCSND BadNick BadPass BotINFO BotList Cancel Canceled ClientID Close ConnectToMe Direction Error ExtJSON Failed FailOver FileLength ForceMove Get ' +
    'GetCID GetHubURL GetINFO GetListLen GetNetInfo GetNickList GetPass GetTopic GetZBlock Hello HubINFO HubIsFull HubName HubTopic IN Key Kick ' +
    'ListLen Lock LogedIn MaxedOut MCTo MultiConnectToMe MultiSearch MyCID MyHubURL MyINFO MyNick MyPass NickChange NickList NickRule OpForceMove ' +
    'OpList Ping QuickList Quit RevConnectToMe SA SaltPass SP SR Search SearchRule Send Sending SetHubURL SetTopic Supports To: UGetBlock UGetZBlock UserCommand UserIP ' +
    'ValidateDenide ValidateNick Version ZOn'
  ).split(' '),
);

/** Commands that stand alone in sessions picked up between two lines, with what makes one of them `likely`. */
const NICK_ALONE = /^[^ $|<>]+$/;
const NUMBER_ALONE = /^\d[\d,.]*$/;
const LONELY: ReadonlyMap<string, RegExp> = new Map([
  ...'BadPass Canceled GetHubURL GetListLen GetNetInfo GetNickList GetPass GetTopic HubIsFull MaxedOut Send ZOn'.split(' ').map((word) => [word, /^$/] as const),
  ...'Hello LogedIn MyNick MyPass Quit ValidateDenide'.split(' ').map((word) => [word, NICK_ALONE] as const),
  ...'FileLength ListLen Sending Version'.split(' ').map((word) => [word, NUMBER_ALONE] as const),
  // The words themselves are nobody else's.
  ...'HubName HubTopic OpForceMove'.split(' ').map((word) => [word, /^./] as const),
  ['GetINFO', /^[^ $|]+ [^ $|]+$/],
  ['Error', /^File Not Available/i],
  ['ForceMove', /^[^ $|]+[.:][^ $|]+$/],
  ['Get', /^[^$|]+\$\d+$/],
  ['Key', /[^ -~]|\/%DCN\d/],
  ['ExtJSON', /^[^ $|]+ \{/],
  ['MCTo', /^[^ $|]+ \$[^ $|]+ /],
]);

const SEARCH_PARAMETERS = /^(Hub:[^ |]+|\d+\.\d+\.\d+\.\d+:\d+) [FT]\?[FT]\?/;
const TRANSFERRED_PART = /^\d+ -?\d+ [^|]+\|/;
const RESULT_WORD = ascii('$SR ');
/** Commands whose parameters are unmistakable, with what must stand behind the word. */
const STRONG_WORDS: readonly [Uint8Array, RegExp][] = [
  [ascii('$Lock EXTENDEDPROTOCOL'), /^/],
  [ascii('$Supports '), /^((NoGetINFO|NoHello|UserCommand|UserIP2?|TTHSearch|TTHS|TTHL|TTHF|MiniSlots|XmlBZList|ADCGet|BZList|ZLIG|ZPipe0?|ExtJSON2?|HubTopic|BotINFO) |[A-Za-z0-9]+( [A-Za-z0-9]+)* ?\|)/],
  [ascii('$MyINFO '), /^\$ALL [^ |]+ /],
  [ascii('$ADCGET '), /^(file|tthl|list|tthf) (TTH\/[A-Z2-7]{8}|[^|]+ \d+ -?\d+)/],
  [ascii('$ADCSND '), /^(file|tthl|list|tthf) (TTH\/[A-Z2-7]{8}|[^|]+ \d+ -?\d+)/],
  [ascii('$Direction '), /^(Upload|Download) \d+\|/],
  [ascii('$ConnectToMe '), /^[^ |]+ (\d+\.\d+\.\d+\.\d+:\d+[A-Z]*[ |]|\d+\.\d+\.[\d.:]*$)/],
  [ascii('$Search '), SEARCH_PARAMETERS],
  [ascii('$MultiSearch '), SEARCH_PARAMETERS],
  // The short searches for a tree hash (extension TTHS) and private messages.
  [ascii('$SA '), /^([A-Z2-7]{20,39}$|[A-Z2-7]{39} \d+\.\d+\.)/],
  [ascii('$SP '), /^([A-Z2-7]{20,39}$|[A-Z2-7]{39} [^ |]+)/],
  [ascii('$To: '), /^[^ |]+ From: [^ |]+ \$</],
  [ascii('$ValidateNick '), /^[^ $|]+\|/],
  [ascii('$RevConnectToMe '), /^[^ $|]+ [^ $|]+\|/],
  [ascii('$NickList '), /^[^ $|]+\$\$/],
  [ascii('$OpList '), /^[^ $|]+\$\$/],
  [ascii('$BotList '), /^[^ $|]+\$\$/],
  [ascii('$UserIP '), /^[^ $|]+ [\da-f.:]+(\$\$|\|)/],
  [ascii('$UserCommand '), /^\d{1,3} \d{1,3}[ |]/],
  [ascii('$UGetBlock '), TRANSFERRED_PART],
  [ascii('$UGetZBlock '), TRANSFERRED_PART],
  // A result that the hub passes on to a passive client.
  [RESULT_WORD, /^[^ |]+ [^|]+ \d+\/\d+[^ -\xff][ -{}-\xff]*\([^)|]+\)/],
];

/** End of the command at `at` (position of its bar), -1 when it is none, 0 when cut. */
function commandEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0;
  if (u8(bytes, at) !== DOLLAR) return -1;
  let next = at + 1;
  let word = '';
  while (next < end && u8(bytes, next) !== BLANK && u8(bytes, next) !== BAR) {
    if (word.length === MAX_WORD_BYTES) return -1;
    word += String.fromCharCode(u8(bytes, next++));
  }
  if (next >= end) return canGrow(word) ? 0 : -1;
  if (!WORDS.has(word)) return -1;
  const barAt = indexOfByte(bytes, next, end, BAR);
  return Math.max(barAt, 0);
}

function canGrow(beginning: string): boolean {
  for (const word of WORDS) if (word.startsWith(beginning)) return true;
  return false;
}

const LOCK_WORD = ascii('$Lock ');
const NICK_WORD = ascii('$MyNick ');
const PUBLIC_KEY = ascii(' Pk=');
const STRONG_PARAMETER_BYTES = 400;
const MAX_KEPT_ALIVE = 8;

function inspectStream(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const more = end - start < MAX_PREFIX_BYTES ? MORE : NO;
  const at = behindBars(bytes, start, end);
  if (at < 0) return NO;
  const barAt = commandEnd(bytes, at, end);
  if (barAt < 0) return NO;
  const strong = strongFinding(bytes, at, end);
  if (strong !== NO) return strong;
  if (barAt === 0) return more;
  if (hasAt(bytes, at, end, LOCK_WORD) && indexOf(bytes, at, barAt, PUBLIC_KEY) >= 0) return LOCK;
  const nextAt = behindBars(bytes, barAt + 1, end);
  if (nextAt < 0) return lonelyFinding(bytes, at, barAt);
  if (hasAt(bytes, at, end, NICK_WORD) && hasAt(bytes, nextAt, end, LOCK_WORD)) return NICK;
  const isFollowed = commandEnd(bytes, nextAt, end) > 0 || strongFinding(bytes, nextAt, end) !== NO;
  return isFollowed ? COMMANDS : lonelyFinding(bytes, at, barAt);
}

/** Position behind bars that keep a connection alive, -1 behind more of them than anybody sends. */
function behindBars(bytes: Uint8Array, at: number, end: number): number {
  for (let next = at; next <= at + MAX_KEPT_ALIVE; next++) if (next >= end || u8(bytes, next) !== BAR) return next;
  return -1;
}

/** What one command with its bar at `barAt` proves, its word being in the list. */
function lonelyFinding(bytes: Uint8Array, at: number, barAt: number): Finding {
  const blankAt = indexOfByte(bytes, at, barAt, BLANK);
  const wordEnd = blankAt < 0 ? barAt : blankAt;
  const form = LONELY.get(latin1(bytes, at + 1, wordEnd));
  const parameters = latin1(bytes, Math.min(wordEnd + 1, barAt), Math.min(barAt, wordEnd + 1 + STRONG_PARAMETER_BYTES));
  return form?.test(parameters) ? COMMAND : WORD;
}

/** A command whose parameters show before its bar has come: logins with long shares lists may take several segments. */
function strongFinding(bytes: Uint8Array, start: number, end: number): Finding {
  for (const [word, parameters] of STRONG_WORDS) {
    if (!hasAt(bytes, start, end, word)) continue;
    const from = start + word.length;
    const text = latin1(bytes, from, Math.min(end, from + STRONG_PARAMETER_BYTES));
    if (parameters.test(text)) return STRONG;
  }
  return NO;
}

const CONNECT_WORD = ascii('$ConnectToMe ');
const SEARCH_WORD = ascii('$Search ');
/** A nick of 64 bytes, an address, a port. */
const ENDPOINT_BYTES = 96;

export const nmdc: Feature = {
  feature: 'nmdc',
  transport: TCP,
  trigger: {
    kind: 'anchors',
    anchors: [
      { at: 0, bytes: Uint8Array.of(DOLLAR) },
      { at: 0, bytes: Uint8Array.of(BAR) },
    ],
  },
  inspect: inspectStream,
  harvest(input, sink) {
    const { bytes, start, end } = input;
    for (const word of [CONNECT_WORD, SEARCH_WORD]) {
      for (let at = indexOf(bytes, start, end, word); at >= 0; at = indexOf(bytes, at + 1, end, word)) {
        const barAt = indexOfByte(bytes, at, Math.min(end, at + ENDPOINT_BYTES), BAR);
        const last = barAt < 0 ? Math.min(end, at + ENDPOINT_BYTES) : barAt + 1;
        scanIpv4Endpoints(bytes, at + word.length, last, (address, addressAt, port) => {
          sink.toldIpv4(address, addressAt, port);
          // A client names its own port to the hub.
          if (input.direction === 0) sink.listensOn(port);
        });
      }
    }
    return end - start < MAX_PREFIX_BYTES;
  },
};

/** Odds: 4 literal bytes, text up to a separator 05, and an address in parentheses or a hub name at the end. */
const RESULT = match('certain', 'NMDC search result over UDP: $SR with slots and hub');
/** Heuristic: 4 literal bytes, a nick, and the beginning of a path up to the end of what was captured. False positives: texts about `$SR`. */
const CUT_RESULT = match('likely', 'beginning of an NMDC search result over UDP: $SR with a path');
const CUT_RESULT_FORM = /^\$SR [!-{}-\xff]+ [ -{}-\xff]*\\[ -{}-\xff]*$/;
/** Size and slots between two separators: as good as the address at the end, and before it. */
const CUT_HUB_FORM = /^[^ -\xff]\d+ \d+\/\d+[^ -\xff]/;
const QUERY = match('certain', 'NMDC search over UDP: $Search or a short TTH search');

const SEPARATOR = 0x05;
const OPEN = 0x28;
const CLOSE = 0x29;

/** `$SR nick path<05>size free/all<05>hub (address:port)|`; a directory has no size. */
function inspectDatagram(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (hasAt(bytes, start, end, RESULT_WORD)) {
    const separatorAt = indexOfByte(bytes, start, end, SEPARATOR);
    if (separatorAt < 0) return CUT_RESULT_FORM.test(latin1(bytes, start, Math.min(end, start + STRONG_PARAMETER_BYTES))) ? CUT_RESULT : NO;
    // Nick and path are text: random bytes with this beginning show a control character soon.
    for (let at = start; at < separatorAt; at++) if (u8(bytes, at) < BLANK) return NO;
    if (CUT_HUB_FORM.test(latin1(bytes, separatorAt, Math.min(end, separatorAt + STRONG_PARAMETER_BYTES)))) return RESULT;
    const openAt = indexOfByte(bytes, separatorAt, end, OPEN);
    return openAt >= 0 && indexOfByte(bytes, openAt, end, CLOSE) >= 0 ? RESULT : NO;
  }
  return strongFinding(bytes, start, end) === NO ? NO : QUERY;
}

/** Odds: chat by a name in angle brackets, ended by a bar, then a command with parameters that only it has, or two commands: at least 12 literal bytes. */
const CHAT = match('certain', 'NMDC chat followed by commands');
/** Heuristic: the same with one command. False positives: texts about the protocol. */
const CHAT_COMMAND = match('suspected', 'NMDC chat line followed by a command');
/** Chat lines looked over for a command: hubs greet with a few. */
const MAX_CHAT_LINES = 8;
const ANGLE = 0x3c;
const CLOSE_ANGLE = 0x3e;
/** Longest nick that hubs allow, with room. */
const MAX_NICK_BYTES = 80;

/** `<nick> text|` again and again, then a command: how hubs greet, and sessions picked up between two lines. */
function inspectChat(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const more = end - start < MAX_PREFIX_BYTES ? MORE : NO;
  let at = start;
  for (let line = 0; line < MAX_CHAT_LINES && at < end; line++) {
    if (u8(bytes, at) === DOLLAR) {
      const barAt = commandEnd(bytes, at, end);
      if (barAt < 0) return NO;
      if (strongFinding(bytes, at, end) !== NO || commandEnd(bytes, barAt + 1, end) > 0) return CHAT;
      if (hasAt(bytes, at, end, LOCK_WORD) && indexOf(bytes, at, barAt, PUBLIC_KEY) >= 0) return CHAT;
      return barAt > 0 ? CHAT_COMMAND : more;
    }
    if (u8(bytes, at) !== ANGLE) return NO;
    const closeAt = indexOfByte(bytes, at, Math.min(end, at + MAX_NICK_BYTES), CLOSE_ANGLE);
    if (closeAt < 0) return end - at < MAX_NICK_BYTES ? more : NO;
    // Markup goes on behind its bracket without a blank, chat never does.
    if (closeAt + 1 >= end) return more;
    if (u8(bytes, closeAt + 1) !== BLANK) return NO;
    const barAt = indexOfByte(bytes, closeAt, end, BAR);
    if (barAt < 0) return more;
    at = barAt + 1;
  }
  return at >= end ? more : NO;
}

export const nmdcChat: Feature = {
  feature: 'nmdc-chat',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(ANGLE) }] },
  inspect: inspectChat,
};

export const nmdcUdp: Feature = {
  feature: 'nmdc-udp',
  transport: UDP,
  trigger: {
    kind: 'anchors',
    anchors: [
      { at: 0, bytes: RESULT_WORD },
      { at: 0, bytes: SEARCH_WORD },
      ...['$MultiSearch ', '$SA ', '$SP '].map((word) => ({ at: 0, bytes: ascii(word) })),
    ],
  },
  inspect: inspectDatagram,
};
