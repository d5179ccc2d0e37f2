/**
 * Replays a capture through an identifier: the hot loop of `p2pwall identify`.
 * Pure: the caller feeds the reader and shows progress.
 */
import type { CaptureReader, ReadStatus } from '../pcap/capture-reader.js';
import type { CaptureError } from '../pcap/formats.js';
import { decodeFrame } from '../wire/decode.js';
import { isKnownLinkType, linkTypeName } from '../wire/link-types.js';
import { PacketView } from '../wire/packet-view.js';
import type { Identifier } from './identifier.js';

/** What became of the packets of a capture. */
export interface ReplayCounts {
  packets: number;
  /** On the wire, link layer included. */
  lengthBytes: number;
  /** By decode status; `ok` and first fragments went into flows when TCP or UDP. */
  fragments: number;
  truncated: number;
  malformed: number;
  unsupported: number;
}

/** Packets of one kind that cannot be decoded: how many, and the first of them. */
interface Unusable {
  readonly linkType: number;
  readonly packet: number;
  readonly atBytes: number;
  count: number;
}

/** Link types named in messages; a capture with more has other problems. */
const MAX_UNKNOWN_LINK_TYPES = 8;

export class Replay {
  readonly counts: ReplayCounts = { packets: 0, lengthBytes: 0, fragments: 0, truncated: 0, malformed: 0, unsupported: 0 };
  readonly #identifier: Identifier;
  readonly #view = new PacketView();
  readonly #unknownLinks: Unusable[] = [];
  #empty: Unusable | null = null;
  readonly #onPacket: ((view: PacketView, flow: number) => void) | undefined;

  /** `onPacket` sees every packet that has a flow, after the identifier did. */
  constructor(identifier: Identifier, onPacket?: (view: PacketView, flow: number) => void) {
    this.#identifier = identifier;
    this.#onPacket = onPacket;
  }

  /** Takes packets until the reader wants more bytes or is done; returns why it stopped. */
  drain(reader: CaptureReader): Exclude<ReadStatus, 'packet'> {
    const { counts } = this;
    const view = this.#view;
    const identifier = this.#identifier;
    const onPacket = this.#onPacket;
    for (;;) {
      const read = reader.next();
      if (read !== 'packet') return read;
      counts.packets++;
      counts.lengthBytes += reader.originalLengthBytes;
      const status = decodeFrame(view, reader.linkType, reader.bytes, reader.start, reader.end);
      view.timeMs = reader.timeMs;
      if (status === 'ok') {
        const flow = identifier.packet(view);
        if (onPacket !== undefined && flow >= 0) onPacket(view, flow);
      } else if (status === 'fragment') {
        counts.fragments++;
        if (!view.isLaterFragment && view.transportAt > 0) identifier.packet(view);
      } else {
        counts[status]++;
        if (reader.start === reader.end) this.#noteEmpty(reader);
        else if (status === 'unsupported' && !isKnownLinkType(reader.linkType)) this.#noteLinkType(reader);
      }
    }
  }

  #noteEmpty(reader: CaptureReader): void {
    this.#empty ??= { linkType: reader.linkType, packet: reader.packetCount, atBytes: reader.packetAtBytes, count: 0 };
    this.#empty.count++;
  }

  #noteLinkType(reader: CaptureReader): void {
    const { linkType } = reader;
    let known = this.#unknownLinks.find((it) => it.linkType === linkType);
    if (known === undefined) {
      if (this.#unknownLinks.length >= MAX_UNKNOWN_LINK_TYPES) return;
      known = { linkType, packet: reader.packetCount, atBytes: reader.packetAtBytes, count: 0 };
      this.#unknownLinks.push(known);
    }
    known.count++;
  }

  /** What could not be used although reading went on: packets of unknown link types, and without any byte. */
  problems(): readonly CaptureError[] {
    const problems: CaptureError[] = this.#unknownLinks.map(({ linkType, packet, atBytes, count }) => ({
      kind: 'unknown-link-type',
      message: `${linkTypeName(linkType)} is not known: ${packets(count)} could not be decoded, the first is packet ${packet} (at byte ${atBytes})`,
      atBytes,
      hint: 'convert the capture to Ethernet or raw IP, or capture on another interface',
    }));
    if (this.#empty !== null) {
      const { packet, atBytes, count } = this.#empty;
      problems.push({ kind: 'empty-packet', message: `${packets(count)} without any byte, the first is packet ${packet} (at byte ${atBytes})`, atBytes });
    }
    return problems;
  }
}

function packets(count: number): string {
  return count === 1 ? '1 packet' : `${count} packets`;
}
