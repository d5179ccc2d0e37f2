/**
 * HTTP/1.x requests and responses as far as features need them (RFC 9112):
 * start line and header fields of the first message in a stream prefix.
 * Not a full parser: no trailers, no chunk decoding, no obsolete line folding.
 */

/** Offsets into the borrowed prefix. */
export interface HttpMessage {
  readonly isRequest: boolean;
  readonly bytes: Uint8Array;
  /** Method of a request, in the case sent ('GET'); '' for a response. */
  readonly method: string;
  /** Request target as sent (path and query, or absolute form); [targetAt, targetEnd) in `bytes`. Empty for a response. */
  readonly targetAt: number;
  readonly targetEnd: number;
  /** Status code of a response, 0 for a request. */
  readonly status: number;
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
