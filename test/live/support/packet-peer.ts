/** Sends forged UDP packets from a router, or receives those to port 7777 through a packet filter. */
import { addressText, parseAddress } from '../../../src/base/address.js';
import { concat, latin1, putU16 } from '../../../src/base/bytes.js';
import { NETLINK_ROUTE, NetlinkSocket } from '../../../src/kernel/netlink-socket.js';
import { PacketReceiver, PacketSender, linkDestination } from '../../../src/kernel/packet-socket.js';
import { RawSocket } from '../../../src/kernel/raw-socket.js';
import { RouteDecoder, type Neighbour, getNeighbour, solicitNeighbour } from '../../../src/netlink/route.js';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

const ENDS = { 4: ['10.77.1.2', '10.77.2.2'], 6: ['fd77:1::2', 'fd77:2::2'] } as const;
// Interface index of `outside` in a routed lab: lo 1, inside 2, outside 3.
const OUTSIDE = 3;

/** A UDP datagram to port 7777 without checksum (the receiver reads below UDP). */
function datagram(version: 4 | 6, text: string): Uint8Array {
  const [source, destination] = ENDS[version].map((end) => parseAddress(end) ?? new Uint8Array()) as [Uint8Array, Uint8Array];
  const udp = new Uint8Array(8 + text.length);
  putU16(udp, 0, 1111);
  putU16(udp, 2, 7777);
  putU16(udp, 4, udp.length);
  for (let i = 0; i < text.length; i++) udp[8 + i] = text.charCodeAt(i);
  const header =
    version === 4
      ? Uint8Array.of(0x45, 0, 0, 20 + udp.length, 0, 1, 0x40, 0, 64, 17, 0, 0)
      : Uint8Array.of(0x60, 0, 0, 0, 0, udp.length, 17, 64);
  return concat(header, source, destination, udp);
}

/** Link address of the server, asking for it when the cache is cold. */
async function neighbour(netlink: NetlinkSocket, address: Uint8Array): Promise<Uint8Array> {
  const decoder = new RouteDecoder();
  for (let i = 0; i < 50; i++) {
    let found: Neighbour | null = null;
    netlink.writer.reset();
    getNeighbour(netlink.writer, OUTSIDE, address, netlink.nextSequence());
    netlink.request(netlink.writer, (bytes, at, end) => {
      found = decoder.neighbour(bytes, at, end);
    });
    const link = (found as Neighbour | null)?.linkAddress;
    if (link) return link;
    netlink.writer.reset();
    solicitNeighbour(netlink.writer, OUTSIDE, address, netlink.nextSequence());
    netlink.mustRequest(netlink.writer, 'ask for a neighbour', 'RTM_NEWNEIGH');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('no neighbour');
}

const main: WorkerMain = (data, port) => {
  if ((data as { listen?: boolean }).listen) {
    const receiver = new PacketReceiver({
      // UDP only, either family: ldb version; ldb [9] or [6] == 17.
      filter: [
        { code: 0x30, jt: 0, jf: 0, k: 0 }, // ldb [0]
        { code: 0x54, jt: 0, jf: 0, k: 0xf0 }, // and 0xf0
        { code: 0x15, jt: 0, jf: 2, k: 0x40 }, // IPv4?
        { code: 0x30, jt: 0, jf: 0, k: 9 },
        { code: 0x15, jt: 2, jf: 3, k: 17 },
        { code: 0x30, jt: 0, jf: 0, k: 6 },
        { code: 0x15, jt: 0, jf: 1, k: 17 },
        { code: 0x06, jt: 0, jf: 0, k: 0xffff }, // accept
        { code: 0x06, jt: 0, jf: 0, k: 0 },
      ],
    });
    receiver.start((bytes, at, end) => {
      const isV4 = (bytes[at] ?? 0) >> 4 === 4;
      const length = isV4 ? 4 : 16;
      const source = at + (isV4 ? 12 : 8);
      const ends = [source, source + length].map((where) => addressText(bytes, where, length));
      port.postMessage(`${ends.join(' > ')} ${latin1(bytes, at + (isV4 ? 28 : 48), end)}`);
    });
  }
  port.on('message', async ({ version, how }: { version: 4 | 6; how: 'raw' | 'link' }) => {
    const packet = datagram(version, how === 'raw' ? 'raw!' : 'link');
    if (how === 'raw') {
      const raw = new RawSocket({ ipVersion: version, mark: 1 });
      const errno = raw.send(packet);
      if (errno !== 0) port.postMessage(`raw errno ${errno}`);
      raw.close();
      return;
    }
    const netlink = NetlinkSocket.open(NETLINK_ROUTE);
    const linkAddress = await neighbour(netlink, parseAddress(ENDS[version][1]) ?? new Uint8Array());
    netlink.close();
    const sender = new PacketSender(128);
    const to = linkDestination(version, OUTSIDE, linkAddress);
    sender.send([{ to, lengthBytes: packet.length, write: (bytes, at) => bytes.set(packet, at) }], (_i, errno) => port.postMessage(`link errno ${errno}`));
    sender.close();
  });
  port.postMessage('ready');
};
export default main;
