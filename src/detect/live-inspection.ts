/**
 * The one Inspection of an engine: filled anew for each inspected packet, facets
 * parsed at most once for each.
 */
import {
  DATAGRAM_HEAD_BYTES,
  MAX_TURNS,
  TCP,
  UDP,
  type Inspection,
  type Known,
  type Transport,
} from './detector.js';
import { dnsFacet, httpFacet, quicFacet, tlsFacet } from './facets/index.js';
import type { DnsMessage } from './facets/dns.js';
import type { HttpMessage } from './facets/http.js';
import type { QuicInitial } from './facets/quic.js';
import type { TlsHello } from './facets/tls.js';
import { TurnSlab, Turns } from '../flow/turns.js';
import type { WordScan } from './word-scan.js';

const NOTHING = new Uint8Array(0);

/** Bounds of turn logs, as the detector contract states them. */
export const TURN_LIMITS = { turns: MAX_TURNS, headBytes: DATAGRAM_HEAD_BYTES } as const;

export class LiveInspection implements Inspection {
  transport: Transport = UDP;
  direction: 0 | 1 = 0;
  bytes: Uint8Array = NOTHING;
  start = 0;
  end = 0;
  segmentAt = 0;
  fromStart = false;
  otherBytes: Uint8Array = NOTHING;
  otherStart = 0;
  otherEnd = 0;
  turns: Turns = new Turns(new TurnSlab(TURN_LIMITS, 1), 0);
  srcPort = 0;
  dstPort = 0;
  ipVersion = 4;
  addressBytes: Uint8Array = NOTHING;
  sourceAt = 0;
  destinationAt = 0;
  /** Protocol whose feature is being asked: what `known` is about. */
  protocolIndex = 0;

  readonly #known: (protocolIndex: number) => Known;
  // undefined: not parsed yet for this packet.
  #http: HttpMessage | null | undefined = undefined;
  #dns: DnsMessage | null | undefined = undefined;
  #tls: TlsHello | null | undefined = undefined;
  #quic: QuicInitial | null | undefined = undefined;
  /** The words found in this packet's facet. Valid iff `#hasWords`. */
  #words = 0;
  #hasWords = false;

  constructor(known: (protocolIndex: number) => Known) {
    this.#known = known;
  }

  /** Forget the facets of the packet before. Call after changing `bytes`, `start` or `end`. */
  clearFacets(): void {
    this.#http = undefined;
    this.#dns = undefined;
    this.#tls = undefined;
    this.#quic = undefined;
    this.#hasWords = false;
  }

  known(): Known {
    return this.#known(this.protocolIndex);
  }
  http(): HttpMessage | null {
    if (this.#http === undefined) this.#http = this.transport === TCP ? httpFacet(this.bytes, this.start, this.end) : null;
    return this.#http;
  }
  dns(): DnsMessage | null {
    if (this.#dns === undefined) this.#dns = dnsFacet(this.bytes, this.start, this.end, this.transport === TCP);
    return this.#dns;
  }
  tls(): TlsHello | null {
    if (this.#tls === undefined) this.#tls = this.transport === TCP ? tlsFacet(this.bytes, this.start, this.end) : null;
    return this.#tls;
  }
  quic(): QuicInitial | null {
    if (this.#quic === undefined) this.#quic = this.transport === UDP ? quicFacet(this.bytes, this.start, this.end) : null;
    return this.#quic;
  }

  /** True when the packet parses as that protocol. */
  hasParsed(facet: 'http' | 'dns' | 'tls' | 'quic'): boolean {
    switch (facet) {
      case 'http':
        return this.http() !== null;
      case 'dns':
        return this.dns() !== null;
      case 'tls':
        return this.tls() !== null;
      case 'quic':
        return this.quic() !== null;
    }
  }

  /** Bits of the words in a facet that has parsed. No packet parses as two facets with words: looked for once. */
  wordsIn(facet: 'http' | 'dns' | 'tls' | 'quic', words: WordScan): number {
    if (this.#hasWords) return this.#words;
    const http = facet === 'http' ? this.http() : null;
    const end = http?.isComplete === true ? http.bodyAt : this.end;
    this.#words = words.find(this.bytes, this.start, end);
    this.#hasWords = true;
    return this.#words;
  }

  /** True when no further bytes can bring words into a facet that has parsed. */
  isFacetComplete(facet: 'http' | 'dns' | 'tls' | 'quic'): boolean {
    return facet !== 'http' || this.http()?.isComplete === true;
  }

  /** A facet of this packet was asked for and parsed: the traffic is an ordinary protocol, whatever it carries. */
  get hasFacet(): boolean {
    return isParsed(this.#http) || isParsed(this.#dns) || isParsed(this.#tls) || isParsed(this.#quic);
  }
  /** As `hasFacet`, for protocols whose opening alone says all there is to see. */
  get hasFinalFacet(): boolean {
    if (isParsed(this.#dns)) return !this.#isToGroup();
    return this.#quic?.hello.isComplete === true || this.#tls?.isComplete === true;
  }

  /** To a multicast group, where one flow carries the questions and answers of all programs of a host (mDNS). */
  #isToGroup(): boolean {
    const first = this.addressBytes[this.destinationAt]!;
    // RFC 5771 section 3, RFC 4291 section 2.7.
    return this.ipVersion === 4 ? (first & 0xf0) === 0xe0 : first === 0xff;
  }
}

function isParsed(facet: object | null | undefined): boolean {
  return facet !== null && facet !== undefined;
}
