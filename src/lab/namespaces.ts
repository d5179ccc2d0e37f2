/**
 * Network namespaces for live tests, the demo and the benchmarks: hosts, cables
 * between them, addresses, routes, forwarding and masquerading, and programs or
 * Workers inside. Nothing outside the namespaces is ever touched.
 *
 * Everything is taken down by `close()`, at the latest when the process exits or
 * gets SIGINT, SIGTERM or SIGHUP. What a SIGKILL leaves is removed when the next lab with the same
 * prefix starts: names carry the process id, and those of dead processes are swept.
 *
 * Safety: only processes inside namespaces of this lab are ended, by their id.
 * Needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN) and the tools ip and iptables.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { namespacePath } from '../kernel/netns.js';

const NAMESPACE_FOLDER = '/run/netns';

/** Why a lab cannot be made here, for `t.skip(...)`; null when it can. */
export function labUnavailable(): string | null {
  if (process.getuid?.() !== 0) return 'needs root for network namespaces';
  const probe = spawnSync('ip', ['-V']);
  if (probe.error) return 'needs the program ip (Debian package iproute2)';
  return null;
}

export interface RunResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One end of a cable. */
export interface CableEnd {
  readonly host: LabHost;
  /** Interface name inside the host, at most 15 characters. */
  readonly name: string;
  /** `10.0.0.1/24`, `fd00::1/64`. IPv6 addresses are usable at once (no duplicate detection). */
  readonly addresses?: readonly string[];
}

function mustRun(command: string, args: readonly string[], input?: string): string {
  const result = spawnSync(command, args, { encoding: 'utf8', ...(input === undefined ? {} : { input }) });
  if (result.error) throw new Error(`lab: cannot start ${command}: ${result.error.message}`);
  if (result.status !== 0) {
    throw new Error(`lab: ${command} ${args.join(' ')}${input ? ` <<< ${input}` : ''}: ${result.stderr.trim()}`);
  }
  return result.stdout;
}

/** One host: a network namespace with its programs and Workers. */
export class LabHost {
  readonly namespace: string;
  private readonly children = new Set<ChildProcess>();
  private readonly workers = new Set<Worker>();

  /** Use `Lab.addHost`. */
  constructor(namespace: string) {
    this.namespace = namespace;
  }

  /** Path for `setns`, `nsenter --net=` and the like. */
  get path(): string {
    return namespacePath(this.namespace);
  }

  /** Runs `ip` commands of this host in one process, one command for each line: `route add default via 10.0.0.1`. */
  ip(...commands: string[]): void {
    mustRun('ip', ['-n', this.namespace, '-batch', '-'], commands.map((line) => `${line}\n`).join(''));
  }

  /** Runs a program to its end. Never throws for a failing program: look at `status`. */
  run(command: string, args: readonly string[] = [], input?: string): RunResult {
    const result = spawnSync('ip', ['netns', 'exec', this.namespace, command, ...args], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      ...(input === undefined ? {} : { input }),
    });
    return { status: result.status ?? 255, stdout: result.stdout ?? '', stderr: result.stderr ?? '' };
  }

  /** As `run`, and throws with the program's own words when it fails. Returns its standard output. */
  must(command: string, args: readonly string[] = [], input?: string): string {
    const result = this.run(command, args, input);
    if (result.status !== 0) throw new Error(`lab: ${this.namespace}: ${command} ${args.join(' ')}: ${result.stderr || result.stdout}`);
    return result.stdout;
  }

  /** Starts a program that ends with the lab at the latest. */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.namespace, command, ...args], { stdio: 'pipe', ...options });
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    return child;
  }

  /**
   * Starts a Worker inside this host. `module` (file URL) has a default export
   * `(data, port) => void | Promise<void>`, called after the namespace was entered: every
   * socket it opens belongs to this host. `port` is the Worker's parentPort.
   */
  startWorker(module: URL, data: unknown = null): Worker {
    const worker = new Worker(new URL('./namespace-worker.js', import.meta.url), {
      workerData: { namespacePath: this.path, module: module.href, data },
    });
    this.workers.add(worker);
    worker.once('exit', () => this.workers.delete(worker));
    return worker;
  }

  sysctl(...settings: string[]): void {
    this.must('sysctl', ['-qw', ...settings]);
  }

  /** Forwards IPv4 and IPv6 packets between its interfaces. */
  forward(): void {
    this.sysctl('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  }

  /** Activates connection tracking, which stays asleep in a fresh namespace until a rule asks for it. */
  trackConnections(): void {
    for (const tool of ['iptables', 'ip6tables']) this.must(tool, ['-w', '-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT']);
    this.sysctl('net.netfilter.nf_conntrack_acct=1', 'net.netfilter.nf_conntrack_timestamp=1');
  }

  /** Masquerades what leaves by `interfaceName`; IPv4, and IPv6 on request. */
  masquerade(interfaceName: string, ipv6 = false): void {
    for (const tool of ipv6 ? ['iptables', 'ip6tables'] : ['iptables']) {
      this.must(tool, ['-w', '-t', 'nat', '-A', 'POSTROUTING', '-o', interfaceName, '-j', 'MASQUERADE']);
    }
  }

  /** Ends everything that runs in this host and removes its namespace. Synchronous: also used when the process exits. */
  destroy(): void {
    for (const worker of this.workers) void worker.terminate();
    removeNamespace(this.namespace);
  }
}

function removeNamespace(name: string): void {
  const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? '';
  for (const pid of pids.split('\n').map(Number)) {
    // Our own Workers count as this process.
    if (pid <= 0 || pid === process.pid) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  if (existsSync(namespacePath(name))) mustRun('ip', ['netns', 'del', name]);
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Namespaces of processes that were killed before they could tidy up. */
function sweepDead(prefix: string): void {
  if (!existsSync(NAMESPACE_FOLDER)) return;
  for (const name of readdirSync(NAMESPACE_FOLDER)) {
    const pid = name.startsWith(`${prefix}-`) ? /^([0-9]+)-/.exec(name.slice(prefix.length + 1))?.[1] : undefined;
    if (pid !== undefined && !isAlive(Number(pid))) removeNamespace(name);
  }
}

const openLabs = new Set<Lab>();
let labCounter = 0;
let signalsWatched = false;

function watchEnd(): void {
  if (signalsWatched) return;
  signalsWatched = true;
  const closeAll = (): void => {
    for (const lab of [...openLabs]) lab.close();
  };
  process.on('exit', closeAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      closeAll();
      process.kill(process.pid, signal);
    });
  }
}

/** A set of hosts that live and die together. */
export class Lab {
  private readonly prefix: string;
  private readonly hosts: LabHost[] = [];

  /** Use `openLab`. */
  constructor(prefix: string) {
    this.prefix = `${prefix}-${process.pid}-${labCounter++}`;
  }

  /** A new host, loopback up, without cables. */
  addHost(name: string): LabHost {
    const host = new LabHost(`${this.prefix}-${name}`);
    mustRun('ip', ['netns', 'add', host.namespace]);
    this.hosts.push(host);
    host.ip('link set lo up');
    // Link-local addresses usable at once: duplicate detection would hold up neighbour discovery for about two seconds.
    host.sysctl('net.ipv6.conf.default.accept_dad=0', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.router_solicitations=0');
    return host;
  }

  /** A cable (veth pair) between two hosts, both ends up and with their addresses. */
  connect(left: CableEnd, right: CableEnd): void {
    left.host.ip(`link add ${left.name} type veth peer name ${right.name} netns ${right.host.namespace}`);
    for (const end of [left, right]) {
      end.host.ip(
        ...(end.addresses ?? []).map((address) => `addr add ${address} dev ${end.name}${address.includes(':') ? ' nodad' : ''}`),
        `link set ${end.name} up`,
      );
    }
  }

  /** Takes everything down; safe to call twice. */
  close(): void {
    openLabs.delete(this);
    for (const host of this.hosts.splice(0)) host.destroy();
  }
}

/** An empty lab. `prefix` names the user, e.g. `p2pw-cut`; parallel processes and labs do not collide. */
export function openLab(prefix: string): Lab {
  sweepDead(prefix);
  const lab = new Lab(prefix);
  openLabs.add(lab);
  watchEnd();
  return lab;
}

/** client - router - server: what most live tests need. */
export interface RoutedLab {
  readonly lab: Lab;
  /** 10.77.1.2, fd77:1::2 on eth0; default route by the router. */
  readonly client: LabHost;
  /** 10.77.1.1, fd77:1::1 on `inside`; 10.77.2.1, fd77:2::1 on `outside`. Forwards and tracks connections. */
  readonly router: LabHost;
  /** 10.77.2.2, fd77:2::2 on eth0; default route by the router. */
  readonly server: LabHost;
  close(): void;
}

export interface RoutedLabOptions {
  /** Masquerade what the client sends (IPv4 and IPv6). Default false. */
  readonly masquerade?: boolean;
  /** Let the router track connections. Default true. */
  readonly conntrack?: boolean;
}

export function openRoutedLab(prefix: string, options: RoutedLabOptions = {}): RoutedLab {
  const lab = openLab(prefix);
  try {
    const client = lab.addHost('client');
    const router = lab.addHost('router');
    const server = lab.addHost('server');
    lab.connect(
      { host: client, name: 'eth0', addresses: ['10.77.1.2/24', 'fd77:1::2/64'] },
      { host: router, name: 'inside', addresses: ['10.77.1.1/24', 'fd77:1::1/64'] },
    );
    lab.connect(
      { host: router, name: 'outside', addresses: ['10.77.2.1/24', 'fd77:2::1/64'] },
      { host: server, name: 'eth0', addresses: ['10.77.2.2/24', 'fd77:2::2/64'] },
    );
    router.forward();
    client.ip('route add default via 10.77.1.1', 'route add ::/0 via fd77:1::1');
    server.ip('route add default via 10.77.2.1', 'route add ::/0 via fd77:2::1');
    if (options.conntrack !== false) router.trackConnections();
    if (options.masquerade) router.masquerade('outside', true);
    return { lab, client, router, server, close: () => lab.close() };
  } catch (error) {
    lab.close();
    throw error;
  }
}
