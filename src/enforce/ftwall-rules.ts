/**
 * The rules and sets of ftwall, as text for `ipset restore` and `iptables-restore --noflush`.
 *
 * Everything stands in the mangle table: a packet that a queue accepts goes on at the next table, so that the
 * administrator's own rules in `filter` still judge it. Known peers and locked clients are refused in the kernel;
 * only pings, new connections, the first packets of streams and DNS answers reach the program.
 *
 *   FORWARD from inside -> FTWALL        protected | sets | pings | SYNs | first data
 *   FORWARD to inside   -> FTWALL-BACK   first data | pongs (-n) | DNS answers
 *   INPUT from inside   -> FTWALL-IN     answers to probes
 *   OUTPUT to inside    -> FTWALL-OUT    DNS answers of this machine
 *   raw OUTPUT          forged packets are not tracked
 *
 * Pure text; the daemon applies it with `tools.ts`.
 */

/** Sets, one for each family: the names get `6` appended for IPv6. */
export const SETS = {
  /** Confirmed peers: hash:ip,port. */
  peers: 'ftwall-peers',
  /** Peers of one client: hash:ip,port,ip. */
  own: 'ftwall-own',
  /** Locked clients: hash:ip. */
  locked: 'ftwall-locked',
  /** Addresses under blocked names, for all: hash:ip. */
  closed: 'ftwall-closed',
  /** The same for some clients only; the program decides: hash:ip. */
  names: 'ftwall-names',
} as const;

/** Mark of packets that the program forges. */
export const FORGED_MARK = 0x0f7a11;
/** Packets of both directions of a connection that the program sees. */
export const FIRST_PACKETS = 10;

export interface FtwallRuleOptions {
  /** Interfaces of the inside. */
  readonly interfaces: readonly string[];
  /** Pings go to this queue, everything else to the next. */
  readonly queue: number;
  readonly lockScope: 'all' | 'user-ports' | 'none';
  /** Networks that are never blocked: `192.0.2.0/24`, `2001:db8::/32`. */
  readonly protectedNetworks: readonly string[];
  /** False: known peers and locked clients are left to the program, which can then log every one. */
  readonly offloads: boolean;
  /** Pings pass: answers to them tell confirmed peers. */
  readonly observesUdp: boolean;
  readonly watchesNames: boolean;
}

type Family = 4 | 6;

export function setName(name: string, family: Family): string {
  return family === 4 ? name : `${name}6`;
}

/** Input for `ipset restore -exist`. */
export function setsText(maxPeers: number): string {
  const lines: string[] = [];
  for (const family of [4, 6] as const) {
    const create = (name: string, type: string, timeoutS: number, members: number): void => {
      lines.push(`create ${setName(name, family)} ${type} family ${family === 4 ? 'inet' : 'inet6'} timeout ${timeoutS} maxelem ${members}`);
    };
    create(SETS.peers, 'hash:ip,port', 86_400, maxPeers);
    create(SETS.own, 'hash:ip,port,ip', 86_400, maxPeers);
    create(SETS.locked, 'hash:ip', 120, 65_536);
    create(SETS.closed, 'hash:ip', 300, 65_536);
    create(SETS.names, 'hash:ip', 300, 65_536);
  }
  return `${lines.join('\n')}\n`;
}

/** Input for `ipset restore`: all sets gone. */
export function setsRemovalText(): string {
  const names = Object.values(SETS).flatMap((name) => [setName(name, 4), setName(name, 6)]);
  return `${names.map((name) => `destroy ${name}`).join('\n')}\n`;
}

/** First payload byte of a UDP datagram (u32 match: offset expressions of the kernel's xt_u32). */
function firstUdpByte(family: Family, byte: string): string {
  // IPv4: header length from its first byte; IPv6: 40 bytes and no extension headers.
  const payload = family === 4 ? '0>>22&0x3C@8' : '48';
  return `-m u32 --u32 "${payload}>>24=${byte}"`;
}

/** Input for `iptables-restore --noflush` or `ip6tables-restore --noflush`. */
export function rulesText(family: Family, options: FtwallRuleOptions): string {
  const headerBytes = family === 4 ? 28 : 48;
  const toQueue = `-j NFQUEUE --queue-num ${options.queue + 1} --queue-bypass`;
  const toPingQueue = `-j NFQUEUE --queue-num ${options.queue} --queue-bypass`;
  const set = (name: string, directions: string): string => `-m set --match-set ${setName(name, family)} ${directions}`;
  const firstData = `-p tcp -m connbytes --connbytes 0:${FIRST_PACKETS} --connbytes-dir both --connbytes-mode packets -m length --length ${headerBytes + 13}:65535`;
  const lines = ['*mangle', ':FTWALL - [0:0]', ':FTWALL-BACK - [0:0]', ':FTWALL-IN - [0:0]', ':FTWALL-OUT - [0:0]'];
  const add = (chain: string, ...parts: string[]): void => {
    lines.push(`-A ${chain} ${parts.join(' ')}`);
  };
  for (const network of options.protectedNetworks) {
    if (network.includes(':') === (family === 6)) add('FTWALL', `-d ${network} -j RETURN`);
  }
  // Without offloading, new connections go to the program; streams of a peer that stood before are cut here all the same.
  const refused = options.offloads ? '-p tcp' : '-p tcp ! --syn';
  add('FTWALL', refused, set(SETS.peers, 'dst,dst'), '-j DROP');
  add('FTWALL', refused, set(SETS.own, 'dst,dst,src'), '-j DROP');
  if (options.offloads) {
    add('FTWALL', set(SETS.closed, 'dst'), '-j DROP');
    if (options.lockScope !== 'none') {
      const ports = options.lockScope === 'user-ports' ? '--dport 1024:65535' : '';
      add('FTWALL', '-p tcp --syn', ports, set(SETS.locked, 'src'), '-j DROP');
    }
  }
  // A ping has 8 to 40 bytes behind the UDP header.
  add('FTWALL', `-p udp -m length --length ${headerBytes + 8}:${headerBytes + 40}`, firstUdpByte(family, '0x27'), toPingQueue);
  if (options.watchesNames) add('FTWALL', '-p udp', set(SETS.names, 'dst'), toQueue);
  add('FTWALL', '-p tcp --syn', toQueue);
  add('FTWALL', firstData, toQueue);
  add('FTWALL-BACK', '-p tcp', set(SETS.peers, 'src,src'), '-j DROP');
  add('FTWALL-BACK', '-p tcp', set(SETS.own, 'src,src,dst'), '-j DROP');
  add('FTWALL-BACK', firstData, toQueue);
  if (options.observesUdp) add('FTWALL-BACK', '-p udp', firstUdpByte(family, '0x28:0x29'), toQueue);
  if (options.watchesNames) {
    for (const chain of ['FTWALL-BACK', 'FTWALL-OUT']) add(chain, '-p udp --sport 53', toQueue);
    add('FTWALL-OUT', '-p tcp --sport 53', `-m length --length ${headerBytes + 13}:65535`, toQueue);
  }
  add('FTWALL-IN', '-p udp', firstUdpByte(family, '0x28:0x29'), toQueue);
  for (const name of options.interfaces) {
    lines.push(`-I FORWARD 1 -i ${name} -j FTWALL`, `-I FORWARD 2 -o ${name} -j FTWALL-BACK`);
    lines.push(`-I INPUT 1 -i ${name} -j FTWALL-IN`, `-I OUTPUT 1 -o ${name} -j FTWALL-OUT`);
  }
  lines.push('COMMIT', '*raw', `-I OUTPUT 1 -m mark --mark ${FORGED_MARK} -j CT --notrack`, 'COMMIT', '');
  return lines.join('\n').replace(/ {2,}/g, ' ');
}

/** Input for the same programs: everything that `rulesText` added is gone. Each line may fail by itself, so it is applied line by line. */
export function rulesRemoval(interfaces: readonly string[]): readonly string[][] {
  const mangle = (...rest: string[]): string[] => ['-t', 'mangle', ...rest];
  return [
    ...interfaces.flatMap((name) => [
      mangle('-D', 'FORWARD', '-i', name, '-j', 'FTWALL'),
      mangle('-D', 'FORWARD', '-o', name, '-j', 'FTWALL-BACK'),
      mangle('-D', 'INPUT', '-i', name, '-j', 'FTWALL-IN'),
      mangle('-D', 'OUTPUT', '-o', name, '-j', 'FTWALL-OUT'),
    ]),
    ...['FTWALL', 'FTWALL-BACK', 'FTWALL-IN', 'FTWALL-OUT'].flatMap((chain) => [mangle('-F', chain), mangle('-X', chain)]),
    ['-t', 'raw', '-D', 'OUTPUT', '-m', 'mark', '--mark', String(FORGED_MARK), '-j', 'CT', '--notrack'],
  ];
}
