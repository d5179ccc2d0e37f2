import { test } from 'node:test';
import assert from 'node:assert/strict';
import { addressText } from '../base/address.js';
import { fromHex, toHex } from '../base/bytes.js';
import { ConntrackDecoder, type ConntrackEntry, IPS_SRC_NAT, type Tuple, conntrackChange } from './conntrack.js';
import { deleteConntrack, dumpConntrack, getConntrack, markConntrack } from './conntrack-request.js';
import { MessageWriter } from './message-writer.js';

const hex = (...parts: string[]): string => parts.join('').replace(/ /g, '');

/** 10.77.1.2:59532 -> 10.77.2.2:7000 over TCP, masqueraded as 10.77.2.1; recorded in a namespace, kernel 6.18. */
const MASQUERADED = hex(
  '1c010000 0001 0200 05000000 d706ddc8', // IPCTNL_MSG_CT_NEW, NLM_F_MULTI
  '02 00 0000', // AF_INET
  '3400 0180', // CTA_TUPLE_ORIG
  '1400 0180 0800 0100 0a4d0102 0800 0200 0a4d0202', //   addresses
  '1c00 0280 0500 0100 06000000 0600 0200 e88c 0000 0600 0300 1b58 0000', //   TCP 59532 -> 7000
  '3400 0280', // CTA_TUPLE_REPLY
  '1400 0180 0800 0100 0a4d0202 0800 0200 0a4d0201', //   to the translated address
  '1c00 0280 0500 0100 06000000 0600 0200 1b58 0000 0600 0300 e88c 0000',
  '0800 0300 0000019e', // status: seen reply, assured, confirmed, SNAT, both NAT kinds done
  '0800 0800 00000000', // mark
  '0800 0c00 23477b76', // id
  '0800 0b00 00000001', // use
  '0800 0700 0006977e', // timeout 431998 s
  '3000 0480 2c00 0180 0500 0100 03000000 0500 0200 0a000000 0500 0300 0a000000 0600 0400 2300 0000 0600 0500 2300 0000', // TCP ESTABLISHED
  '1c00 0980 0c00 0100 0000000000000004 0c00 0200 00000000000000d9', // 4 packets, 217 bytes
  '1c00 0a80 0c00 0100 0000000000000003 0c00 0200 00000000000000a5', // 3 packets, 165 bytes
  '1000 1480 0c00 0100 18ea59e8c30c1196', // start, ns since 1970
);

function decode(text: string): ConntrackEntry | null {
  const bytes = fromHex(text);
  return new ConntrackDecoder().decode(bytes, 0, bytes.length);
}

const ends = (tuple: Tuple): string =>
  [tuple.source, tuple.destination].map((address) => addressText(address, 0, address.length)).join(' > ') +
  ` ${tuple.sourcePort} > ${tuple.destinationPort}`;

test('a masqueraded connection is decoded whole', () => {
  const entry = decode(MASQUERADED);
  assert.ok(entry);
  assert.equal(ends(entry.original), '10.77.1.2 > 10.77.2.2 59532 > 7000');
  assert.equal(ends(entry.reply), '10.77.2.2 > 10.77.2.1 7000 > 59532');
  const { original, reply, ...rest } = entry;
  assert.ok(original && reply);
  assert.deepEqual(rest, {
    ipVersion: 4,
    protocol: 6,
    originalZone: 0,
    replyZone: 0,
    id: 0x23477b76,
    status: 0x19e,
    mark: 0,
    timeoutSeconds: 431998,
    tcpState: 'ESTABLISHED',
    originalCounters: { packets: 4, bytes: 217 },
    replyCounters: { packets: 3, bytes: 165 },
    startedAtMs: 1795346257700,
  });
  assert.ok(entry.status & IPS_SRC_NAT);
});

test('IPv6, UDP, zones of one direction, no counters', () => {
  const entry = decode(
    hex(
      'cc000000 0001 0006 00000000 00000000 0a 00 0000',
      '5400 0180 2c00 0180 1400 0300 fd770001000000000000000000000002 1400 0400 fd770002000000000000000000000002',
      '1c00 0280 0500 0100 11000000 0600 0200 1ae1 0000 0600 0300 1ae2 0000 0600 0300 0009 0000', // CTA_TUPLE_ZONE 9
      '4c00 0280 2c00 0180 1400 0300 fd770002000000000000000000000002 1400 0400 fd770001000000000000000000000002',
      '1c00 0280 0500 0100 11000000 0600 0200 1ae2 0000 0600 0300 1ae1 0000',
      '0800 0700 0000001e',
    ),
  );
  assert.ok(entry);
  assert.equal(ends(entry.original), 'fd77:1::2 > fd77:2::2 6881 > 6882');
  assert.deepEqual([entry.protocol, entry.originalZone, entry.replyZone], [17, 9, 0]);
  assert.deepEqual([entry.tcpState, entry.originalCounters, entry.startedAtMs, entry.id], [null, null, null, 0]);
  assert.equal(entry.timeoutSeconds, 30);
});

test('what a message reports depends on type and flags', () => {
  const table: [string, string, string | null][] = [
    ['an entry of a dump', '0001 0200', 'entry'],
    ['a new connection (CREATE | EXCL)', '0001 0006', 'new'],
    ['a change', '0001 0000', 'update'],
    ['the end', '0201 0000', 'destroy'],
    ['a request', '0101 0103', null],
    ['another subsystem', '0003 0000', null],
  ];
  for (const [name, typeAndFlags, expected] of table) {
    assert.equal(conntrackChange(fromHex(`14000000 ${typeAndFlags} 00000000 00000000`), 0), expected, name);
  }
});

test('no truncation of an entry is taken for an entry, save those that only lack trailing attributes', () => {
  const bytes = fromHex(MASQUERADED);
  const decoder = new ConntrackDecoder();
  let accepted = 0;
  for (let end = 16; end < bytes.length; end++) {
    const entry = decoder.decode(bytes, 0, end);
    if (!entry) continue;
    accepted++;
    assert.equal(ends(entry.reply), '10.77.2.2 > 10.77.2.1 7000 > 59532');
  }
  // After the reply tuple and after each of the nine attributes that follow, the last excluded.
  assert.equal(accepted, 9);
});

test('requests: dump with filters, find, delete, mark', () => {
  const entry = decode(MASQUERADED);
  assert.ok(entry);
  const written = (write: (writer: MessageWriter) => void): string => {
    const writer = new MessageWriter();
    write(writer);
    return toHex(writer.finish());
  };
  assert.equal(
    written((writer) => dumpConntrack(writer, 0, {}, 5)),
    hex('14000000 0101 0103 05000000 00000000 00 00 0000'),
  );
  assert.equal(
    written((writer) => dumpConntrack(writer, 4, { mark: { value: 1, mask: 0xff } }, 5)),
    hex('24000000 0101 0103 05000000 00000000 02 00 0000 0800 0800 00000001 0800 1500 000000ff'),
  );
  const address = { tuple: 'reply', side: 'destination', value: Uint8Array.of(10, 77, 2, 1) } as const;
  assert.equal(
    written((writer) => dumpConntrack(writer, 0, { address }, 5)),
    hex(
      '38000000 0101 0103 05000000 00000000 02 00 0000',
      '1400 1980 0800 0100 00000000 0800 0200 02000000', // CTA_FILTER: nothing of original, destination of reply
      '1000 0280 0c00 0180 0800 0200 0a4d0201',
    ),
  );
  const original = '3400 0180 1400 0180 0800 0100 0a4d0102 0800 0200 0a4d0202 1c00 0280 0500 0100 06000000 0600 0200 e88c 0000 0600 0300 1b58 0000';
  assert.equal(
    written((writer) => deleteConntrack(writer, entry, 5)),
    hex('50000000 0201 0500 05000000 00000000 02 00 0000', original, '0800 0c00 23477b76'),
  );
  assert.equal(
    written((writer) => getConntrack(writer, entry, 5)),
    hex('48000000 0101 0500 05000000 00000000 02 00 0000', original),
  );
  assert.equal(
    written((writer) => markConntrack(writer, entry, 0xffffffff, 0x40000000, 5)),
    hex('58000000 0001 0500 05000000 00000000 02 00 0000', original, '0800 0800 40000000 0800 1500 40000000'),
    'bits outside the mask are never sent',
  );
  const zoned = { ...entry, originalZone: 9, replyZone: 9, id: 0 };
  assert.equal(
    written((writer) => deleteConntrack(writer, zoned, 5)),
    hex('50000000 0201 0500 05000000 00000000 02 00 0000', original, '0600 1200 0009 0000'),
    'a zone of both directions',
  );
  assert.equal(
    written((writer) => deleteConntrack(writer, { ...zoned, replyZone: 0 }, 5)),
    hex('50000000 0201 0500 05000000 00000000 02 00 0000', original.replace('3400 0180', '3c00 0180'), '0600 0300 0009 0000'),
    'a zone of the original direction',
  );
});
