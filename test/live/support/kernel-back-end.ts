/**
 * The eBPF back end in the running kernel, by BPF_PROG_TEST_RUN: a BackEnd like the others, for tests. `close` gives
 * everything back.
 */
import { readFileSync } from 'node:fs';
import { Bpf } from '../../../src/kernel/bpf.js';
import {
  closeRope, loadRope, readGlobals, ropeCounters, setRopeClock, testRunRope, writeGlobals, type LoadedRope,
} from '../../../src/kernel/rope-program.js';
import type { BackEnd } from '../../../src/rope/backends/back-end.js';
import { GLOBALS_MAP, STATE_MAP, UTC_CLOCK } from '../../../src/rope/backends/ebpf/state.js';
import { hotdropMessage, verdictOf } from '../../../src/rope/backends/ebpf-vm.js';
import { compileForKernel } from '../../../src/rope/backends/ebpf.js';
import { FAIL, HOTDROP } from '../../../src/rope/ir.js';

function sinceBootNs(): bigint {
  return BigInt(Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1e9));
}

export class KernelBackEnd implements BackEnd {
  readonly name = 'kernel';
  readonly cannotTell = ['output', 'assert', 'message'] as const;
  readonly #bpf = new Bpf();
  /** The last program stays loaded: cases of one script follow one another, and verifying takes time. */
  #last: { readonly key: string; readonly rope: LoadedRope } | null = null;

  readonly prepare: BackEnd['prepare'] = (compiled, _args, context) => {
    const { ir } = compiled;
    if (ir === null) return 'its stack depth or types are known only at run time';
    const result = compileForKernel(ir);
    if (!result.ok) return result.obstacles.map(({ reason }) => reason).join('; ');
    const bpf = this.#bpf;
    const key = JSON.stringify([ir.ops, ir.limits, ir.strSlots, [...ir.literals, ...ir.sets].map((bytes) => [...bytes])]);
    if (this.#last?.key !== key) {
      this.close();
      this.#last = { key, rope: loadRope(bpf, 'p2pwall-test', { match: result.program }, UTC_CLOCK) };
    }
    const { rope } = this.#last;
    const state = rope.maps.get(STATE_MAP) ?? -1;
    const globals = rope.maps.get(GLOBALS_MAP);
    return {
      run: () => {
        const { packet } = context;
        const zoneSeconds = context.utcOffsetSeconds(packet.kernelTime);
        // A third of a second past the full one: the run takes place before the next.
        const epochNs = BigInt(packet.kernelTime) * 1_000_000_000n + 300_000_000n;
        setRopeClock(bpf, state, rope.stateBytes, {
          epochMinusBootNs: epochNs - sinceBootNs(), zoneSeconds, zoneAfterSeconds: zoneSeconds, zoneChangeSeconds: 0xffff_ffff,
        });
        if (globals !== undefined) writeGlobals(bpf, globals, context.globals);
        const before = ropeCounters(bpf, state, rope.stateBytes);
        const bytes = packet.bytes.subarray(packet.start, packet.end);
        const { result } = testRunRope(bpf, rope.match, bytes, { mark: packet.mark });
        const after = ropeCounters(bpf, state, rope.stateBytes);
        if (globals !== undefined) context.globals.set(readGlobals(bpf, globals));
        const verdict = verdictOf(result, before, after);
        const last = verdict === FAIL || verdict === HOTDROP ? after.last : null;
        context.tag = last?.tag ?? null;
        context.at = last?.at ?? -1;
        context.message = verdict === HOTDROP && last?.tag === null ? hotdropMessage(ir, last.at) : null;
        return verdict;
      },
    };
  };

  /** Gives the last program back. */
  close(): void {
    if (this.#last) closeRope(this.#bpf, this.#last.rope);
    this.#last = null;
  }
}
