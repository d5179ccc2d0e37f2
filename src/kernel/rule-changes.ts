/**
 * Tells that somebody changed packet filter rules of this network namespace: nf_tables says so itself; of the tables of
 * iptables-legacy, which tell nobody, the numbers of rules and bytes are looked at several times a second (some microseconds).
 * Specification: include/uapi/linux/netfilter/nfnetlink.h, NFNLGRP_NFTABLES; linux/netfilter_ipv4/ip_tables.h, struct ipt_getinfo.
 */
import { type Libc, libc as systemLibc } from './libc.js';
import { NETLINK_NETFILTER, NetlinkSocket } from './netlink-socket.js';
import { check } from './system-error.js';

const NFNLGRP_NFTABLES = 7;
const LOOK_MS = 100;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SOL_IP = 0;
const SOL_IPV6 = 41;
/** The same for both families. */
const IPT_SO_GET_INFO = 64;
/** struct ipt_getinfo: name 32, valid hooks 4, entries of hooks 20, underflows 20, number of entries 4, their size 4. */
const GETINFO_BYTES = 84;
const COUNTS_AT = 76;

export interface RuleChanges {
  /** The caller has changed rules itself: what stands now is known. */
  settle(): void;
  close(): void;
}

/** Throws SystemError. `onChange` is called for every message, so many times for one change. */
export function watchRuleChanges(onChange: () => void, libc?: Libc): RuleChanges {
  const socket = NetlinkSocket.open(NETLINK_NETFILTER, { groups: 1 << (NFNLGRP_NFTABLES - 1), ...(libc ? { libc } : {}) });
  // Messages that did not fit the buffer are changes too.
  socket.listen(onChange, onChange);
  // Our own changes are told like those of others, and looked at once more.
  return { settle: () => undefined, close: () => socket.close() };
}

/** Looks at these tables, which must exist (asking would make them). Throws SystemError. */
export function watchLegacyRules(tables: readonly string[], ipVersions: readonly (4 | 6)[], onChange: () => void, libc: Libc = systemLibc()): RuleChanges {
  const fds = ipVersions.map((ipVersion) => check(libc.socket(ipVersion === 4 ? AF_INET : AF_INET6, SOCK_DGRAM_CLOEXEC, 0), { syscall: 'socket', doing: 'open a socket' }));
  const places = ipVersions.flatMap((ipVersion, i) => tables.map((table) => ({ fd: fds[i] ?? -1, level: ipVersion === 4 ? SOL_IP : SOL_IPV6, name: new TextEncoder().encode(table) })));
  const info = new Uint8Array(GETINFO_BYTES);
  const look = (): string =>
    places
      .map(({ fd, level, name }) => {
        info.fill(0);
        info.set(name);
        // A table that is gone is a change as well.
        return libc.getsockopt(fd, level, IPT_SO_GET_INFO, info) < 0 ? '' : info.subarray(COUNTS_AT).join();
      })
      .join(' ');
  let known = look();
  const timer = setInterval(() => {
    const now = look();
    if (now === known) return;
    known = now;
    onChange();
  }, LOOK_MS).unref();
  return {
    settle: () => {
      known = look();
    },
    close: () => {
      clearInterval(timer);
      for (const fd of fds) libc.close(fd);
    },
  };
}
