/**
 * `script/bench rope-kernel`: What one rule costs on a packet of 1400 bytes that does not match: rope/bittorrent in the kernel
 * beside `-m string` with the handshake's text, and others. Needs root; everything happens in network namespaces.
 *
 *   node dist/bench/rope-kernel.js [ROUNDS]        default 12
 *
 * A raw socket sends the same packet again and again through OUTPUT and over a cable. With COPIES copies of a rule and
 * without, in turns; the difference divided by COPIES is the cost of a rule. Each round measures all rules one after the
 * other, the best round of each counts: noise only adds. Goal: at most a third of string bm.
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

const ROUNDS = Number(process.argv[2] ?? 12);
const COPIES = 40;
const SHOTS = 1500;
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
    rope('bittorrent'),
    rope('gnutella'),
    rope('contlen'),
    { name: 'string --algo bm, the handshake', iptables: ['-m', 'string', '--algo', 'bm', '--hex-string', HANDSHAKE] },
    { name: 'string --algo kmp, the handshake', iptables: ['-m', 'string', '--algo', 'kmp', '--hex-string', HANDSHAKE] },
    { name: 'u32, the handshake at its place', iptables: ['-m', 'u32', '--u32', u32] },
    { name: 'nft raw payload, the handshake at its place', nft: `@ih,0,128 0x${hex.slice(0, 32)} @ih,128,32 0x${hex.slice(32)} counter` },
  ];
}

function install(host: LabHost, rule: Rule | null): string | null {
  host.must('iptables', ['-w', '-F', 'OUTPUT']);
  host.run('nft', ['delete', 'table', 'ip', 'bench']);
  if (rule?.iptables) {
    // iptables-restore takes words as a shell would: quote what has blanks.
    const line = rule.iptables.map((word) => (/[ |&]/.test(word) ? `"${word}"` : word)).join(' ');
    const result = host.run('iptables-restore', ['-w', '-n'], `*filter\n${`-A OUTPUT ${line}\n`.repeat(COPIES)}COMMIT\n`);
    return result.status === 0 ? null : result.stderr.trim().split('\n')[0] ?? 'refused';
  }
  if (rule?.nft) {
    const text = `table ip bench {\n chain out {\n type filter hook output priority 0;\n${` ${rule.nft}\n`.repeat(COPIES)} }\n}\n`;
    const result = host.run('nft', ['-f', '-'], text);
    return result.status === 0 ? null : result.stderr.trim().split('\n')[0] ?? 'refused';
  }
  return null;
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
    const gun = from.startWorker(new URL('./support/packet-gun.js', import.meta.url));
    await once(gun, 'message');
    const fire = async (packet: Uint8Array): Promise<number> => {
      gun.postMessage({ packet, count: SHOTS } satisfies Shots);
      const [ns] = (await once(gun, 'message')) as [number];
      return ns;
    };
    const payload = Uint8Array.from({ length: PACKET_BYTES - 40 }, (_, i) => (i * 7919 + (i >> 3) * 31 + 13) & 255);
    const between = { src: '10.78.0.1', dst: '10.78.0.2', srcPort: 51413, dstPort: 6881 };
    for (const [kind, packet] of [
      ['TCP', buildTcp({ ...between, flags: TCP_ACK, seq: 1, ack: 1, payload })],
      ['UDP', buildUdp({ ...between, payload: payload.subarray(0, PACKET_BYTES - 28) })],
    ] as const) {
      await measure(from, kind, packet, rules(cli), fire);
    }
  } finally {
    lab.close();
    cli.close();
  }
}

async function measure(host: LabHost, kind: string, packet: Uint8Array, all: readonly Rule[], fire: (packet: Uint8Array) => Promise<number>): Promise<void> {
  const best = new Map<string, number>();
  const refused = new Map<string, string>();
  let without = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    install(host, null);
    without = Math.min(without, await fire(packet));
    for (const rule of all) {
      const problem = install(host, rule);
      if (problem !== null) refused.set(rule.name, problem);
      else best.set(rule.name, Math.min(best.get(rule.name) ?? Number.POSITIVE_INFINITY, await fire(packet)));
    }
  }
  const cost = (name: string): number => ((best.get(name) ?? Number.NaN) - without) / COPIES;
  const reference = cost('string --algo bm, the handshake');
  process.stdout.write(`\n${kind} packet of ${packet.length} bytes that matches nothing; ${Math.round(without)} ns to send it without rules\n`);
  const rows = all.map(({ name }) => {
    const problem = refused.get(name);
    return problem === undefined ? [name, cost(name).toFixed(0), `${(cost(name) / reference).toFixed(2)}`] : [name, '-', problem];
  });
  process.stdout.write(`${tableText([{ title: 'one rule' }, { title: 'ns/packet', align: 'right' }, { title: 'of string bm', align: 'right' }], rows, null)}\n`);
  const ratio = cost('rope/bittorrent (eBPF)') / reference;
  process.stdout.write(`rope/bittorrent costs ${ratio.toFixed(2)} of string bm (goal: at most 0.33)\n`);
}

await main();
