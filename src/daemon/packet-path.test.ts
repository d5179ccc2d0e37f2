import { test } from 'node:test';
import assert from 'node:assert/strict';
import { PROTOCOLS } from '../detect/registry.js';
import { markField } from '../enforce/marks.js';
import { Gate } from '../engine/gate.js';
import { MessageWriter } from '../netlink/message-writer.js';
import { NF_ACCEPT, NF_REPEAT, NO_MARK, QueuedPacket, QueuedPacketDecoder, writeQueuedPacket } from '../netlink/nfqueue.js';
import type { Policy } from '../policy/policy.js';
import { ascii } from '../base/bytes.js';
import { buildTcp } from '../wire/build.js';
import { TCP_ACK, TCP_SYN } from '../wire/constants.js';
import { InsideInterfaces } from './interfaces.js';
import { PacketPath } from './packet-path.js';

const LOG: Policy = { rules: [], defaultAction: { kind: 'log' }, trouble: 'accept' };
const DROP: Policy = { ...LOG, defaultAction: { kind: 'drop' } };
const HANDSHAKE = ascii('\x13BitTorrent protocol\0\0\0\0\0\0\0\0aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb');
const GET = ascii('GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n');
const OK = ascii('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');

const CLIENT = { src: '192.0.2.1', dst: '198.18.0.1', dstPort: 80 };

/** A path and the packets that it judges, each batch as the queue gives it. */
class Path {
  readonly path: PacketPath;
  readonly #decoder = new QueuedPacketDecoder();

  constructor(policy: Policy = LOG) {
    this.path = new PacketPath(new Gate({ protocols: PROTOCOLS, policy }), markField(0x00ff0000), new InsideInterfaces([]), [], NF_REPEAT);
  }

  /** The packets of a batch, judged. */
  receive(...packets: readonly Uint8Array[]): QueuedPacket[] {
    const batch = packets.map((bytes, i) => {
      const message = writeQueued(bytes, i);
      const packet = new QueuedPacket();
      assert.ok(this.#decoder.decode(message, 0, message.length, packet));
      return packet;
    });
    this.path.receive(batch, batch.length);
    return batch;
  }
}

function writeQueued(bytes: Uint8Array, id: number): Uint8Array {
  const writer = new MessageWriter(2048);
  writeQueuedPacket(writer, 0, id, bytes);
  return writer.finish();
}

const syn = (srcPort: number): Uint8Array => buildTcp({ ...CLIENT, srcPort, seq: 99, flags: TCP_SYN });
const says = (srcPort: number, payload: Uint8Array, seq = 100): Uint8Array => buildTcp({ ...CLIENT, srcPort, seq, flags: TCP_ACK, payload });
const answers = (port: number): Uint8Array => buildTcp({ src: CLIENT.dst, dst: CLIENT.src, srcPort: CLIENT.dstPort, dstPort: port, seq: 500, flags: TCP_ACK, payload: OK });

/** What the kernel is told of each: accepted as it is, or seen again with a mark. */
const words = (packets: readonly QueuedPacket[]): string[] =>
  packets.map(({ verdict, verdictMark }) => (verdict === NF_ACCEPT && verdictMark === NO_MARK ? 'on' : `${verdict === NF_REPEAT ? 'again' : verdict} ${verdictMark.toString(16)}`));

test('of a flow that passes, the last packet of the batch alone brings the mark, and is kept', () => {
  const lab = new Path();
  const batch = lab.receive(syn(1), says(1, GET), answers(1), says(1, GET, 141));
  assert.deepEqual(words(batch), ['on', 'on', 'on', 'again 10000']);
  assert.deepEqual(batch.map(({ isKept }) => isKept), [false, false, false, true]);
});

test('what was kept brings no mark when more of its flow has come; the next one is not kept again', () => {
  const lab = new Path();
  const first = lab.receive(syn(1), says(1, GET), answers(1));
  const second = lab.receive(says(1, GET, 141));
  assert.deepEqual([...words(first), ...words(second)], ['on', 'on', 'on', 'again 10000']);
  assert.equal(second[0]?.isKept, false);
});

test('what was kept and then answered is left alone: the object may be another packet by now', () => {
  const lab = new Path();
  const [, , kept] = lab.receive(syn(1), says(1, GET), answers(1));
  assert.ok(kept);
  kept.isKept = false;
  lab.receive(says(1, GET, 141));
  assert.deepEqual(words([kept]), ['again 10000']);
});

test('each of several flows has its own last packet; what is not the last of all is not kept', () => {
  const lab = new Path();
  const batch = lab.receive(syn(1), syn(2), says(1, GET), says(2, GET), answers(1), answers(2), says(1, GET, 141), says(2, GET, 141), says(3, GET));
  assert.deepEqual(words(batch).slice(4), ['on', 'on', 'again 10000', 'again 10000', 'on']);
  assert.ok(batch.every(({ isKept }) => !isKept));
});

test('what is blocked is blocked with every packet, and never kept', () => {
  const lab = new Path(DROP);
  const batch = lab.receive(syn(1), says(1, HANDSHAKE), says(1, HANDSHAKE, 168));
  assert.deepEqual(words(batch), ['on', 'again 20000', 'again 20000']);
  assert.ok(batch.every(({ isKept }) => !isKept));
});
