/** Prometheus metrics on a local address. Values are read when asked for: the packet path only counts. */
import { type Server, createServer } from 'node:http';
import { Gauge, Counter, Registry } from 'prom-client';
import { LATENCY_BOUNDS_S } from './packet-path.js';
import type { Status } from '../control/protocol.js';
import type { InspectionCounters } from './inspection-news.js';

/** Where the numbers come from. */
export interface MetricsSource {
  status(): Status;
  counters(): InspectionCounters;
}

function counter(registry: Registry, name: string, help: string, labelNames: string[], read: (set: (labels: Record<string, string>, value: number) => void) => void): void {
  new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      read((labels, value) => this.inc(labels, value));
    },
  });
}

function registry(source: MetricsSource): Registry {
  const status = (): Status => source.status();
  const made = new Registry();
  counter(made, 'p2pwall_packets_total', 'Packets that were inspected', [], (set) => set({}, source.counters().packets));
  counter(made, 'p2pwall_bytes_total', 'Bytes of packets that were inspected', [], (set) => set({}, source.counters().bytes));
  counter(made, 'p2pwall_flows_total', 'Flows settled, by protocol and outcome', ['protocol', 'outcome'], (set) => {
    for (const { protocol, outcome, count } of source.counters().settled) set({ protocol, outcome }, count);
  });
  counter(made, 'p2pwall_queue_drops_total', 'Packets that the kernel could not queue: passed in mode open, dropped in mode closed', ['cause'], (set) => {
    const { overflowed, undelivered } = status().queue;
    set({ cause: 'queue-full' }, overflowed);
    set({ cause: 'buffer-full' }, undelivered);
  });
  counter(made, 'p2pwall_troubles_total', 'Packets and flows under the exception policy', ['reason'], (set) => {
    for (const [reason, count] of Object.entries(status().troubles)) set({ reason }, count);
  });
  counter(made, 'p2pwall_events_lost_total', 'Events that could not be written', [], (set) => set({}, status().events.lost));
  counter(made, 'p2pwall_rules_restored_total', 'Times that our rules were gone and put back', [], (set) => set({}, status().restored));
  new Gauge({ name: 'p2pwall_flows', help: 'Flows in the table', registers: [made], collect() { this.set(status().flows); } });
  new Gauge({ name: 'p2pwall_contained_peers', help: 'Pairs of client and peer in the kernel set', registers: [made], collect() { this.set(status().contained_peers); } });
  return made;
}

/** The histogram in text form: it is counted in the packet path, for each batch at once, as prom-client's cannot be. */
function latencyText({ latency, latencySumS }: Pick<InspectionCounters, 'latency' | 'latencySumS'>): string {
  const name = 'p2pwall_batch_seconds';
  const lines = [`# HELP ${name} Time from reading a batch of packets to its verdicts, for each packet`, `# TYPE ${name} histogram`];
  let count = 0;
  for (const [i, bound] of LATENCY_BOUNDS_S.entries()) {
    count += latency[i] ?? 0;
    lines.push(`${name}_bucket{le="${bound}"} ${count}`);
  }
  count += latency[LATENCY_BOUNDS_S.length] ?? 0;
  lines.push(`${name}_bucket{le="+Inf"} ${count}`, `${name}_sum ${latencySumS}`, `${name}_count ${count}`, '');
  return lines.join('\n');
}

/** Serves `/metrics` on `address:port`. */
export async function serveMetrics(listen: string, source: MetricsSource): Promise<Server> {
  const at = listen.lastIndexOf(':');
  const host = listen.slice(0, at).replace(/^\[|\]$/g, '');
  const all = registry(source);
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end('see /metrics\n');
      return;
    }
    all.metrics().then(
      (text) => response.writeHead(200, { 'content-type': all.contentType }).end(`${text}${latencyText(source.counters())}`),
      (error: Error) => response.writeHead(500).end(`${error.message}\n`),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(listen.slice(at + 1)), host, resolve);
  });
  return server;
}
