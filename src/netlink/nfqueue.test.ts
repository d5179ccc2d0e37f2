import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fromHex, toHex } from '../base/bytes.js';
import { MessageWriter } from './message-writer.js';
import {
  NFQA_CFG_F_FAIL_OPEN,
  NFQA_CFG_F_GSO,
  NF_ACCEPT,
  NF_DROP,
  NO_MARK,
  QueuedPacket,
  QueuedPacketDecoder,
  bindQueue,
  configureQueue,
  giveVerdict,
  giveVerdictUpTo,
} from './nfqueue.js';

function written(write: (writer: MessageWriter) => void): string {
  const writer = new MessageWriter();
  write(writer);
  return toHex(writer.finish());
}
const hex = (...parts: string[]): string => parts.join('').replace(/ /g, '');

test('configuration messages', () => {
  assert.equal(
    written((writer) => bindQueue(writer, 0x1234, 5)),
    hex('1c000000 0203 0500 05000000 00000000', '00 00 1234', '0800 0100 01 00 0000'),
  );
  const settings = {
    copyRangeBytes: 1600,
    maxPackets: 4096,
    flags: NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO,
    flagsMask: NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO,
  };
  assert.equal(
    written((writer) => configureQueue(writer, 7, settings, 6)),
    hex(
      '38000000 0203 0500 06000000 00000000',
      '00 00 0007',
      '0900 0200 00000640 02 000000', // copy range 1600, NFQNL_COPY_PACKET, padding
      '0800 0300 00001000', // maxlen
      '0800 0500 00000005', // flags
      '0800 0400 00000005', // mask
    ),
  );
});

test('verdicts, single and up to an id, with and without a mark', () => {
  assert.equal(
    written((writer) => giveVerdict(writer, 3, 0x01020304, NF_DROP, NO_MARK)),
    hex('20000000 0103 0100 00000000 00000000', '00 00 0003', '0c00 0200 00000000 01020304'),
  );
  assert.equal(
    written((writer) => giveVerdictUpTo(writer, 3, 9, NF_ACCEPT, 0x80000001)),
    hex('28000000 0303 0100 00000000 00000000', '00 00 0003', '0c00 0200 00000001 00000009', '0800 0300 80000001'),
  );
});

const QUEUED = hex(
  '88000000 0003 0000 00000000 00000000', // NFQNL_MSG_PACKET, length 136
  '02 00 0007', // AF_INET, queue 7
  '0b00 0100 00000102 0800 02 00', // packet id 258, IPv4, hook FORWARD, padding
  '0800 0300 0000002a', // mark 42
  '0800 0500 00000002', // came by interface 2
  '0800 0600 00000003', // leaves by interface 3
  '1000 0900 0006 0000 021122334455 0000', // sender's MAC, 6 bytes
  '0800 0d00 00004000', // original length 16384
  '0800 0e00 00000003', // GSO, checksum not ready
  '2100 0a00 4500001d00004000401100000a4d01020a4d0202c0000035000900006100 0000', // payload: 29 bytes
);

test('a queued packet is decoded whole', () => {
  const bytes = fromHex(QUEUED);
  const packet = new QueuedPacket();
  packet.verdict = NF_DROP;
  packet.verdictMark = 5;
  assert.equal(new QueuedPacketDecoder().decode(bytes, 0, bytes.length, packet), true);
  const { queue, id, hwProtocol, hook, mark, inInterface, outInterface, lengthBytes, skbInfo, isGso } = packet;
  assert.deepEqual(
    { queue, id, hwProtocol, hook, mark, inInterface, outInterface, lengthBytes, skbInfo, isGso },
    { queue: 7, id: 258, hwProtocol: 0x0800, hook: 2, mark: 42, inInterface: 2, outInterface: 3, lengthBytes: 16384, skbInfo: 3, isGso: true },
  );
  assert.equal(toHex(bytes, packet.hwAddressAt, packet.hwAddressAt + packet.hwAddressLength), '021122334455');
  assert.equal(packet.payloadEnd - packet.payloadAt, 29);
  assert.equal(bytes[packet.payloadAt], 0x45);
  assert.deepEqual([packet.verdict, packet.verdictMark], [NF_ACCEPT, NO_MARK], 'a fresh packet is accepted unless told otherwise');
});

test('absent attributes have their defaults, not those of the packet before', () => {
  const decoder = new QueuedPacketDecoder();
  const packet = new QueuedPacket();
  const full = fromHex(QUEUED);
  decoder.decode(full, 0, full.length, packet);
  const bare = fromHex(hex('20000000 0003 0000 00000000 00000000', '0a 00 0001', '0b00 0100 00000103 86dd 00 00'));
  assert.equal(decoder.decode(bare, 0, bare.length, packet), true);
  assert.equal(packet.id, 259);
  assert.equal(packet.hwProtocol, 0x86dd);
  const { mark, inInterface, outInterface, lengthBytes, skbInfo, hwAddressLength } = packet;
  assert.deepEqual([mark, inInterface, outInterface, lengthBytes, skbInfo, hwAddressLength], [0, 0, 0, 0, 0, 0]);
  assert.equal(packet.payloadAt, packet.payloadEnd);
});

test('every truncation is refused or stays inside', () => {
  const decoder = new QueuedPacketDecoder();
  const packet = new QueuedPacket();
  const bytes = fromHex(QUEUED);
  for (let end = 0; end < bytes.length; end++) {
    if (end < 16 || !decoder.decode(bytes, 0, end, packet)) continue;
    assert.ok(packet.payloadEnd <= end, `cut at ${end}`);
    // Whole attributes only: after the header and each further one; the padding of the last may be missing.
    assert.ok([31, 32, 40, 48, 56, 72, 80, 88, 96, 121].includes(end) || end > 88 + 32, `cut at ${end}`);
  }
  assert.equal(decoder.decode(fromHex('10000000 0203 0000 00000000 00000000'), 0, 16, packet), false);
});
