import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fromHex, toHex } from '../base/bytes.js';
import { MessageWriter } from './message-writer.js';
import { RouteDecoder, dumpAddresses, dumpLinks, getNeighbour, lookupRoute, solicitNeighbour } from './route.js';
import { destroySocket, dumpSockets, dumpTcpSockets, readSocket } from './sock-diag.js';

const hex = (...parts: string[]): string => parts.join('').replace(/ /g, '');
const decoder = new RouteDecoder();
function written(write: (writer: MessageWriter) => void): string {
  const writer = new MessageWriter();
  write(writer);
  return toHex(writer.finish());
}

test('a route lookup as the forwarding path would do it', () => {
  const query = {
    destination: Uint8Array.of(10, 77, 2, 2),
    source: Uint8Array.of(10, 77, 1, 2),
    inputInterface: 2,
    mark: 0x100,
  };
  assert.equal(
    written((writer) => lookupRoute(writer, query, 1)),
    hex(
      '3c000000 1a00 0100 01000000 00000000',
      '02 20 20 00 00 00 00 00 00000000', // AF_INET, /32 from /32
      '0800 0100 0a4d0202',
      '0800 0200 0a4d0102',
      '0800 0300 02000000', // input interface, host order
      '0800 1000 00010000', // mark
    ),
  );
});

test('routes: on the link, by a gateway, by a gateway of the other family', () => {
  // Recorded in a namespace; the answer to the lookup above.
  const onLink = fromHex('680000001800000001000000df60000002202000fe0000010002000008000f00fe000000080001000a4d0202080002000a4d01020800040003000000080003000200000024000c000200000000000000000000000000000000000000000000000000000000000000');
  assert.deepEqual(decoder.route(onLink, 0, onLink.length), { type: 1, outputInterface: 3, gateway: null, prefixLength: 32 });
  const byGateway = fromHex(hex('2c000000 1800 0000 01000000 00000000 02200000 fe000001 00000000', '0800 0500 0a4d0101', '0800 0400 02000000'));
  assert.deepEqual(decoder.route(byGateway, 0, byGateway.length), { type: 1, outputInterface: 2, gateway: Uint8Array.of(10, 77, 1, 1), prefixLength: 32 });
  const byIpv6 = fromHex(hex('3c000000 1800 0000 01000000 00000000 02200000 fe000001 00000000', '1600 1200 0a00 fe800000000000000000000000000001 0000', '0800 0400 02000000'));
  assert.equal(toHex(decoder.route(byIpv6, 0, byIpv6.length)?.gateway ?? new Uint8Array()), 'fe800000000000000000000000000001');
  for (let end = 16; end < onLink.length; end++) {
    const route = decoder.route(onLink, 0, end);
    assert.ok(route === null || route.outputInterface === 0 || route.outputInterface === 3, `cut at ${end}`);
  }
});

test('neighbours: usable, being asked for, failed', () => {
  const reachable = fromHex('4c0000001c00000003000000df600000020000000300000002000001080001000a4d02020a0002003e2e6f0068f500000800040004000000140003007c0000007c0000007c00000002000000');
  assert.deepEqual(decoder.neighbour(reachable, 0, reachable.length), {
    interfaceIndex: 3,
    address: Uint8Array.of(10, 77, 2, 2),
    linkAddress: fromHex('3e2e6f0068f5'),
    isUsable: true,
    hasFailed: false,
  });
  const incomplete = fromHex('400000001c00000005000000df600000020000000300000001000001080001000a4d024d08000400040000001400030070170000000000000000000002000000');
  const asked = decoder.neighbour(incomplete, 0, incomplete.length);
  assert.deepEqual([asked?.linkAddress, asked?.isUsable, asked?.hasFailed], [null, false, false]);
  incomplete[16 + 8] = 0x20; // NUD_FAILED
  assert.equal(decoder.neighbour(incomplete, 0, incomplete.length)?.hasFailed, true);
  assert.equal(decoder.neighbour(reachable, 0, 27), null);
  assert.equal(
    written((writer) => getNeighbour(writer, 3, Uint8Array.of(10, 77, 2, 2), 4)),
    hex('24000000 1e00 0100 04000000 00000000 02 00 0000 03000000 0000 00 00 0800 0100 0a4d0202'),
  );
  assert.equal(
    written((writer) => solicitNeighbour(writer, 3, Uint8Array.of(10, 77, 2, 2), 4)),
    hex('24000000 1c00 0504 04000000 00000000 02 00 0000 03000000 0000 01 00 0800 0100 0a4d0202'),
    'NTF_USE makes the kernel ask',
  );
});

test('links and addresses', () => {
  const link = fromHex(hex('5c000000 1000 0200 06000000 00000000', '00 00 0100 02000000 43100100 00000000', '1000 1200 0900 0100 7665746800 000000', '0b00 0300 696e7369646500 00', '0800 0400 dc050000', '0800 0a00 07000000', '0a00 0100 568eeb98783b 0000'));
  assert.deepEqual(decoder.link(link, 0, link.length), {
    index: 2,
    type: 1,
    isUp: true,
    hasNeighbours: true,
    kind: 'veth',
    name: 'inside',
    linkAddress: fromHex('568eeb98783b'),
    mtuBytes: 1500,
    master: 7,
  });
  // A point-to-point link: IFA_ADDRESS is the other end, IFA_LOCAL ours.
  const address = fromHex(hex('28000000 1400 0200 07000000 00000000', '02 20 00 00 04000000', '0800 0100 0a000002', '0800 0200 0a000001'));
  assert.deepEqual(decoder.address(address, 0, address.length), { interfaceIndex: 4, prefixLength: 32, address: Uint8Array.of(10, 0, 0, 1) });
  assert.equal(decoder.address(link, 0, link.length), null);
  assert.equal(written((writer) => dumpLinks(writer, 1)).slice(0, 16), '2000000012000103');
  assert.equal(written((writer) => dumpAddresses(writer, 1)).slice(0, 16), '1800000016000103');
});

test('local sockets: list and destroy exactly one', () => {
  const listed = fromHex(
    hex(
      '58000000 1400 0200 05000000 00000000',
      '02 01 00 00', // AF_INET, ESTABLISHED
      '0016 c350', // port 22, port 50000
      '0a4d0201 000000000000000000000000', // 10.77.2.1
      '0a4d0202 000000000000000000000000', // 10.77.2.2
      '00000000 0100000002000000', // any interface, cookie
      '00000000 00000000 00000000 e8030000 39300000', // expires, queues, uid, inode
    ),
  );
  const socket = readSocket(listed, 0, listed.length, 6);
  assert.ok(socket);
  assert.deepEqual([socket.localPort, socket.remotePort, socket.state, socket.ipVersion], [22, 50000, 1, 4]);
  assert.deepEqual([...socket.local, ...socket.remote], [10, 77, 2, 1, 10, 77, 2, 2]);
  assert.equal(readSocket(listed, 0, listed.length - 1, 6), null);
  assert.equal(
    written((writer) => destroySocket(writer, socket, 9)),
    hex(
      '48000000 1500 0500 09000000 00000000',
      '02 06 00 00 00000000',
      '0016 c350',
      '0a4d0201 000000000000000000000000',
      '0a4d0202 000000000000000000000000',
      '00000000 0100000002000000',
    ),
  );
  assert.equal(
    written((writer) => dumpSockets(writer, 6, 6, 9)).slice(0, 48),
    hex('48000000 1400 0103 09000000 00000000', '0a 06 00 00 ff0b0000'),
    'every state but LISTEN',
  );
  assert.equal(
    written((writer) => dumpTcpSockets(writer, 9)),
    hex('4c000000 1200 0103 09000000 00000000', '02 00 00 00', '00000000'.repeat(12), 'ff0b0000 00000000'),
    'both families at once',
  );
});
