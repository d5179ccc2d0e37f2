/**
 * The wall as iptables rules: text for `iptables-restore --noflush` and its IPv6 twin.
 * Pure. Own chains only, and jumps to them from FORWARD and POSTROUTING; other rules are
 * neither read nor changed.
 *
 *   mangle FORWARD      what concerns the inside -> our value back from the connection; decided: leave; blocked or
 *                       contained: mark; else -> NFQUEUE
 *   filter FORWARD      marked drop or reject: save to the connection, then do it (mode open: reject alone, and only if a rule says so: what is
 *                       dropped is dropped in mangle)
 *   mangle POSTROUTING  marked otherwise: save to the connection; class and DSCP (mode open: at the end of mangle FORWARD)
 *
 * Undecided flows are queued whatever their age, so that connections older than the wall
 * are classified too; the daemon marks every flow within its budgets (docs/limits.md).
 * NF_ACCEPT from the queue continues at the next hook, and NF_DROP would leave the
 * connection unmarked: hence verdicts are marks, and a later chain acts on them. In mode open a packet with its verdict
 * comes back to mangle FORWARD (NF_REPEAT, `repeatsSettled`), so that no other packet needs a hook behind it.
 *
 * In mode open a flow that passes stays unmarked; it costs one match of the connection's mark in mangle FORWARD (where rules reject, one of its own in
 * filter FORWARD, too), and nothing in POSTROUTING: each hook and each match is a percent of what forwarding costs (bench/gateway.ts). In mode closed all jump, since each table
 * also stands for the other: mangle marks all it lets pass, filter drops what has no mark, mangle POSTROUTING drops what
 * filter should have. Somebody who flushes one of them stops traffic instead of opening the wall. `guard.ts` does the
 * same for all of them.
 */
import { blockSet, clientSet, peerSet } from './ipsets.js';
import { VALUE_DROP, VALUE_PASS, VALUE_REJECT, VALUE_SEEN, VALUE_UNDECIDED, hex, markText } from './marks.js';
import { type TrafficClass, type WallPlan, flowLimit } from './plan.js';
import { ROOT_HANDLE } from './shaping.js';

const FORWARD = 'P2PWALL-FORWARD';
const INSPECT = 'P2PWALL-INSPECT';
const POST = 'P2PWALL-POST';

function inspectRules(plan: WallPlan, ipVersion: 4 | 6): string[] {
  const { field } = plan;
  const mask = hex(field.mask);
  const drop = `-j MARK --set-xmark ${markText(field, VALUE_DROP)}`;
  const queues = plan.queues === 1 ? `--queue-num ${plan.firstQueue}` : `--queue-balance ${plan.firstQueue}:${plan.firstQueue + plan.queues - 1}`;
  const isClosed = plan.mode === 'closed';
  const bypass = isClosed ? '' : ' --queue-bypass';
  const undecided = `-m mark --mark ${markText(field, VALUE_UNDECIDED)}`;
  const queued = isClosed ? `-m mark --mark ${markText(field, VALUE_SEEN)}` : undecided;
  const decided = `-A ${INSPECT} -m mark ! --mark ${markText(field, VALUE_UNDECIDED)}`;
  return [
    ...(isClosed ? [] : [`${decided} -g ${POST}`]),
    `-A ${INSPECT} -j CONNMARK --restore-mark --nfmask ${mask} --ctmask ${mask}`,
    isClosed ? `${decided} -j RETURN` : `${decided} -g ${POST}`,
    `-A ${INSPECT} -m set --match-set ${blockSet(ipVersion)} src ${drop}`,
    `-A ${INSPECT} -m set --match-set ${blockSet(ipVersion)} dst ${drop}`,
    // From the client to the peer, and from the peer to the client.
    `-A ${INSPECT} -m set --match-set ${peerSet(ipVersion)} dst,dst,src ${drop}`,
    `-A ${INSPECT} -m set --match-set ${peerSet(ipVersion)} src,src,dst ${drop}`,
    ...(isClosed ? [] : [`${decided} -g ${POST}`]),
    ...(isClosed ? [`-A ${INSPECT} ${undecided} -j MARK --set-xmark ${markText(field, VALUE_SEEN)}`] : []),
    `-A ${INSPECT} -p tcp ${queued} -j NFQUEUE ${queues}${bypass}`,
    `-A ${INSPECT} -p udp ${queued} -j NFQUEUE ${queues}${bypass}`,
  ];
}

/** REJECT is a target of that table alone. */
function usesFilter({ mode, rejects }: WallPlan): boolean {
  return mode === 'closed' || rejects;
}

function verdictRules(plan: WallPlan, ipVersion: 4 | 6): string[] {
  const { field } = plan;
  if (!usesFilter(plan)) return [];
  const mask = hex(field.mask);
  const save = `-j CONNMARK --save-mark --nfmask ${mask} --ctmask ${mask}`;
  const isDrop = `-m mark --mark ${markText(field, VALUE_DROP)}`;
  const isReject = `-m mark --mark ${markText(field, VALUE_REJECT)}`;
  const unreachable = ipVersion === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable';
  return [
    ...(plan.mode === 'closed' ? [`-A ${FORWARD} ${isDrop} ${save}`, `-A ${FORWARD} ${isDrop} -j DROP`] : []),
    `-A ${FORWARD} ${isReject} ${save}`,
    `-A ${FORWARD} -p tcp ${isReject} -j REJECT --reject-with tcp-reset`,
    `-A ${FORWARD} ${isReject} -j REJECT --reject-with ${unreachable}`,
    ...unseenRules(plan),
  ];
}

/** Mode closed: drops what mangle has not seen. */
function unseenRules({ mode, inside, field }: WallPlan): string[] {
  if (mode === 'open') return [];
  const drop = `-m mark --mark ${markText(field, VALUE_UNDECIDED)} -j DROP`;
  return inside.flatMap((name) => [`-A ${FORWARD} -i ${name} ${drop}`, `-A ${FORWARD} -o ${name} ${drop}`]);
}

/** Mode open: drops. While a policy is replaced, a thread may still reject by the former one. */
function dropRules({ mode, field, rejects }: WallPlan): string[] {
  if (mode === 'closed') return [];
  const values = rejects ? [VALUE_DROP] : [VALUE_DROP, VALUE_REJECT];
  return values.map((value) => `-A ${POST} -m mark --mark ${markText(field, value)} -j DROP`);
}

/** Mode closed: drops what filter should have; what was seen and has no verdict is undecided again. */
function lastRules({ mode, field }: WallPlan): string[] {
  if (mode === 'open') return [];
  const rejected = `-m mark --mark ${markText(field, VALUE_REJECT)} -j DROP`;
  return [
    `-A ${POST} -m mark --mark ${markText(field, VALUE_DROP)} -j DROP`,
    // With net.ipv4.fwmark_reflect our own refusals bear the mark of what they answer: resets and ICMP, which pass.
    `-A ${POST} -p tcp ! --tcp-flags RST RST ${rejected}`,
    `-A ${POST} -p udp ${rejected}`,
    `-A ${POST} -m mark --mark ${markText(field, VALUE_SEEN)} -j MARK --set-xmark ${markText(field, VALUE_UNDECIDED)}`,
  ];
}

function classRules(plan: WallPlan, trafficClass: TrafficClass, ipVersion: 4 | 6): string[] {
  const marked = `-A ${POST} -m mark --mark ${markText(plan.field, trafficClass.value)}`;
  const classify = `${marked} -j CLASSIFY --set-class ${ROOT_HANDLE}:${trafficClass.value.toString(16)}`;
  if (trafficClass.kind === 'prioritise') return [`${marked} -j DSCP --set-dscp ${hex(trafficClass.dscp)}`, classify];
  switch (trafficClass.per) {
    case 'rule':
      return [classify];
    case 'client': {
      // Clients without an entry yet share the rule's own class until the daemon has made one.
      const set = clientSet(trafficClass, ipVersion);
      return [classify, `${marked} -j SET --map-set ${set} src --map-prio`, `${marked} -j SET --map-set ${set} dst --map-prio`];
    }
    case 'flow': {
      const { bytesPerSecond, burstBytes } = flowLimit(trafficClass);
      // Policing, not shaping: tc has no class for each of unboundedly many flows. Both directions have a bucket of their own.
      return [
        `${marked} -m hashlimit --hashlimit-above ${bytesPerSecond}b/s --hashlimit-burst ${burstBytes}b ` +
          `--hashlimit-mode srcip,srcport,dstip,dstport --hashlimit-name p2pwall-${trafficClass.value} --hashlimit-htable-expire 60000 -j DROP`,
      ];
    }
  }
}

/** Text that installs the wall's chains and jumps. Existing chains of ours are emptied first: applying twice changes nothing. */
export function iptablesText(plan: WallPlan, ipVersion: 4 | 6): string {
  const mask = hex(plan.field.mask);
  const concerns = plan.inside.flatMap((name) => [`-A ${FORWARD} -i ${name} -g ${INSPECT}`, `-A ${FORWARD} -o ${name} -g ${INSPECT}`]);
  const lines = [
    '*mangle',
    `:${FORWARD} - [0:0]`,
    `:${INSPECT} - [0:0]`,
    `:${POST} - [0:0]`,
    // Not as a condition of the jump: packets without a connection (NOTRACK, out of every window) have no mark, and `!` does not match them.
    ...(plan.mode === 'open' ? [`-A ${FORWARD} -m connmark --mark ${markText(plan.field, VALUE_PASS)} -j RETURN`] : []),
    ...concerns,
    ...inspectRules(plan, ipVersion),
    ...lastRules(plan),
    `-A ${POST} -m mark ! --mark ${markText(plan.field, VALUE_UNDECIDED)} -j CONNMARK --save-mark --nfmask ${mask} --ctmask ${mask}`,
    `-A ${POST} -m mark --mark ${markText(plan.field, VALUE_PASS)} -j RETURN`,
    ...dropRules(plan),
    ...plan.classes.flatMap((it) => classRules(plan, it, ipVersion)),
    ...insertions(plan, 'mangle'),
    'COMMIT',
    '*filter',
    `:${FORWARD} - [0:0]`,
    ...verdictRules(plan, ipVersion),
    ...insertions(plan, 'filter'),
    'COMMIT',
  ];
  return `${lines.join('\n')}\n`;
}

/** A packet with its verdict goes through mangle FORWARD once more, where the rules save its mark: nothing does so behind. */
export function repeatsSettled({ mode }: WallPlan): boolean {
  return mode === 'open';
}

/** Where our chains are. */
export const TABLES = ['mangle', 'filter'] as const;
type Table = (typeof TABLES)[number];

/** A rule of a hook that sends packets to one of our chains. */
interface Jump {
  readonly table: Table;
  readonly from: string;
  readonly to: string;
  /** Which packets, as iptables-save writes it; '' for all. */
  readonly match: string;
}

/** What must stand once. */
function jumpsOf(plan: WallPlan): readonly Jump[] {
  const { mode, field } = plan;
  const inMangle = { table: 'mangle', from: 'FORWARD', to: FORWARD, match: '' } as const;
  if (!usesFilter(plan)) return [inMangle];
  if (mode === 'open') return [inMangle, { table: 'filter', from: 'FORWARD', to: FORWARD, match: `-m mark ! --mark ${markText(field, VALUE_UNDECIDED)}` }];
  return [inMangle, { table: 'mangle', from: 'POSTROUTING', to: POST, match: '' }, { table: 'filter', from: 'FORWARD', to: FORWARD, match: '' }];
}

/** The rule behind `-A`, or behind `-I` with its place. */
function ruleOf({ from, to, match }: Jump, place = ''): string {
  return `${from}${place}${match === '' ? '' : ` ${match}`} -j ${to}`;
}

/** First in their hooks. */
function insertions(plan: WallPlan, table: Table): string[] {
  return jumpsOf(plan)
    .filter((jump) => jump.table === table)
    .map((jump) => `-I ${ruleOf(jump, ' 1')}`);
}

/** A jump to a chain of ours in the output of iptables-save, whatever plan it was from. */
const JUMP_LINE = new RegExp(`^-A (FORWARD|POSTROUTING) (?:.* )?-j (${FORWARD}|${POST})$`);

/** Chains by table, in an order in which they can be removed. */
export const CHAINS: readonly { readonly table: Table; readonly chain: string }[] = [
  { table: 'mangle', chain: FORWARD },
  { table: 'mangle', chain: INSPECT },
  { table: 'mangle', chain: POST },
  { table: 'filter', chain: FORWARD },
];

/** As iptables-save writes it: a mask of all bits is not shown. */
function asSaved(line: string): string {
  return line.replace(/\/0xffffffff\b/, '');
}

/** Lines of each table in the output of iptables-save. */
function linesByTable(save: string): Map<string, string[]> {
  const tables = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of save.split('\n')) {
    if (line.startsWith('*')) {
      const table = line.slice(1).trim();
      lines = tables.get(table) ?? [];
      tables.set(table, lines);
    }
    lines.push(asSaved(line));
  }
  return tables;
}

/**
 * `text` without the jumps that `save` (the output of iptables-save) shows, and with the removal of those that it does not want: to
 * install rules where a wall stands.
 */
export function withoutStandingJumps(text: string, save: string): string {
  const standing = linesByTable(save);
  return [...linesByTable(text)].flatMap(([table, lines]) => {
    const jumps = (standing.get(table) ?? []).filter((line) => JUMP_LINE.test(line));
    const inserted = (line: string): string => line.replace(/^-I (\S+) 1 /, '-A $1 ');
    const wanted = lines.map(inserted);
    const stale = jumps.filter((line) => !wanted.includes(line)).map((line) => line.replace(/^-A/, '-D'));
    return lines.filter((line) => !(line.startsWith('-I ') && jumps.includes(inserted(line)))).flatMap((line) => (line === 'COMMIT' ? [...stale, line] : [line]));
  }).join('\n');
}

/** Text that removes what `save` (the output of iptables-save) shows of ours; '' when there is nothing. Jumps that stand several times go all. */
export function iptablesRemovalText(save: string): string {
  const lines: string[] = [];
  const order = (line: string): number => ['-D', '-F', '-X'].indexOf(line.slice(0, 2));
  for (const [table, saved] of linesByTable(save)) {
    const own: string[] = [];
    for (const line of saved) {
      if (TABLES.includes(table as Table) && JUMP_LINE.test(line)) own.push(line.replace(/^-A/, '-D'));
      const chain = CHAINS.find((it) => it.table === table && line.startsWith(`:${it.chain} `));
      if (chain) own.push(`-F ${chain.chain}`, `-X ${chain.chain}`);
    }
    if (own.length > 0) lines.push(`*${table}`, ...own.sort((a, b) => order(a) - order(b)), 'COMMIT');
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** The output of `iptables-save -c` as without `-c`. */
export function withoutCounters(save: string): string {
  return save.replace(/^\[\d+:\d+\] /gm, '');
}

/** Packets that met our queueing rules, in the output of `iptables-save -c`. */
export function queuedBy(save: string): number {
  const rules = new RegExp(`^\\[(\\d+):\\d+\\] -A ${INSPECT} .*-j NFQUEUE `, 'gm');
  return [...save.matchAll(rules)].reduce((sum, found) => sum + Number(found[1]), 0);
}

/** What of the wall is missing in the output of iptables-save: names of chains and jumps. Empty when all stands. */
export function missingFrom(save: string, plan: WallPlan): string[] {
  const tables = linesByTable(save);
  const missing: string[] = [];
  for (const { table, chain } of CHAINS) {
    if (table === 'filter' && !usesFilter(plan)) continue;
    if (!(tables.get(table) ?? []).some((line) => line.startsWith(`-A ${chain} `))) missing.push(`rules of chain ${chain} in ${table}`);
  }
  for (const jump of jumpsOf(plan)) {
    if (!(tables.get(jump.table) ?? []).includes(asSaved(`-A ${ruleOf(jump)}`))) missing.push(`jump from ${jump.from} to ${jump.to} in ${jump.table}`);
  }
  return missing;
}
