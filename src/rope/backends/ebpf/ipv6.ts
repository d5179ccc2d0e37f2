/** The prologue's way through an IPv6 packet: the fixed header, and the extension headers that are skipped (RFC 8200 section 4). */
import { add, and, lsh, mov, rsh, toBigEndian } from '../../../ebpf/alu.js';
import { BPF_B, BPF_DW, BPF_H, BPF_W, r1, r2, r5, r7, r8, r9 } from '../../../ebpf/isa.js';
import { ja, jeq, jgt, jlt, jne } from '../../../ebpf/jump.js';
import { load, loadImm64, store, storeImm } from '../../../ebpf/load-store.js';
import { IPPROTO_AH, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ROUTING } from '../../../wire/constants.js';
import { MAX_EXTENSION_HEADERS } from '../../packet.js';
import type { Code } from './code.js';
import { loadBytes, type HeaderPlaces, type Labels } from './front.js';

const IPV6_BYTES = 40;

/** A bit for each type of extension header that is skipped. */
const EXTENSION_BITS = [IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_AH, IPPROTO_DSTOPTS].reduce(
  (bits, type) => bits | (1n << BigInt(type)), 0n,
);

/** In: r8 bytes available; the whole header is in the frame. Goes to the labels with r7 end of the headers, r8 length of the packet, r5 protocol. */
export function emitIpv6(code: Code, places: HeaderPlaces, { notIp, transport, data }: Labels): void {
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
