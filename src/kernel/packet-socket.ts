/**
 * Packets as the devices see them: received before, sent below netfilter, routing
 * and connection tracking. IP packets without link-layer header (SOCK_DGRAM).
 *
 * Receiving filters in the kernel with a classic BPF program, so that a busy router
 * does not copy its traffic to us. Sending needs the device and the link-layer address of the next hop.
 * Specification: packet(7); classic BPF: include/uapi/linux/filter.h.
 */
import { putU16, u16 } from '../base/bytes.js';
import { EAGAIN, EINTR, ENETDOWN } from './errno.js';
import { type Libc, type Watch, libc as systemLibc } from './libc.js';
import { MessageBatch } from './message-batch.js';
import { SOL_SOCKET, SO_RCVBUFFORCE, intOption } from './socket-options.js';
import { check } from './system-error.js';

const AF_PACKET = 17;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const ETH_P_ALL = 0x0003;
export const ETH_P_IP = 0x0800;
export const ETH_P_IPV6 = 0x86dd;
const SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
// struct sockaddr_ll: family, protocol (network order), ifindex, hatype, pkttype, halen, addr[8]
const SOCKADDR_LL_BYTES = 20;
const PACKET_OUTGOING = 4;
const BATCH_SLOTS = 64;

/** One classic BPF instruction, as in struct sock_filter. */
export interface FilterInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

function encodeFilter(program: readonly FilterInstruction[]): Uint8Array {
  const out = new Uint8Array(Math.max(program.length * 8, 128));
  const view = new DataView(out.buffer);
  program.forEach(({ code, jt, jf, k }, i) => {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, jt);
    view.setUint8(8 * i + 3, jf);
    view.setUint32(8 * i + 4, k >>> 0, true);
  });
  return out;
}

export interface PacketReceiverOptions {
  /** Classic BPF over the IP packet; all packets without. */
  readonly filter?: readonly FilterInstruction[];
  /** One interface; all by default. */
  readonly interfaceIndex?: number;
  /** Leading bytes kept of each packet; default 128 (headers with options). */
  readonly snapBytes?: number;
  readonly receiveBufferBytes?: number;
  readonly libc?: Libc;
}

/** A received packet: IP header at `at`, borrowed until the receiver returns. */
export type PacketVisitor = (bytes: Uint8Array, at: number, end: number, interfaceIndex: number) => void;

/** Receives IPv4 and IPv6 packets that arrive at this machine, forwarded ones included; not those it sends. */
export class PacketReceiver {
  readonly fd: number;
  private readonly libc: Libc;
  private readonly batch: MessageBatch;
  private watch: Watch | null = null;
  private isClosed = false;

  /** Throws SystemError; needs CAP_NET_RAW. */
  constructor(options: PacketReceiverOptions = {}) {
    const c = options.libc ?? systemLibc();
    this.libc = c;
    // Protocol 0 receives nothing until bind: no packet slips in before the filter is there.
    this.fd = check(c.socket(AF_PACKET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0), { syscall: 'socket', doing: 'open a packet socket' });
    try {
      if (options.filter) this.setFilter(options.filter);
      // Linux 4.20; older ones report outgoing packets, which `read` skips.
      c.setsockopt(this.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, intOption(1));
      c.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, intOption(options.receiveBufferBytes ?? 8 << 20));
      check(c.bind(this.fd, linkAddress(ETH_P_ALL, options.interfaceIndex ?? 0, null)), {
        syscall: 'bind',
        doing: 'bind a packet socket',
      });
    } catch (error) {
      c.close(this.fd);
      throw error;
    }
    this.batch = new MessageBatch(c, BATCH_SLOTS, options.snapBytes ?? 128, SOCKADDR_LL_BYTES);
  }

  /** Replaces the filter, at once for packets that arrive from now on. */
  setFilter(filter: readonly FilterInstruction[]): void {
    const instructions = encodeFilter(filter);
    // struct sock_fprog: length (2 bytes), padding to 8, pointer
    const program = new Uint8Array(16);
    const view = new DataView(program.buffer);
    view.setUint16(0, filter.length, true);
    view.setBigUint64(8, this.libc.addressOf(instructions), true);
    check(this.libc.setsockopt(this.fd, SOL_SOCKET, SO_ATTACH_FILTER, program), {
      syscall: 'setsockopt SO_ATTACH_FILTER',
      doing: 'attach a packet filter',
    });
  }

  /** Visits what has arrived, at most `maxBatches` times 64 packets. Returns their number. */
  read(visit: PacketVisitor, maxBatches = 16): number {
    const { batch } = this;
    let total = 0;
    for (let i = 0; i < maxBatches && !this.isClosed; i++) {
      const count = batch.receive(this.fd, 0);
      if (count === -EAGAIN) break;
      // A device that went down is reported once; the others go on.
      if (count === -EINTR || count === -ENETDOWN) continue;
      check(count, { syscall: 'recvmmsg', doing: 'read packets' });
      for (let slot = 0; slot < count; slot++) this.visitSlot(slot, visit);
      total += count;
      if (count < BATCH_SLOTS) break;
    }
    return total;
  }

  /** Visits packets from the event loop as they arrive; `onPause` follows each group of packets. */
  start(visit: PacketVisitor, onPause: () => void = () => undefined): void {
    this.watch = this.libc.watchReadable(this.fd, () => {
      this.read(visit);
      onPause();
    });
  }

  /** Ends `start`; what arrives waits in the socket. */
  stop(): void {
    this.watch?.close();
    this.watch = null;
  }

  /** Safe to call twice. Waits for the whole kernel (synchronize_net, some 10 ms). */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.stop();
    this.libc.close(this.fd);
  }

  private visitSlot(slot: number, visit: PacketVisitor): void {
    const { names, nameBytes, bytes, slotBytes } = this.batch;
    const nameAt = slot * nameBytes;
    const protocol = u16(names, nameAt + 2);
    if (names[nameAt + 10] === PACKET_OUTGOING || (protocol !== ETH_P_IP && protocol !== ETH_P_IPV6)) return;
    const interfaceIndex = new DataView(names.buffer).getInt32(nameAt + 4, true);
    const at = slot * slotBytes;
    visit(bytes, at, at + Math.min(this.batch.lengthBytes(slot), slotBytes), interfaceIndex);
  }
}

function linkAddress(protocol: number, interfaceIndex: number, address: Uint8Array | null): Uint8Array {
  const out = new Uint8Array(SOCKADDR_LL_BYTES);
  out[0] = AF_PACKET;
  putU16(out, 2, protocol);
  out.set(intOption(interfaceIndex), 4);
  if (address) {
    out[11] = address.length;
    out.set(address.subarray(0, 8), 12);
  }
  return out;
}

/** Where packets of one IP version go: device and next hop, as the kernel wants it (struct sockaddr_ll). */
export type LinkDestination = Uint8Array;

/** `nextHop`: link-layer address; null for devices without (tun, PPP). */
export function linkDestination(ipVersion: 4 | 6, interfaceIndex: number, nextHop: Uint8Array | null): LinkDestination {
  return linkAddress(ipVersion === 4 ? ETH_P_IP : ETH_P_IPV6, interfaceIndex, nextHop);
}

/** A packet to be sent. */
export interface LinkPacket {
  readonly to: LinkDestination;
  readonly lengthBytes: number;
  /** Writes the whole IP packet, `lengthBytes` long. */
  write(bytes: Uint8Array, at: number): void;
}

/** Sends IP packets straight to devices, many in one system call. */
export class PacketSender {
  private readonly fd: number;
  private readonly ownsFd: boolean;
  private readonly libc: Libc;
  private readonly batch: MessageBatch;

  /**
   * `maxPacketBytes`: longest packet that will be sent. Closing a packet socket waits for the whole kernel
   * (synchronize_net, some 10 ms), so a receiver's descriptor may be shared; it is then not closed here.
   * Throws SystemError; needs CAP_NET_RAW.
   */
  constructor(maxPacketBytes: number, libc: Libc = systemLibc(), sharedWith?: PacketReceiver) {
    this.libc = libc;
    this.ownsFd = sharedWith === undefined;
    // Protocol 0: receives nothing.
    this.fd =
      sharedWith?.fd ??
      check(libc.socket(AF_PACKET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0), { syscall: 'socket', doing: 'open a packet socket' });
    this.batch = new MessageBatch(libc, BATCH_SLOTS, maxPacketBytes, SOCKADDR_LL_BYTES);
  }

  /** Sends all; calls `refused(index, errno)` for each packet that a device did not take. */
  send(packets: readonly LinkPacket[], refused: (index: number, errno: number) => void): void {
    const { batch } = this;
    for (let from = 0; from < packets.length; from += BATCH_SLOTS) {
      const count = Math.min(BATCH_SLOTS, packets.length - from);
      for (let i = 0; i < count; i++) this.fill(i, packets[from + i] as LinkPacket);
      for (let sent = 0; sent < count; ) {
        const result = batch.send(this.fd, sent, count - sent, 0);
        if (result > 0) sent += result;
        else if (result !== -EINTR) {
          refused(from + sent, -result);
          sent++;
        }
      }
    }
  }

  close(): void {
    if (this.ownsFd) this.libc.close(this.fd);
  }

  private fill(slot: number, packet: LinkPacket): void {
    const { batch } = this;
    packet.write(batch.bytes, slot * batch.slotBytes);
    batch.setLength(slot, packet.lengthBytes);
    batch.names.set(packet.to, slot * batch.nameBytes);
  }
}
