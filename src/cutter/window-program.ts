/**
 * A kernel program that reads the TCP window of one connection out of
 * connection tracking, and the codec of what goes in and out.
 *
 * It is made for BPF_PROG_TEST_RUN (type SCHED_CLS) and attached nowhere: the
 * "packet" is an Ethernet header of zeros followed by a request; the kernel
 * looks the addresses up in the connection table of the caller's network
 * namespace and writes the answer over the request. No packet is sent.
 *
 * seen[0] belongs to the original direction (client to server), seen[1] to the
 * reply. `td_end` is the highest sequence number seen from that side plus its
 * length: what the other end expects next, and the only sequence number at
 * which RFC 5961 section 3.2 lets a RST close a connection.
 *
 * Structure offsets and function ids differ from kernel to kernel and come from
 * its BTF. Requires Linux 6.0 with CONFIG_DEBUG_INFO_BTF and connection tracking.
 * Specification: net/netfilter/nf_conntrack_bpf.c, include/net/netfilter/nf_conntrack.h.
 *
 * Request, 12 bytes for IPv4 and 36 for IPv6, after the 14 bytes of Ethernet header; addresses and ports in network order:
 *   source address (4 or 16) | destination address (4 or 16) | source port (2) | destination port (2)
 * Answer, in the same place, host order:
 *   status (4) 0 or -errno | state (1) | zeros (3) | td_end [0] [1] (8)
 */
import { u32le } from '../base/bytes.js';
import { add, mov } from '../ebpf/alu.js';
import { BTF_KIND_FUNC, BTF_KIND_STRUCT, type Btf } from '../ebpf/btf.js';
import { commented, label, type Instruction, type Item } from '../ebpf/instruction.js';
import { BPF_B, BPF_DW, BPF_W, r0, r1, r2, r3, r4, r5, r6, r7, r10 } from '../ebpf/isa.js';
import { call, callKernelFunction, exit, jeq, jne } from '../ebpf/jump.js';
import { load, store, storeImm } from '../ebpf/load-store.js';
import { BPF_FUNC_skb_load_bytes, BPF_FUNC_skb_store_bytes } from '../ebpf/helpers.js';

const ETH_HLEN = 14;
const IPPROTO_TCP = 6;
/** Look in the namespace of the packet, not in one named by number (BPF_F_CURRENT_NETNS). */
const BPF_F_CURRENT_NETNS = -1;

/** Bytes of an answer. */
const ANSWER_BYTES = 16;
/** Bytes of a request packet: a whole IPv6 header must fit, or the test run refuses it (net/bpf/test_run.c). */
export const WINDOW_PACKET_BYTES = ETH_HLEN + 40;

/** Stack of the program, negative offsets from r10. */
const OPTIONS_AT = -16;
const TUPLE_AT = OPTIONS_AT - 40;
const ANSWER_AT = TUPLE_AT - ANSWER_BYTES;

/** A program for one address family, or why this kernel cannot have one. */
export type WindowProgram =
  | {
      readonly ok: true;
      readonly items: readonly Item[];
      /** True when the functions live in a module: pass the descriptor of its BTF as the only descriptor. */
      readonly usesModule: boolean;
    }
  | { readonly ok: false; readonly reason: string };

/**
 * `types` is the BTF of vmlinux or, where connection tracking is a module, that
 * of nf_conntrack read on top of vmlinux.
 */
export function windowProgram(types: Btf, family: 4 | 6): WindowProgram {
  const functions = ['bpf_skb_ct_lookup', 'bpf_ct_release'].map((name) => types.find(BTF_KIND_FUNC, name));
  const [lookup, release] = functions;
  if (lookup === undefined || release === undefined) {
    return { ok: false, reason: 'this kernel has no bpf_skb_ct_lookup (Linux 6.0 with connection tracking and BTF)' };
  }
  const optionsType = types.find(BTF_KIND_STRUCT, 'bpf_ct_opts');
  const optionsBytes = optionsType === undefined ? 0 : types.sizeOf(optionsType);
  if (optionsBytes !== 12 && optionsBytes !== 16) {
    return { ok: false, reason: `struct bpf_ct_opts has an unknown size (${optionsBytes} bytes)` };
  }
  const places = ['proto.tcp.state', 'proto.tcp.seen[0].td_end', 'proto.tcp.seen[1].td_end'].map((path) => types.member('nf_conn', path));
  const missing = places.find((place) => typeof place === 'string');
  if (typeof missing === 'string') return { ok: false, reason: missing };
  const offsets = places.map((place) => (typeof place === 'string' ? 0 : place.offsetBytes));
  const usesModule = !types.isOfBase(lookup);
  return { ok: true, items: program(family, lookup, release, optionsBytes, offsets, usesModule), usesModule };
}

function program(
  family: 4 | 6, lookup: number, release: number, optionsBytes: number, offsets: readonly number[], usesModule: boolean,
): Item[] {
  const [stateAt = 0, ...words] = offsets;
  const tupleBytes = family === 4 ? 12 : 36;
  const kernelFunction = (id: number): Instruction => ({ ...callKernelFunction(id), off: usesModule ? 1 : 0 });
  const pointer = (register: number, at: number): Item[] => [mov.reg(register, r10), add.imm(register, at)];
  const zeroed = (at: number, bytes: number): Item[] => {
    const stores: Item[] = [];
    for (let i = 0; i < bytes; i += 8) stores.push(storeImm(BPF_DW, r10, at + i, 0));
    return stores;
  };
  return [
    mov.reg(r6, r1),
    ...zeroed(ANSWER_AT, ANSWER_BYTES),
    ...zeroed(TUPLE_AT, 40),
    ...zeroed(OPTIONS_AT, 16),
    mov.imm(r2, ETH_HLEN),
    ...pointer(r3, TUPLE_AT),
    mov.imm(r4, tupleBytes),
    commented(call(BPF_FUNC_skb_load_bytes), 'the request'),
    jne.imm(r0, 0, 'answer'),
    storeImm(BPF_W, r10, OPTIONS_AT, BPF_F_CURRENT_NETNS),
    storeImm(BPF_B, r10, OPTIONS_AT + 8, IPPROTO_TCP),
    mov.reg(r1, r6),
    ...pointer(r2, TUPLE_AT),
    mov.imm(r3, tupleBytes),
    ...pointer(r4, OPTIONS_AT),
    mov.imm(r5, optionsBytes),
    commented(kernelFunction(lookup), 'bpf_skb_ct_lookup'),
    jne.imm(r0, 0, 'found'),
    load(BPF_W, r1, r10, OPTIONS_AT + 4),
    commented(store(BPF_W, r10, ANSWER_AT, r1), 'the errno of the lookup'),
    mov.imm(r1, 0),
    jeq.imm(r1, 0, 'answer'),
    label('found'),
    mov.reg(r7, r0),
    load(BPF_B, r1, r7, stateAt),
    store(BPF_B, r10, ANSWER_AT + 4, r1),
    ...words.flatMap((at, index) => [load(BPF_W, r1, r7, at), store(BPF_W, r10, ANSWER_AT + 8 + 4 * index, r1)]),
    mov.reg(r1, r7),
    commented(kernelFunction(release), 'bpf_ct_release'),
    label('answer'),
    mov.reg(r1, r6),
    mov.imm(r2, ETH_HLEN),
    ...pointer(r3, ANSWER_AT),
    mov.imm(r4, ANSWER_BYTES),
    mov.imm(r5, 0),
    call(BPF_FUNC_skb_store_bytes),
    mov.imm(r0, 0),
    exit(),
  ];
}

/** The packet to run the program on. Addresses have 4 or 16 bytes. The tuple may be of either direction. */
export function windowRequest(
  source: Uint8Array, sourcePort: number, destination: Uint8Array, destinationPort: number,
): Uint8Array {
  const packet = new Uint8Array(WINDOW_PACKET_BYTES);
  packet.set(source.length === 4 ? [0x08, 0x00] : [0x86, 0xdd], 12); // EtherType, IEEE 802
  packet.set(source, ETH_HLEN);
  packet.set(destination, ETH_HLEN + source.length);
  const portsAt = ETH_HLEN + 2 * source.length;
  packet.set([sourcePort >>> 8, sourcePort, destinationPort >>> 8, destinationPort], portsAt);
  return packet;
}

export interface ConnectionWindow {
  /** enum tcp_conntrack: 3 is ESTABLISHED. */
  readonly state: number;
  /** Next sequence number expected from the client: for a RST to the server. */
  readonly originalEnd: number;
  /** Next sequence number expected from the server: for a RST to the client. */
  readonly replyEnd: number;
}

/** Answer of a run, or the positive errno (ENOENT 2: no such connection). */
export function readWindow(packet: Uint8Array): ConnectionWindow | number {
  const status = u32le(packet, ETH_HLEN) | 0;
  if (status !== 0) return -status;
  return {
    state: packet[ETH_HLEN + 4] ?? 0,
    originalEnd: u32le(packet, ETH_HLEN + 8),
    replyEnd: u32le(packet, ETH_HLEN + 12),
  };
}
