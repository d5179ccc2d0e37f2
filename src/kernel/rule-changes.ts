/**
 * Tells that somebody changed packet filter rules of this network namespace. The tables of iptables-legacy tell nobody.
 * Specification: include/uapi/linux/netfilter/nfnetlink.h, NFNLGRP_NFTABLES.
 */
import type { Libc } from './libc.js';
import { NETLINK_NETFILTER, NetlinkSocket } from './netlink-socket.js';

const NFNLGRP_NFTABLES = 7;

/** Throws SystemError. `onChange` is called for every message, so many times for one change. */
export function watchRuleChanges(onChange: () => void, libc?: Libc): { close(): void } {
  const socket = NetlinkSocket.open(NETLINK_NETFILTER, { groups: 1 << (NFNLGRP_NFTABLES - 1), ...(libc ? { libc } : {}) });
  // Messages that did not fit the buffer are changes too.
  socket.listen(onChange, onChange);
  return socket;
}
