/**
 * The helper functions that compiled scripts call, for the virtual machine.
 *
 * Time is a parameter: the machine has no clock. Results follow the manual page
 * bpf-helpers(7): negative numbers are errno values.
 */
import {
  BPF_FUNC_get_prandom_u32, BPF_FUNC_get_smp_processor_id, BPF_FUNC_ktime_get_boot_ns, BPF_FUNC_ktime_get_ns,
  BPF_FUNC_map_delete_elem, BPF_FUNC_map_lookup_elem, BPF_FUNC_map_update_elem, BPF_FUNC_skb_load_bytes,
} from './helpers.js';
import type { VmHelper } from './vm.js';

const EFAULT = -14n;
const ENOENT = -2n;
const E2BIG = -7n;

/** What the outside of the machine is. */
export interface VmWorld {
  /** The packet from its IP header on, as a socket filter under `iptables -m bpf` sees it. Read at each call. */
  packet: Uint8Array;
  /** Nanoseconds since boot. */
  bootTimeNs: bigint;
}

/** Helpers over `world`, which may be changed between runs. */
export function vmHelpers(world: VmWorld): Map<number, VmHelper> {
  return new Map<number, VmHelper>([
    [
      BPF_FUNC_skb_load_bytes,
      ([, at, to, length], { memory }) => {
        const target = memory.bytes(to, Number(length), 'write');
        const { packet } = world;
        const offset = Number(BigInt.asUintN(32, at));
        if (offset + target.length > packet.length) {
          target.fill(0);
          return EFAULT;
        }
        target.set(packet.subarray(offset, offset + target.length));
        return 0n;
      },
    ],
    [
      BPF_FUNC_map_lookup_elem,
      ([pointer, key], call) => {
        const map = call.map(pointer);
        const value = map.lookup(call.memory.bytes(key, map.shape.keyBytes, 'read'));
        return value ? call.memory.add('map value', value, true) : 0n;
      },
    ],
    [
      BPF_FUNC_map_update_elem,
      ([pointer, key, value], call) => {
        const map = call.map(pointer);
        const keyBytes = call.memory.bytes(key, map.shape.keyBytes, 'read');
        return map.update(keyBytes, call.memory.bytes(value, map.shape.valueBytes, 'read')) ? 0n : E2BIG;
      },
    ],
    [
      BPF_FUNC_map_delete_elem,
      ([pointer, key], call) => {
        const map = call.map(pointer);
        return map.delete(call.memory.bytes(key, map.shape.keyBytes, 'read')) ? 0n : ENOENT;
      },
    ],
    [BPF_FUNC_ktime_get_ns, () => world.bootTimeNs],
    [BPF_FUNC_ktime_get_boot_ns, () => world.bootTimeNs],
    [BPF_FUNC_get_smp_processor_id, () => 0n],
    [BPF_FUNC_get_prandom_u32, () => 4n],
  ]);
}
