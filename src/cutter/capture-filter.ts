/**
 * Which packets a cut wants to see, as a classic BPF program for a packet socket:
 * TCP between pairs of ports, or, for very many connections, TCP segments without
 * payload. The kernel runs it on every packet of a busy router, so it must be short:
 * ports are searched by halving. Pure.
 *
 * Addresses are not compared: a few foreign segments with the same pair of ports come along and are told
 * apart by their receiver. Fragments, and IPv6 with extension headers in front of TCP, are not seen.
 * Specification: include/uapi/linux/filter.h, bpf_common.h; the packet begins with its IP header.
 */
import { IPPROTO_TCP } from '../wire/constants.js';

/** One instruction; jumps count instructions that are skipped. */
export interface FilterStep {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

// bpf_common.h: class | size | mode, class | operation | source
const LD_B_ABS = 0x30;
const LD_H_ABS = 0x28;
const LD_W_IND = 0x40;
const LD_B_IND = 0x50;
const LDX_B_MSH = 0xb1;
const LDX_IMM = 0x01;
const ALU_AND = 0x54;
const ALU_RSH = 0x74;
const ALU_SUB_X = 0x1c;
const ALU_ADD_X = 0x0c;
const ALU_ADD_K = 0x04;
const JMP_JA = 0x05;
const JMP_JEQ = 0x15;
const JMP_JGE = 0x35;
const JMP_JSET = 0x45;
const RET = 0x06;
const ST = 0x02;
const LD_MEM = 0x60;
const MISC_TAX = 0x07;

/** Bytes of a packet that are passed on: headers with all options. */
const SNAP_BYTES = 128;
/** A program has at most BPF_MAXINSNS (4096) steps; each pair needs about two. */
const MAX_PAIRS = 1500;

const step = (code: number, k: number, jt = 0, jf = 0): FilterStep => ({ code, jt, jf, k });

/** Source port in the high, destination port in the low half, as they stand in the segment. */
export function portPair(sourcePort: number, destinationPort: number): number {
  return ((sourcePort << 16) | destinationPort) >>> 0;
}

/** Accepts IPv4 and IPv6 TCP segments with one of the pairs; more pairs than a program can hold: segments without payload. */
export function captureFilter(pairs: Iterable<number>): FilterStep[] {
  const distinct = new Set(pairs);
  if (distinct.size > MAX_PAIRS) return [...toTransport(), ...withoutPayload()];
  return [...toTransport(), ...search([...distinct].sort((a, b) => a - b))];
}

/**
 * Rejects what is not TCP. Leaves X at the TCP header; in M[0] the offset of the end of the packet by its IP header.
 *  0 version  1..  IPv4: protocol, no fragment, X = header length   IPv6: next header, X = 40
 */
function toTransport(): FilterStep[] {
  const ipv6 = [
    step(LD_B_ABS, 6),
    step(JMP_JEQ, IPPROTO_TCP, 1, 0),
    step(RET, 0),
    step(LD_H_ABS, 4),
    step(ALU_ADD_K, 40),
    step(ST, 0),
    step(LDX_IMM, 40),
  ];
  const ipv4 = [
    step(LD_B_ABS, 9),
    step(JMP_JEQ, IPPROTO_TCP, 1, 0),
    step(RET, 0),
    step(LD_H_ABS, 6),
    // More fragments, or an offset (RFC 791 section 3.1).
    step(JMP_JSET, 0x3fff, 0, 1),
    step(RET, 0),
    step(LD_H_ABS, 2),
    step(ST, 0),
    step(LDX_B_MSH, 0),
    step(JMP_JA, ipv6.length),
  ];
  return [step(LD_B_ABS, 0), step(ALU_AND, 0xf0), step(JMP_JEQ, 0x60, ipv4.length, 0), ...ipv4, ...ipv6];
}

/** Halves a sorted list of port pairs. */
function search(pairs: readonly number[]): FilterStep[] {
  return [step(LD_W_IND, 0), ...among(pairs)];
}

function among(pairs: readonly number[]): FilterStep[] {
  if (pairs.length <= 4) {
    const tests = pairs.map((pair, i) => step(JMP_JEQ, pair, pairs.length - i, 0));
    return [...tests, step(RET, 0), step(RET, SNAP_BYTES)];
  }
  const half = pairs.length >> 1;
  const lower = among(pairs.slice(0, half));
  // Conditional jumps reach 255 steps only, hence the unconditional one.
  return [step(JMP_JGE, pairs[half] ?? 0, 0, 1), step(JMP_JA, lower.length), ...lower, ...among(pairs.slice(half))];
}

/** Segments whose TCP header ends where the packet ends. */
function withoutPayload(): FilterStep[] {
  return [
    step(LD_B_IND, 12), // data offset, in the high half
    step(ALU_AND, 0xf0),
    step(ALU_RSH, 2),
    step(ALU_ADD_X, 0), // end of the TCP header
    step(MISC_TAX, 0),
    step(LD_MEM, 0),
    step(ALU_SUB_X, 0),
    step(JMP_JEQ, 0, 1, 0),
    step(RET, 0),
    step(RET, SNAP_BYTES),
  ];
}
