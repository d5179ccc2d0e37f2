/**
 * What runs before the script: finds the headers of the packet, exactly as
 * `packet.ts` describes, and leaves in the frame what the script asks for.
 *
 * One load of 40 bytes serves the common case: an IPv4 header without options
 * and the TCP or UDP header behind it, or the IPv6 header. Only odd packets cost
 * further loads.
 *
 * Frame: `headerAt` holds the 20 bytes of the IPv4 header or the first 20 of the
 * IPv6 header, `headerAt + 20` up to 20 bytes of the transport header.
 */
import { add, and, lsh, mov, rsh, sub, toBigEndian } from '../../../ebpf/alu.js';
import { BPF_FUNC_skb_load_bytes, SKB_LEN } from '../../../ebpf/helpers.js';
import { BPF_B, BPF_DW, BPF_H, BPF_W, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9 } from '../../../ebpf/isa.js';
import { call, ja, jeq, jge, jgt, jlt, jne } from '../../../ebpf/jump.js';
import { load, loadImm64, store, storeImm } from '../../../ebpf/load-store.js';
import {
  IPPROTO_AH, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_TCP, IPPROTO_UDP,
} from '../../../wire/constants.js';
import { MAX_EXTENSION_HEADERS } from '../../packet.js';
import type { Code } from './code.js';

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const UDP_BYTES = 8;

/** A bit for each type of extension header that is skipped. */
const EXTENSION_BITS = [IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_AH, IPPROTO_DSTOPTS].reduce(
  (bits, type) => bits | (1n << BigInt(type)), 0n,
);

/** Where the frame keeps what the headers tell. All are 32 bits. */
export interface HeaderPlaces {
  readonly headerAt: number;
  readonly transportAt: number;
  /** 4, 6 or 0. */
  readonly versionAt: number;
  readonly protocolAt: number;
  /** IPPROTO_TCP or IPPROTO_UDP when that header is there, otherwise 0. */
  readonly presentAt: number;
  /** Where the data begins in the packet. */
  readonly dataAt: number;
}

/** Bytes of the data that are loaded in advance for scripts that look at its beginning more than once. */
const HEAD_BYTES = 32;

/** Emits code that loads the first bytes of the data. In: r7 where it begins, r8 length of the packet. Loses r0-r5. */
export function emitHead(code: Code, { dataAt }: HeaderPlaces): void {
  const at = code.frame.take(HEAD_BYTES);
  code.head = { at, lengthBytes: HEAD_BYTES, positionAt: dataAt };
  const whole = code.newLabel('head_whole');
  const ready = code.newLabel('head_ready');
  const done = code.newLabel('head_done');
  for (let i = 0; i < HEAD_BYTES; i += 8) code.emit(storeImm(BPF_DW, r9, at + i, 0));
  code.emit(mov.reg32(r4, r8), sub.reg32(r4, r7), jeq.imm32(r4, 0, done), jgt.imm32(r4, HEAD_BYTES, whole));
  code.place(ready);
  code.emit(mov.reg(r1, r6), mov.reg32(r2, r7));
  code.address(r3, at);
  code.emit(call(BPF_FUNC_skb_load_bytes), ja(done));
  code.place(whole);
  code.emit(mov.imm32(r4, HEAD_BYTES), ja(ready));
  code.place(done);
}

/** Emits the prologue. `wantsTransport`: fields of the transport header will be read. Afterwards r8 is the length of the packet, also in the frame, and r7 where the data begins. */
export function emitHeaders(code: Code, wantsTransport: boolean): HeaderPlaces {
  const { frame } = code;
  const headerAt = frame.take(40);
  const places: HeaderPlaces = {
    headerAt,
    transportAt: headerAt + IPV4_BYTES,
    versionAt: frame.takeVague(),
    protocolAt: frame.takeVague(),
    presentAt: frame.takeVague(),
    dataAt: frame.takeVague(),
  };
  const version6 = code.newLabel('ipv6');
  const transport = code.newLabel('transport');
  const data = code.newLabel('data');
  const done = code.newLabel('headers_done');
  const whole = code.newLabel('whole');
  const loaded = code.newLabel('loaded');
  const notIp = code.newLabel('not_ip');
  // Older verifiers cannot see that the fields are only read where they were loaded.
  if (wantsTransport) for (let i = 0; i < 20; i += 4) code.emit(storeImm(BPF_W, r9, places.transportAt + i, 0));
  code.emit(
    load(BPF_W, r8, r6, SKB_LEN),
    mov.imm(r7, 0),
    storeImm(BPF_W, r9, places.versionAt, 0),
    storeImm(BPF_W, r9, places.protocolAt, 0),
    storeImm(BPF_W, r9, places.presentAt, 0),
    jlt.imm32(r8, IPV4_BYTES, notIp),
    jge.imm32(r8, IPV6_BYTES, whole),
  );
  loadBytes(code, 0, headerAt, IPV4_BYTES, notIp);
  code.emit(ja(loaded));
  code.place(whole);
  loadBytes(code, 0, headerAt, IPV6_BYTES, notIp);
  code.place(loaded);
  code.emit(
    load(BPF_B, r7, r9, headerAt),
    mov.reg32(r1, r7),
    rsh.imm32(r1, 4),
    jeq.imm32(r1, 6, version6),
    jne.imm32(r1, 4, notIp),
  );
  emitIpv4(code, places, notIp, transport, data);
  code.place(version6);
  emitIpv6(code, places, notIp, transport, data);
  code.place(notIp);
  code.unknownZero(r7);
  code.emit(ja(done));
  code.place(transport);
  emitTransport(code, places, data);
  code.place(data);
  const inside = code.newLabel('inside');
  code.emit(jge.reg32(r8, r7, inside), mov.reg32(r7, r8));
  code.place(inside);
  code.place(done);
  code.emit(store(BPF_W, r9, places.dataAt, r7), store(BPF_W, r9, frame.packetLengthAt, r8));
  return places;
}

/** Copies `lengthBytes` at packet position `position` (a number, or r2 when null) into the frame; goes to `short` when they are not there. */
function loadBytes(code: Code, position: number | null, at: number, lengthBytes: number, short: string): void {
  code.emit(mov.reg(r1, r6));
  if (position !== null) code.emit(mov.imm(r2, position));
  code.address(r3, at);
  code.emit(mov.imm(r4, lengthBytes), call(BPF_FUNC_skb_load_bytes), jne.imm(r0, 0, short));
}

/** In: r7 first byte, r8 bytes available. Out: r7 end of the header, r8 length of the packet, r5 protocol. */
function emitIpv4(code: Code, { headerAt, versionAt, protocolAt }: HeaderPlaces, notIp: string, transport: string, data: string): void {
  const lengthKnown = code.newLabel('ipv4_length');
  code.emit(
    and.imm32(r7, 15),
    lsh.imm32(r7, 2),
    jlt.imm32(r7, IPV4_BYTES, notIp),
    jgt.reg32(r7, r8, notIp),
    load(BPF_H, r1, r9, headerAt + 2),
    toBigEndian(r1, 16),
    jlt.reg32(r1, r7, lengthKnown),
    jgt.reg32(r1, r8, lengthKnown),
    mov.reg32(r8, r1),
  );
  code.place(lengthKnown);
  code.emit(
    storeImm(BPF_W, r9, versionAt, 4),
    load(BPF_B, r5, r9, headerAt + 9),
    store(BPF_W, r9, protocolAt, r5),
    load(BPF_H, r1, r9, headerAt + 6),
    toBigEndian(r1, 16),
    and.imm32(r1, 0x1fff),
    jne.imm32(r1, 0, data),
    ja(transport),
  );
}

/** In: r8 bytes available. Out as emitIpv4; the whole header is in the frame. */
function emitIpv6(code: Code, places: HeaderPlaces, notIp: string, transport: string, data: string): void {
  const { headerAt, transportAt, versionAt, protocolAt } = places;
  const walk = code.newLabel('ipv6_walk');
  const round = code.newLabel('extension');
  const stop = code.newLabel('extensions_done');
  const fragment = code.newLabel('fragment');
  const shift = code.newLabel('shift');
  const skip = code.newLabel('skip');
  code.emit(
    jlt.imm32(r8, IPV6_BYTES, notIp),
    storeImm(BPF_W, r9, versionAt, 6),
    load(BPF_H, r1, r9, headerAt + 4),
    toBigEndian(r1, 16),
    jeq.imm32(r1, 0, walk),
    add.imm32(r1, IPV6_BYTES),
    jgt.reg32(r1, r8, walk),
    mov.reg32(r8, r1),
  );
  code.place(walk);
  code.frame.borrow(8, (roundAt) => {
    // The transport header's place doubles as the buffer of the walk; r5 is the type of the header at r7.
    code.emit(load(BPF_B, r5, r9, headerAt + 6), mov.imm(r7, IPV6_BYTES));
    // A whole register put away: of anything smaller, older verifiers forget the value and see an endless loop.
    code.emit(mov.imm(r1, 0), store(BPF_DW, r9, roundAt, r1));
    code.place(round);
    // One test for all types: a chain of comparisons would give the verifier a path for each, in each round.
    code.emit(jgt.imm32(r5, 63, stop), loadImm64(r1, EXTENSION_BITS), rsh.reg(r1, r5), and.imm32(r1, 1), jeq.imm32(r1, 0, stop));
    code.emit(
      mov.reg32(r1, r7),
      add.imm32(r1, 8),
      jgt.reg32(r1, r8, stop),
      store(BPF_W, r9, protocolAt, r5),
      mov.reg32(r2, r7),
    );
    loadBytes(code, null, transportAt, 8, notIp);
    code.emit(
      load(BPF_W, r5, r9, protocolAt),
      load(BPF_B, r1, r9, transportAt + 1),
      jeq.imm32(r5, IPPROTO_FRAGMENT, fragment),
      mov.imm(r2, 3),
      jne.imm32(r5, IPPROTO_AH, shift),
      mov.imm(r2, 2),
    );
    code.place(shift);
    code.emit(lsh.reg32(r1, r2), ja(skip));
    code.place(fragment);
    code.emit(
      load(BPF_B, r5, r9, transportAt),
      load(BPF_H, r1, r9, transportAt + 2),
      toBigEndian(r1, 16),
      and.imm32(r1, 0xfff8),
    );
    const whole = code.newLabel('unfragmented');
    code.emit(jeq.imm32(r1, 0, whole), add.imm32(r7, 8), store(BPF_W, r9, protocolAt, r5), ja(data));
    code.place(whole);
    code.emit(mov.imm32(r1, 0));
    code.place(skip);
    code.emit(
      add.imm32(r1, 8),
      add.reg32(r7, r1),
      load(BPF_B, r5, r9, transportAt),
      load(BPF_DW, r1, r9, roundAt),
      add.imm(r1, 1),
      store(BPF_DW, r9, roundAt, r1),
      jlt.imm(r1, MAX_EXTENSION_HEADERS, round),
    );
    code.place(stop);
    code.emit(store(BPF_W, r9, protocolAt, r5), ja(transport));
  });
}

/** In: r5 protocol, r7 where the transport header would be, r8 length. Out: r7 where the data begins. */
function emitTransport(code: Code, { headerAt, transportAt, versionAt, presentAt }: HeaderPlaces, data: string): void {
  const udp = code.newLabel('udp');
  const tcpLoad = code.newLabel('tcp_load');
  const tcp = code.newLabel('tcp');
  const udpLoad = code.newLabel('udp_load');
  const udpThere = code.newLabel('udp_there');
  /** Goes to `missing` unless the header of an IPv4 packet without options was loaded with it. */
  const inPlace = (missing: string): void =>
    code.emit(
      load(BPF_W, r2, r9, versionAt),
      jne.imm32(r2, 4, missing),
      jne.imm32(r7, IPV4_BYTES, missing),
      jlt.imm32(r8, IPV4_BYTES + TCP_BYTES, missing),
    );
  const check = (lengthBytes: number): void =>
    code.emit(mov.reg32(r1, r7), add.imm32(r1, lengthBytes), jgt.reg32(r1, r8, data));
  code.emit(jeq.imm32(r5, IPPROTO_UDP, udp), jne.imm32(r5, IPPROTO_TCP, data));
  check(TCP_BYTES);
  inPlace(tcpLoad);
  code.place(tcp);
  code.emit(
    load(BPF_B, r1, r9, headerAt + IPV4_BYTES + 12),
    rsh.imm32(r1, 4),
    lsh.imm32(r1, 2),
    jlt.imm32(r1, TCP_BYTES, data),
    add.reg32(r7, r1),
    storeImm(BPF_W, r9, presentAt, IPPROTO_TCP),
    ja(data),
  );
  code.place(tcpLoad);
  code.emit(mov.reg32(r2, r7));
  loadBytes(code, null, transportAt, TCP_BYTES, data);
  code.emit(ja(tcp));
  code.place(udp);
  check(UDP_BYTES);
  inPlace(udpLoad);
  code.place(udpThere);
  code.emit(add.imm32(r7, UDP_BYTES), storeImm(BPF_W, r9, presentAt, IPPROTO_UDP), ja(data));
  code.place(udpLoad);
  code.emit(mov.reg32(r2, r7));
  loadBytes(code, null, transportAt, UDP_BYTES, data);
  code.emit(ja(udpThere));
}
