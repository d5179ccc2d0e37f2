/**
 * What runs before the script: finds the headers of the packet, exactly as
 * `packet.ts` describes, and leaves in the frame what the script asks for.
 *
 * One load serves the common case: an IPv4 header without options, the TCP or
 * UDP header behind it, and the first bytes of the data for scripts that look at
 * them. Calls are what costs: bpf_skb_load_bytes takes as long for 80 bytes as
 * for 8, some 15 ns, and all else that a packet costs in bittorrent.rope when it
 * does not match takes 8 (Linux 6.18). Only odd packets cost further calls.
 *
 * Frame: `headerAt` holds the 20 bytes of the IPv4 header or the first 20 of the
 * IPv6 header, `headerAt + 20` up to 20 bytes of the transport header.
 */
import { add, and, lsh, mov, rsh, sub, toBigEndian } from '../../../ebpf/alu.js';
import { BPF_FUNC_skb_load_bytes, SKB_LEN } from '../../../ebpf/helpers.js';
import { BPF_B, BPF_DW, BPF_H, BPF_W, r1, r2, r3, r4, r5, r6, r7, r8, r9 } from '../../../ebpf/isa.js';
import { call, ja, jeq, jge, jgt, jlt, jne } from '../../../ebpf/jump.js';
import { load, store, storeImm } from '../../../ebpf/load-store.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../../wire/constants.js';
import type { Code } from './code.js';
import { emitLoad, loadBytes, type HeaderPlaces, type Labels } from './front.js';
import { emitIpv6 } from './ipv6.js';

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const UDP_BYTES = 8;

/** Bytes of the data that are loaded in advance for scripts that look at its beginning more than once. */
const HEAD_BYTES = 32;
/** Where the data mostly begins in IPv4: behind UDP, behind TCP without options, and behind TCP with timestamps (RFC 7323, appendix A). */
const UDP_DATA_AT = IPV4_BYTES + UDP_BYTES;
const TCP_DATA_AT = IPV4_BYTES + TCP_BYTES;
const TCP_TIMESTAMPS_DATA_AT = TCP_DATA_AT + 12;
/** What the one load brings: the head wherever it mostly begins. */
const FRONT_BYTES = TCP_TIMESTAMPS_DATA_AT + HEAD_BYTES;

/** Emits the prologue. `hasHead`: the first bytes of the data will be looked at again and again. Loses all registers but r6 and r9. */
export function emitHeaders(code: Code, hasHead: boolean): HeaderPlaces {
  const { frame } = code;
  // Four bytes into the room, so that most heads are aligned to 8.
  const headerAt = hasHead ? frame.take(FRONT_BYTES + 4) + 4 : frame.take(IPV6_BYTES);
  const places: HeaderPlaces = {
    headerAt,
    transportAt: headerAt + IPV4_BYTES,
    versionAt: frame.takeVague(),
    protocolAt: frame.takeVague(),
    presentAt: frame.takeVague(),
    dataAt: frame.takeVague(),
    dataLengthAt: frame.takeVague(),
  };
  const labels: Labels = {
    transport: code.newLabel('transport'), data: code.newLabel('data'), notIp: code.newLabel('not_ip'),
    udpInFront: code.newLabel('udp_in_front'), tcpInFront: code.newLabel('tcp_in_front'),
  };
  const version6 = code.newLabel('ipv6');
  const done = code.newLabel('headers_done');
  const loaded = code.newLabel('loaded');
  if (hasHead) code.head = { at: frame.take(HEAD_BYTES), lengthBytes: HEAD_BYTES };
  code.emit(
    load(BPF_W, r8, r6, SKB_LEN),
    mov.imm(r7, 0),
    storeImm(BPF_W, r9, places.versionAt, 0),
    storeImm(BPF_W, r9, places.protocolAt, 0),
    storeImm(BPF_W, r9, places.presentAt, 0),
  );
  const others = emitLoad(code, headerAt, hasHead ? [FRONT_BYTES, IPV6_BYTES, IPV4_BYTES] : [IPV6_BYTES, IPV4_BYTES], loaded, labels.notIp);
  code.emit(
    load(BPF_B, r7, r9, headerAt),
    mov.reg32(r1, r7),
    rsh.imm32(r1, 4),
    jeq.imm32(r1, 6, version6),
    jne.imm32(r1, 4, labels.notIp),
  );
  emitIpv4(code, places, labels);
  const headLoad = code.newLabel('head_load');
  emitInFront(code, places, labels, headLoad, done);
  others();
  code.place(version6);
  emitIpv6(code, places, labels);
  code.place(labels.notIp);
  code.unknownZero(r7);
  code.emit(ja(headLoad));
  code.place(labels.transport);
  emitTransport(code, places, labels);
  code.place(labels.data);
  const inside = code.newLabel('inside');
  code.emit(jge.reg32(r8, r7, inside), mov.reg32(r7, r8));
  code.place(inside);
  code.place(headLoad);
  emitHeadLoad(code, done);
  code.place(done);
  code.emit(store(BPF_W, r9, places.dataAt, r7), store(BPF_W, r9, frame.packetLengthAt, r8));
  code.emit(sub.reg32(r8, r7), store(BPF_W, r9, places.dataLengthAt, r8));
  // What lies behind the headers was copied to the head.
  if (hasHead) frame.giveBack(headerAt + IPV6_BYTES + 4, FRONT_BYTES - IPV6_BYTES - 4);
  return places;
}

/** Takes the head from the front of the packet when it is there; otherwise goes to `headLoad` or `data`. */
function emitInFront(code: Code, { headerAt, transportAt, presentAt }: HeaderPlaces, labels: Labels, headLoad: string, done: string): void {
  const { head } = code;
  const copy = (dataAt: number): void => {
    if (head === null) return;
    const from = headerAt + dataAt;
    const [width, step] = from % 8 === 0 ? [BPF_DW, 8] : [BPF_W, 4];
    for (let i = 0; i < head.lengthBytes; i += step) code.emit(load(width, r1, r9, from + i), store(width, r9, head.at + i, r1));
    code.emit(ja(done));
  };
  code.place(labels.udpInFront);
  code.emit(mov.imm32(r7, UDP_DATA_AT), storeImm(BPF_W, r9, presentAt, IPPROTO_UDP));
  code.emit(head === null ? ja(done) : jlt.imm32(r8, FRONT_BYTES, headLoad));
  copy(UDP_DATA_AT);
  code.place(labels.tcpInFront);
  code.emit(load(BPF_B, r1, r9, transportAt + 12), rsh.imm32(r1, 4), lsh.imm32(r1, 2), jlt.imm32(r1, TCP_BYTES, labels.data));
  code.emit(add.reg32(r7, r1), storeImm(BPF_W, r9, presentAt, IPPROTO_TCP));
  if (head === null) {
    code.emit(ja(labels.data));
    return;
  }
  const timestamps = code.newLabel('timestamps');
  code.emit(jlt.imm32(r8, FRONT_BYTES, labels.data), jeq.imm32(r7, TCP_TIMESTAMPS_DATA_AT, timestamps), jne.imm32(r7, TCP_DATA_AT, labels.data));
  copy(TCP_DATA_AT);
  code.place(timestamps);
  copy(TCP_TIMESTAMPS_DATA_AT);
}

/** Loads the head by a call and goes on. In: r7 where the data begins, r8 length of the packet. */
function emitHeadLoad(code: Code, done: string): void {
  const { head } = code;
  if (head === null) return;
  const whole = code.newLabel('head_whole');
  const ready = code.newLabel('head_ready');
  for (let i = 0; i < HEAD_BYTES; i += 8) code.emit(storeImm(BPF_DW, r9, head.at + i, 0));
  code.emit(mov.reg32(r4, r8), sub.reg32(r4, r7), jeq.imm32(r4, 0, done), jgt.imm32(r4, HEAD_BYTES, whole));
  code.place(ready);
  code.emit(mov.reg(r1, r6), mov.reg32(r2, r7));
  code.address(r3, head.at);
  code.emit(call(BPF_FUNC_skb_load_bytes), ja(done));
  code.place(whole);
  code.emit(mov.imm32(r4, HEAD_BYTES), ja(ready));
}

/** In: r7 first byte, r8 bytes available. Goes to the labels with r7 end of the header, r8 length of the packet, r5 protocol. */
function emitIpv4(code: Code, { headerAt, versionAt, protocolAt }: HeaderPlaces, labels: Labels): void {
  const lengthKnown = code.newLabel('ipv4_length');
  code.emit(
    and.imm32(r7, 15),
    lsh.imm32(r7, 2),
    jlt.imm32(r7, IPV4_BYTES, labels.notIp),
    jgt.reg32(r7, r8, labels.notIp),
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
    jne.imm32(r1, 0, labels.data),
    jne.imm32(r7, IPV4_BYTES, labels.transport),
    jlt.imm32(r8, IPV4_BYTES + TCP_BYTES, labels.transport),
    jeq.imm32(r5, IPPROTO_TCP, labels.tcpInFront),
    jne.imm32(r5, IPPROTO_UDP, labels.data),
  );
}

/** In: r5 protocol, r7 where the transport header would be, r8 length. Out: r7 where the data begins. */
function emitTransport(code: Code, { transportAt, presentAt }: HeaderPlaces, { data }: Labels): void {
  const udp = code.newLabel('udp');
  const loadHeader = (lengthBytes: number): void => {
    code.emit(mov.reg32(r1, r7), add.imm32(r1, lengthBytes), jgt.reg32(r1, r8, data), mov.reg32(r2, r7));
    loadBytes(code, null, transportAt, lengthBytes, data);
  };
  code.emit(jeq.imm32(r5, IPPROTO_UDP, udp), jne.imm32(r5, IPPROTO_TCP, data));
  loadHeader(TCP_BYTES);
  code.emit(
    load(BPF_B, r1, r9, transportAt + 12),
    rsh.imm32(r1, 4),
    lsh.imm32(r1, 2),
    jlt.imm32(r1, TCP_BYTES, data),
    add.reg32(r7, r1),
    storeImm(BPF_W, r9, presentAt, IPPROTO_TCP),
    ja(data),
  );
  code.place(udp);
  loadHeader(UDP_BYTES);
  code.emit(add.imm32(r7, UDP_BYTES), storeImm(BPF_W, r9, presentAt, IPPROTO_UDP));
}
