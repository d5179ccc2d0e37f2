/**
 * HTTP/1.x requests and responses as far as features need them (RFC 9112):
 * start line and header fields of the first message in a stream prefix.
 * Not a full parser: no trailers, no chunk decoding, no obsolete line folding,
 * no HTTP/0.9. Lines may end in CRLF or in LF alone (RFC 9112 section 2.2).
 *
 * Runs on ordinary traffic: a first byte that is no letter is refused at once,
 * fields are indexed only when a feature asks for one.
 */
import { ascii, hasAt, hasAtIgnoringCase, indexOfByte, latin1, u8 } from '../../base/bytes.js';

/** Offsets into the borrowed prefix. */
export interface HttpMessage {
  readonly isRequest: boolean;
  readonly bytes: Uint8Array;
  /** Method of a request, in the case sent ('GET'); '' for a response. */
  readonly method: string;
  /** Request target as sent (path and query, or absolute form); [targetAt, targetEnd) in `bytes`. Empty for a response. */
  readonly targetAt: number;
  readonly targetEnd: number;
  /** Status code of a response, 0 for a request (and for a response whose start line is still cut). */
  readonly status: number;
  /** True once the start line has ended: method, target and status are whole. Before that they may still grow. */
  readonly isLineComplete: boolean;
  /** True once the empty line after the fields was seen; `bodyAt` is valid then. */
  readonly isComplete: boolean;
  readonly bodyAt: number;
  /** End of what has arrived. */
  readonly end: number;
  /** Request target as text (Latin-1). */
  target(): string;
  /** First field of that name (give it in lower case), value trimmed, Latin-1; null if absent so far. */
  field(lowerName: string): string | null;
  /** True when any field name starts with the given lower-case prefix ('x-kazaa-'). */
  hasFieldPrefix(lowerPrefix: string): boolean;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** Longest registered method has 17 letters (UPDATEREDIRECTREF); HTTPU-like ones fit too. */
const MAX_METHOD_BYTES = 20;
/** Fields indexed; servers refuse far fewer than a prefix of MAX_PREFIX_BYTES could hold. */
const MAX_FIELDS = 96;

const RESPONSE = ascii('HTTP/');
const VERSION = ascii('http/');

class Message implements HttpMessage {
  readonly bytes: Uint8Array;
  readonly isRequest: boolean;
  readonly targetAt: number;
  readonly targetEnd: number;
  readonly status: number;
  readonly isLineComplete: boolean;
  readonly end: number;
  readonly #start: number;
  readonly #methodEnd: number;
  readonly #fieldsAt: number;
  /** Triples: name at, colon at, line end (without CR LF). Built when first asked for. */
  #fields: number[] | null = null;
  /** Bit n: a field name begins with the n-th letter. Most names that features ask for are absent: one test says so (bench/identify.ts). */
  #initials = 0;
  /** Values as text, as far as they were asked for: several features ask for the same. */
  readonly #values: (string | undefined)[] = [];
  #method: string | null = null;
  #target: string | null = null;
  /** 0: the head is not complete. -1: not looked for yet. */
  #bodyAt = -1;

  constructor(
    bytes: Uint8Array,
    start: number,
    end: number,
    methodEnd: number,
    targetAt: number,
    targetEnd: number,
    status: number,
    fieldsAt: number,
  ) {
    this.bytes = bytes;
    this.#start = start;
    this.end = end;
    this.#methodEnd = methodEnd;
    this.isRequest = methodEnd > start;
    this.targetAt = targetAt;
    this.targetEnd = targetEnd;
    this.status = status;
    this.#fieldsAt = fieldsAt;
    this.isLineComplete = fieldsAt > 0;
  }

  get method(): string {
    this.#method ??= latin1(this.bytes, this.#start, this.#methodEnd);
    return this.#method;
  }

  get isComplete(): boolean {
    return this.bodyAt > 0;
  }

  get bodyAt(): number {
    if (this.#bodyAt < 0) this.#bodyAt = this.isLineComplete ? endOfHead(this.bytes, this.#fieldsAt, this.end) : 0;
    return this.#bodyAt;
  }

  target(): string {
    this.#target ??= latin1(this.bytes, this.targetAt, this.targetEnd);
    return this.#target;
  }

  field(lowerName: string): string | null {
    const fields = this.#index();
    if ((this.#initials & letterBit(lowerName.charCodeAt(0))) === 0) return null;
    for (let i = 0; i < fields.length; i += 3) {
      const nameAt = fields[i] ?? 0;
      const colonAt = fields[i + 1] ?? 0;
      if (colonAt - nameAt !== lowerName.length || !this.#nameStarts(nameAt, lowerName)) continue;
      return (this.#values[i / 3] ??= this.#trimmed(colonAt + 1, fields[i + 2] ?? 0));
    }
    return null;
  }

  #trimmed(from: number, to: number): string {
    let at = from;
    let end = to;
    while (at < end && isBlank(u8(this.bytes, at))) at++;
    while (end > at && isBlank(u8(this.bytes, end - 1))) end--;
    return latin1(this.bytes, at, end);
  }

  hasFieldPrefix(lowerPrefix: string): boolean {
    const fields = this.#index();
    if ((this.#initials & letterBit(lowerPrefix.charCodeAt(0))) === 0) return false;
    for (let i = 0; i < fields.length; i += 3) {
      const nameAt = fields[i] ?? 0;
      const colonAt = fields[i + 1] ?? 0;
      if (colonAt - nameAt >= lowerPrefix.length && this.#nameStarts(nameAt, lowerPrefix)) return true;
    }
    return false;
  }

  #nameStarts(nameAt: number, lower: string): boolean {
    for (let i = 0; i < lower.length; i++) {
      let byte = u8(this.bytes, nameAt + i);
      if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
      if (byte !== lower.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Finds the whole lines after the start line, up to the empty one. A line still cut is left out: its value may grow. */
  #index(): number[] {
    if (this.#fields) return this.#fields;
    const { bytes, end } = this;
    const fields: number[] = [];
    this.#fields = fields;
    if (!this.isLineComplete) return fields;
    for (let at = this.#fieldsAt; at < end; ) {
      let colonAt = -1;
      let lineEnd = at;
      for (; lineEnd < end; lineEnd++) {
        const byte = u8(bytes, lineEnd);
        if (byte === LF) break;
        if (byte === COLON && colonAt < 0) colonAt = lineEnd;
      }
      if (lineEnd >= end) break;
      const textEnd = lineEnd > at && u8(bytes, lineEnd - 1) === CR ? lineEnd - 1 : lineEnd;
      if (textEnd === at) break;
      if (colonAt > at && fields.length < MAX_FIELDS * 3) {
        fields.push(at, colonAt, textEnd);
        this.#initials |= letterBit(u8(bytes, at));
      }
      at = lineEnd + 1;
    }
    return fields;
  }
}

/** Position behind the empty line that ends the fields which begin at `fieldsAt`, or 0. */
function endOfHead(bytes: Uint8Array, fieldsAt: number, end: number): number {
  let lineAt = fieldsAt;
  for (let at = fieldsAt; at < end; at++) {
    if (u8(bytes, at) !== LF) continue;
    if (at === lineAt || (at === lineAt + 1 && u8(bytes, lineAt) === CR)) return at + 1;
    lineAt = at + 1;
  }
  return 0;
}

/** The same bit for a letter in both cases: the low five bits tell letters apart. */
function letterBit(code: number): number {
  return 1 << (code & 0x1f);
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

/**
 * The HTTP/1.x message at the beginning of a stream prefix; null when the bytes
 * cannot (any longer) be one. A start line that is still cut gives a message
 * with `isLineComplete` false, as long as it can become HTTP (up to 4 bytes of
 * `HTTP/` still count as a method). The message borrows `bytes`: valid as long
 * as they are.
 */
export function httpFacet(bytes: Uint8Array, start: number, end: number): HttpMessage | null {
  if (start >= end) return null;
  const first = u8(bytes, start) | 0x20;
  if (first < 0x61 || first > 0x7a) return null;
  return hasAt(bytes, start, end, RESPONSE)
    ? responseFacet(bytes, start, end)
    : requestFacet(bytes, start, end);
}

/** status-line = HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 section 4). */
function responseFacet(bytes: Uint8Array, start: number, end: number): HttpMessage | null {
  const minimum = start + 12; // 'HTTP/1.1 200'
  const majorAt = start + RESPONSE.length;
  if (majorAt < end && u8(bytes, majorAt) !== 0x31) return null;
  if (end < minimum) return new Message(bytes, start, end, start, start, start, 0, 0);
  if (u8(bytes, start + 8) !== SPACE) return null;
  let status = 0;
  for (let at = start + 9; at < minimum; at++) {
    const digit = u8(bytes, at) - 0x30;
    if (digit < 0 || digit > 9) return null;
    status = status * 10 + digit;
  }
  const lineEnd = indexOfByte(bytes, minimum, end, LF);
  return new Message(bytes, start, end, start, start, start, lineEnd < 0 ? 0 : status, lineEnd + 1);
}

/** request-line = method SP request-target SP HTTP-version (RFC 9112 section 3). */
function requestFacet(bytes: Uint8Array, start: number, end: number): HttpMessage | null {
  const limit = Math.min(end, start + MAX_METHOD_BYTES + 1);
  let methodEnd = start;
  for (; methodEnd < limit; methodEnd++) {
    const byte = u8(bytes, methodEnd);
    const letter = byte | 0x20;
    if ((letter < 0x61 || letter > 0x7a) && byte !== 0x2d && byte !== 0x5f) break; // '-' M-SEARCH, '_' BDELETE_PROPERTY
  }
  if (methodEnd === end) return new Message(bytes, start, end, methodEnd, end, end, 0, 0);
  if (methodEnd === limit || u8(bytes, methodEnd) !== SPACE) return null;
  const targetAt = methodEnd + 1;
  const lineEnd = indexOfControl(bytes, targetAt, end);
  if (lineEnd < 0) return new Message(bytes, start, end, methodEnd, targetAt, end, 0, 0);
  let fieldsAt = lineEnd + 1;
  if (u8(bytes, lineEnd) === CR) {
    if (fieldsAt === end) return new Message(bytes, start, end, methodEnd, targetAt, lineEnd, 0, 0);
    if (u8(bytes, fieldsAt) !== LF) return null;
    fieldsAt++;
  } else if (u8(bytes, lineEnd) !== LF) {
    return null;
  }
  const versionAt = lineEnd - 8; // 'HTTP/1.1'
  if (versionAt <= targetAt || u8(bytes, versionAt - 1) !== SPACE) return null;
  if (!hasAtIgnoringCase(bytes, versionAt, lineEnd, VERSION) || u8(bytes, versionAt + 5) !== 0x31)
    return null;
  return new Message(bytes, start, end, methodEnd, targetAt, versionAt - 1, 0, fieldsAt);
}

/** First byte below blank other than TAB: the line's end, or the proof that this is no text. */
function indexOfControl(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    const byte = u8(bytes, at);
    if (byte < SPACE && byte !== TAB) return at;
  }
  return -1;
}
