/**
 * The predefined registers: name, type, explanation. Any other lower-case name is a user register.
 *
 * Where each value comes from is defined by `packet.ts`.
 */
import type { IntField, StrField } from './ir.js';

export type RegisterKind = 'int' | 'str' | 'offset' | 'limit';

export interface Register {
  readonly kind: RegisterKind;
  readonly doc: string;
}

const int = (doc: string): Register => ({ kind: 'int', doc });
const str = (doc: string): Register => ({ kind: 'str', doc });

const FIELDS: Readonly<Record<IntField | StrField, Register>> = {
  packet: str('The whole IP packet, headers included.'),
  packet_len: int('Its length in bytes.'),
  data: str('Payload of TCP or UDP, otherwise of IP.'),
  data_len: int('Its length in bytes.'),
  data_start: int('Its offset in the packet.'),
  ip_version: int('4 or 6; 0 when the packet is not IP.'),
  ip_saddr: str('Source address: 4 bytes, or 16 for IPv6.'),
  ip_daddr: str('Destination address: 4 bytes, or 16 for IPv6.'),
  ip_protocol: int('Protocol number; IPv6: behind the extension headers.'),
  ip_ihl: int('IPv4 header length in 32-bit words.'),
  ip_tos: int('IPv4 type of service.'),
  ip_tot_len: int('IPv4 total length.'),
  ip_id: int('IPv4 identification.'),
  ip_dont_frag: int('IPv4 Don\'t Fragment flag, 0 or 1.'),
  ip_frag_off: int('IPv4 fragment offset in units of 8 bytes.'),
  ip_ttl: int('IPv4 time to live.'),
  ip_check: int('IPv4 header checksum.'),
  ip6_hop_limit: int('IPv6 hop limit.'),
  ip6_flow_label: int('IPv6 flow label.'),
  tcp_source: int('Source port.'),
  tcp_dest: int('Destination port.'),
  tcp_seq: int('Sequence number (32 bits, from 2^31 on negative).'),
  tcp_ack_seq: int('Acknowledgement number (32 bits, from 2^31 on negative).'),
  tcp_doff: int('TCP header length in 32-bit words.'),
  tcp_window: int('Window.'),
  tcp_check: int('Checksum.'),
  tcp_urg_ptr: int('Urgent pointer.'),
  tcp_urg: int('URG flag, 0 or 1.'),
  tcp_ack: int('ACK flag, 0 or 1.'),
  tcp_psh: int('PSH flag, 0 or 1.'),
  tcp_rst: int('RST flag, 0 or 1.'),
  tcp_syn: int('SYN flag, 0 or 1.'),
  tcp_fin: int('FIN flag, 0 or 1.'),
  udp_source: int('Source port.'),
  udp_dest: int('Destination port.'),
  udp_len: int('Length field of the UDP header.'),
  udp_check: int('Checksum.'),
  mark: int('Netfilter mark of the packet.'),
  ct_proto: int('IP protocol of the connection tracking entry, 0 without one.'),
  ct_mark: int('Mark of the connection.'),
  ct_state: int('State of the connection: 0 none or invalid, 1 new, 2 established, 3 related, 4 untracked.'),
  kernel_time: int('Time now, in seconds since 1970.'),
  packet_time: int('Time of the packet\'s arrival, in seconds since 1970.'),
};

export const REGISTERS: ReadonlyMap<string, Register> = new Map<string, Register>([
  ['offset', { kind: 'offset', doc: 'Where the next packet word reads, counted from the start of the packet. Begins at $data_start. Can be written.' }],
  ...Object.entries(FIELDS),
  ['max_actions', { kind: 'limit', doc: 'Limit of actions in one run. Can be lowered.' }],
  ['max_while_loops', { kind: 'limit', doc: 'Limit of rounds of each while and until. Can be lowered.' }],
]);

/** Names that begin like this are never user registers: `$tcp_dst` is a slip. */
const RESERVED_PREFIX = /^(ip_|ip6_|tcp_|udp_|ct_|packet_|data_|kernel_|max_)/;

export function isUserRegister(name: string): boolean {
  return /^[a-z][a-z0-9_]*$/.test(name) && !REGISTERS.has(name) && !RESERVED_PREFIX.test(name);
}

export function isRegister(name: string): boolean {
  return REGISTERS.has(name) || isUserRegister(name);
}

/** Name of the n-th user register of the word `reg` ($a is 0), or null when there is none. */
export function numberedRegister(n: number): string | null {
  return n >= 0 && n < 26 ? String.fromCharCode(0x61 + n) : null;
}
