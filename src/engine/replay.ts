/**
 * Replays a capture through an identifier: the hot loop of `p2pwall identify`.
 * Pure: the caller feeds the reader and shows progress.
 */
import type { CaptureReader, ReadStatus } from '../pcap/capture-reader.js';
import { decodeFrame } from '../wire/decode.js';
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

export class Replay {
  readonly counts: ReplayCounts = { packets: 0, lengthBytes: 0, fragments: 0, truncated: 0, malformed: 0, unsupported: 0 };
  readonly #identifier: Identifier;
  readonly #view = new PacketView();
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
      } else counts[status]++;
    }
  }
}
