/**
 * One program across the wall under one action: what must be true of it. Used by the tables of cases in
 * test/live/programs*.test.ts. Everyday traffic goes on beside every case and is compared byte for byte.
 */
import type { TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import type { Exchange } from '../../../src/lab/exchange.js';
import { Gateway, eventually, pause } from '../../../src/lab/gateway-lab.js';
import { WireCounter } from '../../../src/lab/wire-count.js';

export type Action = 'allow' | 'limit' | 'prioritise' | 'drop' | 'reject' | 'drop, discovery seen' | 'reject, discovery seen';

export interface WallCase {
  readonly name: string;
  /** What it must be identified as. */
  readonly protocol: string;
  /** What else the program may speak. */
  readonly alsoSpeaks?: readonly string[];
  readonly masquerade?: boolean;
  readonly ipVersion?: 4 | 6;
  readonly actions: readonly Action[];
  /** Until it is whole when nothing holds it back. */
  readonly wholeWithinSeconds: number;
  /** Of the file that is to come whole, for programs that are slow by themselves; default 2 MiB. */
  readonly wholeBytes?: number;
  /** The limit to try, for programs that are slow by themselves; default 1 Mbit/s. */
  readonly limitBitsPerSecond?: number;
  /** Outside networks that only help programs find each other. */
  readonly discoveryNetworks?: readonly string[];
  /** Starts everything; `lengthBytes`: of the file to exchange. */
  start(gate: Gateway, lengthBytes: number): Promise<Exchange>;
}

/** How long blocked programs may try to come back. */
export const BLOCKED_SECONDS = 150;
const MIB = 1 << 20;
const EVERYDAY_PAUSE_MS = 1500;
/** CS1, what priority "low" sets. */
const DSCP_LOW = 8;
/** Low, so that the file lasts: labs that start meanwhile can hold this process up for many seconds. */
const LIMIT_BITS = 1_000_000;
const LIMITED_FILE_SECONDS = 96;
const MEASURE_MS = 10_000;
/** A class may send so many bits at once after it was idle: a window is long enough that they are a tenth of it. */
const BURST_BITS = 32_768 * 8;
const MEASURE_WINDOWS = 3;
/** Labs that start at the same time: each start costs a second of a core. */
const STARTS_AT_ONCE = 3;

let starting = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (starting >= STARTS_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else starting++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else starting--;
  }
}

interface Stage {
  readonly gate: Gateway;
  readonly exchange: Exchange;
  readonly atClient: WireCounter;
  readonly atServer: WireCounter;
  readonly unharmed: () => Promise<void>;
}

async function stage(t: TestContext, it: WallCase, rules: string, lengthBytes: number): Promise<Stage> {
  return inTurn(async () => {
    const gate = new Gateway('p2pw-prog', { masquerade: it.masquerade ?? false });
    t.after(() => gate.close());
    const [atClient, atServer] = [gate.net.client, gate.net.server].map((host) => new WireCounter(host, DSCP_LOW)) as [WireCounter, WireCounter];
    await gate.up(rules);
    const report = await gate.ordinaryTraffic(it.ipVersion ?? 4, EVERYDAY_PAUSE_MS);
    const exchange = await it.start(gate, lengthBytes);
    const unharmed = async (): Promise<void> => {
      const { exchanges, mismatches } = await report();
      assert.deepEqual(mismatches, [], 'everyday traffic arrives byte for byte');
      for (const name of ['http', 'tls', 'ssh', 'dns', 'quic']) assert.ok((exchanges[name] ?? 0) > 0, `${name} went on`);
    };
    return { gate, exchange, atClient, atServer, unharmed };
  });
}

interface P2pEvent {
  readonly proto: string;
  readonly p2p: { readonly protocol: string; readonly feature: string; readonly confidence: string; readonly packet: number };
}

/** What the wall called the flows: nothing but what the program speaks. Returns each feature with the packets at which it was named. */
function identified(gate: Gateway, it: WallCase): string {
  const events = gate.events('p2p') as unknown as P2pEvent[];
  const own = events.filter(({ p2p }) => p2p.protocol === it.protocol);
  assert.ok(own.length > 0, `identified as ${it.protocol}: ${JSON.stringify(events.slice(0, 5))} ${gate.daemonWords.slice(-500)}`);
  const others = events.filter(({ p2p }) => p2p.protocol !== it.protocol && !(it.alsoSpeaks ?? []).includes(p2p.protocol));
  assert.deepEqual(others.map(({ p2p }) => `${p2p.protocol}/${p2p.feature}`), [], 'nothing else was named');
  const packets = new Map<string, number[]>();
  for (const { p2p } of own) packets.set(p2p.feature, [...(packets.get(p2p.feature) ?? []), p2p.packet]);
  return [...packets].map(([feature, at]) => `${feature} ${Math.min(...at)}${Math.max(...at) > Math.min(...at) ? `-${Math.max(...at)}` : ''}`).join(', ');
}

/** One row of the table in docs/programs.md, when P2PWALL_SHEET names a file for it. */
function note(it: WallCase, action: Action, features: string, outcome: string): void {
  const file = process.env.P2PWALL_SHEET;
  if (file !== undefined && file !== '') appendFileSync(file, `${JSON.stringify({ name: it.name, action, protocol: it.protocol, features, outcome })}\n`);
}

const rule = (action: string, it: WallCase): string => `[[rule]]\nname = "the rule"\nprotocol = ["${it.protocol}"]\n${action}\n`;

async function allowed(t: TestContext, it: WallCase): Promise<void> {
  const { gate, exchange, unharmed } = await stage(t, it, rule('action = "allow"', it), it.wholeBytes ?? 2 * MIB);
  const startedMs = performance.now();
  await eventually(`whole (${gate.daemonWords.slice(-300)})`, it.wholeWithinSeconds, () => (exchange.isWhole() ? true : null));
  const seconds = (performance.now() - startedMs) / 1000;
  await pause(1000);
  await unharmed();
  note(it, 'allow', identified(gate, it), `whole after ${seconds.toFixed(0)} s, hash right`);
  assert.equal(await gate.end(), 0);
  assert.doesNotMatch(gate.router.must('iptables-save') + gate.router.must('ip6tables-save') + gate.router.must('ipset', ['list', '-n']), /p2pwall/i);
}

async function prioritised(t: TestContext, it: WallCase): Promise<void> {
  const { gate, exchange, atClient, atServer, unharmed } = await stage(t, it, rule('action = "prioritise"\npriority = "low"', it), it.wholeBytes ?? 2 * MIB);
  await eventually('whole', it.wholeWithinSeconds, () => (exchange.isWhole() ? true : null));
  await unharmed();
  const [down, up] = [atClient.read(), atServer.read()];
  // What passed before a flow was named had none, nor have conversations of a few packets.
  const share = (down.markedBytes + up.markedBytes) / (down.bytes + up.bytes);
  note(it, 'prioritise', identified(gate, it), `DSCP ${DSCP_LOW} on ${Math.floor(100 * share)} % of the bytes`);
  assert.ok(share > 0.75 && down.markedBytes > 0 && up.markedBytes > 0, `${JSON.stringify(down)} ${JSON.stringify(up)}`);
}

async function limited(t: TestContext, it: WallCase): Promise<void> {
  const limit = it.limitBitsPerSecond ?? LIMIT_BITS;
  const { gate, atClient, atServer, unharmed } = await stage(t, it, rule(`action = "limit"\nrate = "${limit / 1000}kbit"`, it), (limit / 8) * LIMITED_FILE_SECONDS);
  // The first window may show a machine too busy to fill the limit; more than the limit is never right.
  const bytes = (): number => Math.max(atClient.read().bytes, atServer.read().bytes);
  await eventually('data flows', it.wholeWithinSeconds, () => (bytes() > (limit / 8) * 1.5 ? true : null));
  // What passed before the wall knew, and the class's burst, are over soon.
  await pause(4000);
  const windowMs = Math.max(MEASURE_MS, (10_000 * BURST_BITS) / limit);
  let rate = 0;
  for (let window = 0; window < MEASURE_WINDOWS && rate < 0.85 * limit; window++) {
    const [startBytes, startMs] = [bytes(), performance.now()];
    await pause(windowMs);
    rate = ((bytes() - startBytes) * 8000) / (performance.now() - startMs);
  }
  await unharmed();
  note(it, 'limit', identified(gate, it), `${(rate / 1e6).toFixed(2)} of ${limit / 1e6} Mbit/s`);
  assert.ok(Math.abs(rate / limit - 1) < 0.15, `${rate} bit/s of ${limit}`);
}

async function blocked(t: TestContext, it: WallCase, action: Action): Promise<void> {
  const [verb] = action.split(',') as ['drop' | 'reject'];
  const isSeen = action !== verb;
  const exception = isSeen ? `[[rule]]\nname = "discovery"\noutside = ${JSON.stringify(it.discoveryNetworks ?? [])}\naction = "allow"\n` : '';
  const { gate, exchange, atClient, atServer, unharmed } = await stage(t, it, `${exception}${rule(`action = "${verb}"`, it)}`, 2 * MIB);
  const startedMs = performance.now();
  for (let seconds = 0; seconds < BLOCKED_SECONDS; seconds = (performance.now() - startedMs) / 1000) {
    await pause(2000);
    const bytes = exchange.payloadBytes();
    if (bytes === 0) continue;
    note(it, action, identified(gate, it), `FAILED: ${bytes} bytes of payload after ${seconds.toFixed(0)} s`);
    assert.fail(`${bytes} bytes of payload came through after ${seconds.toFixed(0)} s: ${JSON.stringify(gate.events('p2p')).slice(0, 3000)}`);
  }
  await unharmed();
  assert.ok(gate.events('block').length > 0, 'it tried, and was blocked');
  if (isSeen) assert.ok(gate.events('p2p').some((event) => (event.verdict as { rule: string | null }).rule === 'discovery'), 'discovery was seen in clear');
  note(it, action, identified(gate, it), `no payload; ${atClient.read().bytes} bytes in, ${atServer.read().bytes} out`);
}

/** Runs one case under one action. */
export async function runCase(t: TestContext, it: WallCase, action: Action): Promise<void> {
  switch (action) {
    case 'allow':
      return allowed(t, it);
    case 'prioritise':
      return prioritised(t, it);
    case 'limit':
      return limited(t, it);
    default:
      return blocked(t, it, action);
  }
}

/** All cases of a table side by side. P2PWALL_CASES: a regular expression for "name: action" picks some. */
export async function runTable(t: TestContext, cases: readonly WallCase[]): Promise<void> {
  const wanted = new RegExp(process.env.P2PWALL_CASES ?? '');
  const all = cases.flatMap((it) => it.actions.map((action) => ({ it, action, title: `${it.name}: ${action}` })));
  await Promise.all(all.filter(({ title }) => wanted.test(title)).map(({ it, action, title }) => t.test(title, (s) => runCase(s, it, action))));
}
