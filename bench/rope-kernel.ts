/**
 * `script/bench rope-kernel`: What one rule costs on a packet of 1400 bytes that does not match: rope/bittorrent in the kernel
 * beside `-m string` with the handshake's text, and others. Needs root; everything happens in network namespaces.
 *
 *   node dist/bench/rope-kernel.js [ROUNDS]        default 25
 *
 * A raw socket sends the same packet again and again through OUTPUT and over a cable, with COPIES copies of a rule and
 * without; the difference divided by COPIES is the cost of a rule. Each round measures all rules for both packets one after
 * the other within about a second, without rules before and after them, and compares them with string bm of the same round:
 * speeds of shared machines swing from second to second. Printed are medians over the rounds and, as the spread, what a
 * quarter of the rounds lies below and above. Goal: at most a third of string bm.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { labUnavailable, openLab, type LabHost } from '../src/lab/namespaces.js';
import { tableText } from '../src/report/table.js';
import { RopeCli } from '../test/live/support/rope-cli.js';
import { buildTcp, buildUdp } from '../src/wire/build.js';
import { TCP_ACK } from '../src/wire/constants.js';
import type { Shots } from './support/packet-gun.js';

const ROUNDS = Number(process.argv[2] ?? 25);
const COPIES = 40;
/** Packets of a salvo, and salvos of a measurement. */
const SHOTS = 400;
const SALVOS = 5;
const PACKET_BYTES = 1400;
const root = join(import.meta.dirname, '../..');

interface Rule {
  readonly name: string;
  /** Words of a rule of iptables, or a statement of nft. */
  readonly iptables?: readonly string[];
  readonly nft?: string;
}

const HANDSHAKE = '|13|BitTorrent protocol';
const hex = Buffer.from('\x13BitTorrent protocol', 'latin1').toString('hex');

function rules(cli: RopeCli): Rule[] {
  const rope = (name: string): Rule => ({ name: `rope/${name} (eBPF)`, iptables: cli.match(name) });
  const u32 = Array.from({ length: 5 }, (_, i) => `0>>22&0x3C@12>>26&0x3C@${4 * i}=0x${hex.slice(8 * i, 8 * i + 8)}`).join('&&');
  return [
    { name: 'iptables rule that looks at the protocol', iptables: ['-p', '132'] },
    // What no program can go below: calling one that ends at once.
    { name: 'bpf, a program that says no at once', iptables: ['-m', 'bpf', '--bytecode', '1,6 0 0 0'] },
    rope('gnutella'),
    rope('contlen'),
    rope('bittorrent'),
    { name: 'string --algo bm, the handshake', iptables: ['-m', 'string', '--algo', 'bm', '--hex-string', HANDSHAKE] },
    { name: 'u32, the handshake at its place', iptables: ['-m', 'u32', '--u32', u32] },
    { name: 'nft raw payload, the handshake at its place', nft: `@ih,0,128 0x${hex.slice(0, 32)} @ih,128,32 0x${hex.slice(32)} counter` },
  ];
}

/** Makes a chain of copies for each rule; the reasons of those that this system refuses. */
function prepare(host: LabHost, all: readonly Rule[]): Map<string, string> {
  const refused = new Map<string, string>();
  host.must('iptables', ['-w', '-N', 'none']);
  host.must('iptables', ['-w', '-A', 'OUTPUT', '-j', 'none']);
  all.forEach(({ name, iptables, nft }, index) => {
    const result = iptables
      ? host.run(
          'iptables-restore', ['-w', '-n'],
          // Words as a shell would read them: quote what has blanks.
          `*filter\n:rule${index} -\n${`-A rule${index} ${iptables.map((word) => (/[ |&]/.test(word) ? `"${word}"` : word)).join(' ')}\n`.repeat(COPIES)}COMMIT\n`,
        )
      : host.run('nft', ['-c', '-f', '-'], nftTable(nft ?? ''));
    if (result.status !== 0) refused.set(name, result.stderr.trim().split('\n')[0] ?? 'refused');
  });
  return refused;
}

function nftTable(statement: string): string {
  return `table ip bench {\n chain out {\n type filter hook output priority 0;\n${` ${statement}\n`.repeat(COPIES)} }\n}\n`;
}

/** Puts the copies of a rule, or none, into the way of packets; returns what takes them out again. */
function insert(host: LabHost, rule: Rule | null, index: number): () => void {
  if (rule?.nft !== undefined) {
    host.must('nft', ['-f', '-'], nftTable(rule.nft));
    return () => host.must('nft', ['delete', 'table', 'ip', 'bench']);
  }
  if (rule === null) return () => undefined;
  host.must('iptables', ['-w', '-R', 'OUTPUT', '1', '-j', `rule${index}`]);
  return () => host.must('iptables', ['-w', '-R', 'OUTPUT', '1', '-j', 'none']);
}

async function main(): Promise<void> {
  const missing = labUnavailable() ?? (spawnSync('iptables', ['-V']).error ? 'needs iptables' : null);
  if (missing !== null) {
    process.stdout.write(`rope-kernel: skipped: ${missing}\n`);
    return;
  }
  const cli = new RopeCli();
  const lab = openLab('p2pw-ebpf');
  try {
    cli.must('load', join(root, 'rope/bittorrent.rope'), '--name', 'bittorrent');
    cli.must('load', join(root, 'rope/gnutella.rope'), '--name', 'gnutella');
    cli.must('load', join(root, 'rope/contlen.rope'), '--name', 'contlen', '--push-int', '1000000');
    const from = lab.addHost('from');
    const to = lab.addHost('to');
    lab.connect({ host: from, name: 'eth0', addresses: ['10.78.0.1/24'] }, { host: to, name: 'eth0', addresses: ['10.78.0.2/24'] });
    // Nothing may answer, and no neighbour be asked for.
    to.must('iptables', ['-w', '-t', 'raw', '-A', 'PREROUTING', '-j', 'DROP']);
    const mac = to.must('cat', ['/sys/class/net/eth0/address']).trim();
    from.ip(`neigh replace 10.78.0.2 lladdr ${mac} dev eth0 nud permanent`);
    const all = rules(cli);
    const refused = prepare(from, all);
    const gun = from.startWorker(new URL('./support/packet-gun.js', import.meta.url));
    await once(gun, 'message');
    // The fastest of some salvos: whatever else runs on the machine only ever makes one slower.
    const fire = async (packet: Uint8Array): Promise<number> => {
      let fastest = Number.POSITIVE_INFINITY;
      for (let salvo = 0; salvo < SALVOS; salvo++) {
        gun.postMessage({ packet, count: SHOTS } satisfies Shots);
        const [ns] = (await once(gun, 'message')) as [number];
        fastest = Math.min(fastest, ns);
      }
      return fastest;
    };
    const payload = Uint8Array.from({ length: PACKET_BYTES - 40 }, (_, i) => (i * 7919 + (i >> 3) * 31 + 13) & 255);
    const between = { src: '10.78.0.1', dst: '10.78.0.2', srcPort: 51413, dstPort: 6881 };
    const shots = [
      { kind: 'TCP', packet: buildTcp({ ...between, flags: TCP_ACK, seq: 1, ack: 1, payload }) },
      { kind: 'UDP', packet: buildUdp({ ...between, payload: payload.subarray(0, PACKET_BYTES - 28) }) },
    ].map((shot): Series => ({ ...shot, without: [], costs: all.map(() => []), ratios: all.map(() => []) }));
    for (const { packet } of shots) await fire(packet);
    for (let round = 0; round < ROUNDS; round++) {
      for (const series of shots) await measureRound(from, series, all, refused, fire);
    }
    for (const series of shots) report(series, all, refused);
  } finally {
    lab.close();
    cli.close();
  }
}

/** What the rounds of one packet have shown. */
interface Series {
  readonly kind: string;
  readonly packet: Uint8Array;
  /** Nanoseconds to send it without rules. */
  readonly without: number[];
  /** By rule: nanoseconds, and part of string bm in the same round. */
  readonly costs: readonly number[][];
  readonly ratios: readonly number[][];
}

/** The value that such a part of all lie below. */
function quantile(values: readonly number[], part: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
}

const median = (values: readonly number[]): number => quantile(values, 0.5);

async function measureRound(
  host: LabHost, { packet, without, costs, ratios }: Series, all: readonly Rule[], refused: ReadonlyMap<string, string>,
  fire: (packet: Uint8Array) => Promise<number>,
): Promise<void> {
  const reference = all.findIndex(({ name }) => name.startsWith('string --algo bm'));
  const before = await fire(packet);
  const totals: number[] = [];
  for (const [index, rule] of all.entries()) {
    if (refused.has(rule.name)) continue;
    const remove = insert(host, rule, index);
    totals[index] = await fire(packet);
    remove();
  }
  const none = (before + (await fire(packet))) / 2;
  without.push(none);
  totals.forEach((total, index) => {
    costs[index]?.push((total - none) / COPIES);
    ratios[index]?.push((total - none) / ((totals[reference] ?? Number.NaN) - none));
  });
}

function report({ kind, packet, without, costs, ratios }: Series, all: readonly Rule[], refused: ReadonlyMap<string, string>): void {
  process.stdout.write(`\n${kind} packet of ${packet.length} bytes that matches nothing; ${Math.round(median(without))} ns to send it without rules\n`);
  const spread = (values: readonly number[], digits: number): string => `${quantile(values, 0.25).toFixed(digits)}-${quantile(values, 0.75).toFixed(digits)}`;
  const rows = all.map(({ name }, index) => {
    const problem = refused.get(name);
    if (problem !== undefined) return [name, '-', '', problem, ''];
    const [ns = [], parts = []] = [costs[index], ratios[index]];
    return [name, median(ns).toFixed(0), spread(ns, 0), median(parts).toFixed(2), spread(parts, 2)];
  });
  const columns = [
    { title: 'one rule' }, { title: 'ns/packet', align: 'right' }, { title: 'half of the rounds', align: 'right' },
    { title: 'of string bm', align: 'right' }, { title: 'half of the rounds', align: 'right' },
  ] as const;
  process.stdout.write(`${tableText(columns, rows, null)}\n`);
  const ratio = ratios[all.findIndex(({ name }) => name.startsWith('rope/bittorrent'))] ?? [];
  process.stdout.write(`rope/bittorrent costs ${median(ratio).toFixed(2)} (${spread(ratio, 2)}) of string bm (goal: at most 0.33)\n`);
}

await main();
