/**
 * Numbers of the kernel's helper functions and offsets of the packet context
 * that programs of p2pwall use, under their kernel names.
 *
 * Specification: include/uapi/linux/bpf.h (___BPF_FUNC_MAPPER, struct __sk_buff,
 * enum bpf_map_type, enum bpf_prog_type).
 */

export const BPF_FUNC_map_lookup_elem = 1;
export const BPF_FUNC_map_update_elem = 2;
export const BPF_FUNC_map_delete_elem = 3;
export const BPF_FUNC_ktime_get_ns = 5;
export const BPF_FUNC_get_prandom_u32 = 7;
export const BPF_FUNC_get_smp_processor_id = 8;
export const BPF_FUNC_skb_store_bytes = 9;
export const BPF_FUNC_tail_call = 12;
export const BPF_FUNC_skb_load_bytes = 26;
/** Nanoseconds since boot, suspended time included. Requires Linux 5.8. */
export const BPF_FUNC_ktime_get_boot_ns = 125;
/** Calls a local function up to r1 times, until it returns 1. Requires Linux 5.17. */
export const BPF_FUNC_loop = 181;
/** Compares a bounded string with a read-only one. Requires Linux 5.17. */
export const BPF_FUNC_strncmp = 182;

/** Names for the disassembly. */
export const HELPER_NAMES: ReadonlyMap<number, string> = new Map([
  [BPF_FUNC_map_lookup_elem, 'bpf_map_lookup_elem'],
  [BPF_FUNC_map_update_elem, 'bpf_map_update_elem'],
  [BPF_FUNC_map_delete_elem, 'bpf_map_delete_elem'],
  [BPF_FUNC_ktime_get_ns, 'bpf_ktime_get_ns'],
  [BPF_FUNC_get_prandom_u32, 'bpf_get_prandom_u32'],
  [BPF_FUNC_get_smp_processor_id, 'bpf_get_smp_processor_id'],
  [BPF_FUNC_skb_store_bytes, 'bpf_skb_store_bytes'],
  [BPF_FUNC_tail_call, 'bpf_tail_call'],
  [BPF_FUNC_skb_load_bytes, 'bpf_skb_load_bytes'],
  [BPF_FUNC_ktime_get_boot_ns, 'bpf_ktime_get_boot_ns'],
  [BPF_FUNC_loop, 'bpf_loop'],
  [BPF_FUNC_strncmp, 'bpf_strncmp'],
]);

// struct __sk_buff: all fields here are 32 bits wide.
export const SKB_LEN = 0;
export const SKB_MARK = 8;
/** Bytes of struct __sk_buff. */
export const SKB_SIZE_BYTES = 192;

export const BPF_MAP_TYPE_HASH = 1;
export const BPF_MAP_TYPE_ARRAY = 2;
export const BPF_MAP_TYPE_PERCPU_ARRAY = 6;
export const BPF_MAP_TYPE_LRU_HASH = 9;

export const BPF_PROG_TYPE_SOCKET_FILTER = 1;
export const BPF_PROG_TYPE_SCHED_CLS = 3;
