/**
 * OpenNap and Napster: login to a server, and the transfers between clients.
 *
 *   message    data length 2 | type 2 | data                    little-endian; ASCII, fields between single blanks
 *   login      type 2: nick password port "client" speed [build]     type 6 (new user): the same and an e-mail address
 *   transfer   listener: the byte '1'; requester: GET or SEND, then nick "file" number; or GETLIST, SENDLIST nick
 *
 * WinMX uses the same transfers; those with its nicknames belong to `winmx.ts`.
 * Not recognised: redirectors (plain text addresses) and server sessions picked up mid-stream.
 * Specification: the Napster protocol description kept by the opennap project.
 */
import { defineProtocol, type Finding, type Inspection, match, MORE, NO, TCP } from '../detector.js';
import { ascii, fromHex, latin1, u16le } from '../../base/bytes.js';

const LOGIN = match('certain', 'OpenNap login: nick, password, port, quoted client name and link speed');
const LOGIN_ANSWER = match('certain', 'OpenNap login answered by the server');
const TRANSFER = match('certain', 'Napster transfer: request with nick, quoted file name and number after the listener byte');
const TRANSFER_UNGREETED = match('likely', 'Napster transfer request with nick, quoted file name and number');
const BROWSE = match('likely', 'Napster request for a list of shared files');

const HEADER_BYTES = 4;
const MAX_LOGIN_BYTES = 400;
/** Types 0 (error) and 3 (accepted, with an e-mail address). */
const TYPE_ERROR = 0;
const TYPE_ACCEPTED = 3;
const LOGIN_DATA = /^\S{1,64} \S{1,64} \d{1,5} "[^"\r\n]{1,80}" \d{1,2}( \S+)*$/;
const MAX_REQUEST_BYTES = 1024;
const LISTENER_BYTE = 0x31;
const BLANK = 0x20;
/** WinMX appends three digits, an underscore and five digits to every nickname: those transfers are its own. */
const WINMX_NICK = /\d{3}_\d{5}$/;

/** Length and type (32 bits) and five fields in the right form: no other protocol greets so. */
function inspectLogin(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start < HEADER_BYTES) return MORE;
  const lengthBytes = u16le(bytes, start);
  if (lengthBytes < 10 || lengthBytes > MAX_LOGIN_BYTES) return NO;
  const dataEnd = start + HEADER_BYTES + lengthBytes;
  if (end < dataEnd) return isPrintable(bytes, start + HEADER_BYTES, end) ? MORE : NO;
  return LOGIN_DATA.test(latin1(bytes, start + HEADER_BYTES, dataEnd)) ? LOGIN : NO;
}

/** The server's side, for captures that lack the client's: only together with a login in the other direction. */
function inspectLoginAnswer(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (input.otherEnd - input.otherStart < HEADER_BYTES) return NO;
  const otherType = u16le(input.otherBytes, input.otherStart + 2);
  if (otherType !== 2 && otherType !== 6) return NO;
  if (end - start < HEADER_BYTES) return MORE;
  const type = u16le(bytes, start + 2);
  const dataEnd = start + HEADER_BYTES + u16le(bytes, start);
  if ((type !== TYPE_ACCEPTED && type !== TYPE_ERROR) || dataEnd - start > MAX_LOGIN_BYTES) return NO;
  if (!isPrintable(bytes, start + HEADER_BYTES, Math.min(end, dataEnd))) return NO;
  if (end < dataEnd) return MORE;
  const text = latin1(input.otherBytes, input.otherStart + HEADER_BYTES, input.otherEnd);
  return LOGIN_DATA.test(text.slice(0, u16le(input.otherBytes, input.otherStart))) ? LOGIN_ANSWER : NO;
}

function isPrintable(bytes: Uint8Array, at: number, end: number): boolean {
  for (let i = at; i < end; i++) {
    const byte = bytes[i] ?? 0;
    if (byte < 0x20 || byte === 0x7f) return false;
  }
  return true;
}

/**
 * `GETnick "file" 0` without a blank behind the verb, which no HTTP request has, and a quoted name and a number
 * to the end: over 60 bits of form in text. With the listener's '1' before it, certain.
 */
function inspectTransfer(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const verbBytes = bytes[start] === 0x47 ? 3 : 4;
  const restAt = start + verbBytes;
  if (restAt >= end) return MORE;
  if (bytes[restAt] === BLANK) return NO;
  const text = latin1(bytes, restAt, Math.min(end, restAt + MAX_REQUEST_BYTES));
  const isGreeted = input.otherEnd > input.otherStart && input.otherBytes[input.otherStart] === LISTENER_BYTE;
  if (text.startsWith('LIST') && (text.length === 4 || text[4] === '\n' || text[4] === '\r' || (verbBytes === 4 && text[4] === ' '))) {
    return isGreeted ? BROWSE : NO;
  }
  const parts = /^(\S{1,64}) "[^"]{1,900}" (\d{1,12})/.exec(text);
  if (!parts) return isBegunRequest(text) ? MORE : NO;
  // The number may still grow, but what stands before it suffices.
  if (WINMX_NICK.test(parts[1] ?? '')) return NO;
  return isGreeted ? TRANSFER : TRANSFER_UNGREETED;
}

/** True while the text can still become a request: a nick, and a quote not yet closed. */
function isBegunRequest(text: string): boolean {
  return text.length < MAX_REQUEST_BYTES && /^\S{1,64}( ("[^"]*("( )?)?)?)?$/.test(text) && /^[\x20-\x7e\x80-\xff]*$/.test(text);
}

export const opennap = defineProtocol({
  id: 'opennap',
  title: 'OpenNap (Napster)',
  category: 'file-sharing',
  specs: ['http://opennap.sourceforge.net/napster.txt'],
  features: [
    {
      feature: 'login',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: [{ at: 2, bytes: fromHex('0200') }, { at: 2, bytes: fromHex('0600') }] },
      inspect: inspectLogin,
    },
    {
      feature: 'login-answer',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: [{ at: 2, bytes: fromHex('0300') }, { at: 2, bytes: fromHex('0000') }] },
      inspect: inspectLoginAnswer,
    },
    {
      feature: 'transfer',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ascii('GET') }, { at: 0, bytes: ascii('SEND') }] },
      inspect: inspectTransfer,
    },
  ],
});
