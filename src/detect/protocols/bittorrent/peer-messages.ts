/**
 * Clear peer messages that name endpoints: the extension handshake (BEP 10, `p`:
 * the sender's listening port), peer exchange (BEP 11) and the DHT port message
 * (BEP 5). Walks length-prefixed messages and stops at the first that cannot be
 * one: mid-stream or encrypted bytes tell nothing.
 */
import { ascii, u16, u32, u8 } from '../../../base/bytes.js';
import type { PeerSink } from '../../detector.js';
import { integerAt, valueAt } from './bencode.js';
import { tellCompactString, tellListeningPort } from './peers.js';

/** Message ids (BEP 3, BEP 5, BEP 10). */
const PORT = 9;
const EXTENDED = 20;

/** Larger than any message in use: a piece block of 128 KiB and its header. */
const MAX_MESSAGE_BYTES = 0x2_0100;

const KEY_P = ascii('p');
const KEY_ADDED = ascii('added');
const KEY_ADDED6 = ascii('added6');

/** Tells what the messages of [at, end) name; `at` must be a message's first byte. */
export function tellPeerMessages(bytes: Uint8Array, at: number, end: number, sink: PeerSink): void {
  for (let next = at; next + 5 <= end; ) {
    const lengthBytes = u32(bytes, next);
    if (lengthBytes > MAX_MESSAGE_BYTES) return;
    const bodyAt = next + 5;
    const bodyEnd = Math.min(end, next + 4 + lengthBytes);
    if (lengthBytes > 0) {
      const id = u8(bytes, next + 4);
      if (id === EXTENDED) tellExtended(bytes, bodyAt, bodyEnd, sink);
      else if (id === PORT && lengthBytes === 3 && bodyAt + 2 <= bodyEnd)
        tellListeningPort(u16(bytes, bodyAt), sink);
      else if (id > EXTENDED) return;
    }
    next += 4 + lengthBytes;
  }
}

/** Extended message: one byte of its own id (0: handshake), then a dictionary. */
function tellExtended(bytes: Uint8Array, at: number, end: number, sink: PeerSink): void {
  if (at + 1 >= end) return;
  const dictionaryAt = at + 1;
  if (u8(bytes, at) === 0) {
    const portAt = valueAt(bytes, dictionaryAt, end, KEY_P);
    tellListeningPort(integerAt(bytes, portAt, end), sink);
    return;
  }
  // The receiver chose the number for ut_pex; its keys show it anyway.
  tellCompactString(bytes, valueAt(bytes, dictionaryAt, end, KEY_ADDED), end, 4, 0, sink);
  tellCompactString(bytes, valueAt(bytes, dictionaryAt, end, KEY_ADDED6), end, 16, 0, sink);
}
