/**
 * A process of its own for test/allocation.test.ts: feeds packets of decided flows to an identifier and prints, as JSON,
 * how many bytes the heap grew for each packet. With the argument `control` one small object is made for each packet
 * as well: what a regression would look like.
 *
 * Run with a young generation larger than all that the control allocates (--min-semi-space-size): nothing is collected
 * in between, so growth is what was allocated.
 */
import { Identifier } from '../../src/engine/identifier.js';
import { PROTOCOLS } from '../../src/detect/registry.js';
import { ascii } from '../../src/base/bytes.js';
import { buildEthernet, buildTcp, buildUdp } from '../../src/wire/build.js';
import { TCP_ACK, TCP_SYN } from '../../src/wire/constants.js';
import { decodeFrame } from '../../src/wire/decode.js';
import { LINKTYPE_ETHERNET } from '../../src/wire/link-types.js';
import { PacketView } from '../../src/wire/packet-view.js';

const PACKETS = 1_000_000;
/** Enough for V8 to have optimised everything on the way. */
const WARM_UP_PACKETS = 1_000_000;
/** More than any budget of packets that the engine looks at. */
const DECIDING_PACKETS = 300;

const HANDSHAKE = ascii(`\x13BitTorrent protocol${'\0'.repeat(8)}${'i'.repeat(20)}-XX0001-${'p'.repeat(12)}`);
const DHT_PING = ascii('d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe');

const V4 = { src: '192.0.2.10', dst: '198.51.100.7' };
const V6 = { src: '2001:db8::10', dst: '2001:db8:1::7' };
const PORTS = { srcPort: 40_000, dstPort: 51_413 };
const BACK = { srcPort: 51_413, dstPort: 40_000 };

/** The packets of one flow of each kind: one that decides it, then one in each direction. */
const FLOWS: readonly { readonly name: string; readonly opening: readonly Uint8Array[]; readonly later: readonly Uint8Array[] }[] = [V4, V6].flatMap((ends) => {
  const swapped = { src: ends.dst, dst: ends.src };
  const version = ends === V4 ? 'IPv4' : 'IPv6';
  return [
    {
      name: `TCP over ${version}`,
      opening: [
        buildTcp({ ...ends, ...PORTS, flags: TCP_SYN, seq: 999 }),
        buildTcp({ ...swapped, ...BACK, flags: TCP_SYN | TCP_ACK, seq: 4999 }),
        buildTcp({ ...ends, ...PORTS, flags: TCP_ACK, seq: 1000, payload: HANDSHAKE }),
      ],
      later: [
        buildTcp({ ...ends, ...PORTS, flags: TCP_ACK, seq: 70_000, payload: new Uint8Array(1200) }),
        buildTcp({ ...swapped, ...BACK, flags: TCP_ACK, seq: 5000, payload: HANDSHAKE }),
      ],
    },
    {
      name: `UDP over ${version}`,
      opening: [buildUdp({ ...ends, ...PORTS, payload: DHT_PING })],
      later: [buildUdp({ ...ends, ...PORTS, payload: DHT_PING }), buildUdp({ ...swapped, ...BACK, payload: new Uint8Array(300) })],
    },
  ];
});

const identifier = new Identifier({ protocols: PROTOCOLS });
const view = new PacketView();
view.timeMs = 1_700_000_000_000.125;

function feed(frame: Uint8Array): number {
  decodeFrame(view, LINKTYPE_ETHERNET, frame, 0, frame.length);
  // Not in a variable of this module: V8 makes an object of each fraction that such a variable is given.
  view.timeMs += 0.0625;
  return identifier.packet(view);
}

const undecided: string[] = [];
for (const { name, opening, later } of FLOWS) {
  let flow = -1;
  for (const packet of opening) flow = feed(buildEthernet(packet));
  for (let i = 0; i < DECIDING_PACKETS; i++) for (const packet of later) feed(buildEthernet(packet));
  if (identifier.finding(flow)?.protocol.id !== 'bittorrent' || !identifier.isDone(flow)) undecided.push(name);
}

const frames = FLOWS.flatMap(({ later }) => later.map((packet) => buildEthernet(packet)));
const isControl = process.argv[2] === 'control';
/** What the control makes, kept in turn so that V8 cannot leave it out. */
const kept: object[] = new Array<object>(8).fill({});

function feedMany(count: number): void {
  for (let i = 0; i < count; i++) {
    feed(frames[i % frames.length]!);
    if (isControl) kept[i & 7] = { packet: i };
  }
}

feedMany(WARM_UP_PACKETS);
globalThis.gc?.();
const beforeBytes = process.memoryUsage().heapUsed;
feedMany(PACKETS);
const grownBytes = process.memoryUsage().heapUsed - beforeBytes;
process.stdout.write(JSON.stringify({ undecided, flows: identifier.table.size, bytesPerPacket: grownBytes / PACKETS }));
