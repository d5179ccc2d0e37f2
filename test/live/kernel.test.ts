/**
 * The kernel adapters against the running kernel: NFQUEUE, conntrack, raw and packet
 * sockets. Needs root. Safe: all traffic and all rules are in namespaces that the test made.
 */
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { type RoutedLab, type RoutedLabOptions, labUnavailable, openRoutedLab } from '../../src/lab/namespaces.js';
import type { ConntrackReport } from './support/conntrack-reader.js';

const reason = labUnavailable();
const support = (name: string): URL => new URL(`./support/${name}.js`, import.meta.url);
const SERVER = { 4: '10.77.2.2', 6: 'fd77:2::2' } as const;
interface EventCounts {
  readonly new: number;
  readonly destroy: number;
  readonly destroyedBytes: number;
  readonly overruns: number;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function lab(t: TestContext, options: RoutedLabOptions = {}): RoutedLab {
  const net = openRoutedLab('p2pw-kernel', options);
  t.after(() => net.close());
  return net;
}

async function started(worker: Worker): Promise<Worker> {
  const [first] = await once(worker, 'message');
  assert.equal(first, 'ready');
  return worker;
}

/** Collects the text messages of a worker. */
function collected(worker: Worker): string[] {
  const out: string[] = [];
  worker.on('message', (message: string) => out.push(message));
  return out;
}

async function ask<T>(worker: Worker, request: string): Promise<T> {
  worker.postMessage(request);
  const [answer] = (await once(worker, 'message')) as [T];
  return answer;
}

async function peers(net: RoutedLab, version: 4 | 6): Promise<Worker> {
  const host = version === 4 ? '0.0.0.0' : '::';
  await started(net.server.startWorker(support('udp-peer'), { host, echo: 7000 }));
  return started(net.client.startWorker(support('udp-peer'), { host, to: { host: SERVER[version], port: 7000 } }));
}

for (const version of [4, 6] as const) {
  test(`queued IPv${version} packets are accepted, dropped and marked as told`, { skip: reason ?? false }, async (t) => {
    const net = lab(t);
    const tables = version === 4 ? 'iptables' : 'ip6tables';
    net.router.must(tables, ['-t', 'mangle', '-A', 'FORWARD', '-p', 'udp', '--dport', '7000', '-j', 'NFQUEUE', '--queue-num', '5']);
    // The mark is seen at the next hook, and kept for the connection there.
    net.router.must(tables, ['-t', 'mangle', '-A', 'POSTROUTING', '-m', 'mark', '--mark', '0x80000000/0x80000000', '-j', 'CONNMARK', '--save-mark']);
    const reader = await started(net.router.startWorker(support('queue-reader'), { queues: [4, 5] }));
    const client = await peers(net, version);
    const queued = collected(reader);
    const answers = collected(client);
    client.postMessage('accept');
    // Until the first packet has passed, each further one has a conntrack entry of its own, and only one of them survives.
    await once(client, 'message');
    for (const text of ['drop', 'mark', 'again']) client.postMessage(text);
    for (let i = 0; i < 100 && answers.length < 3; i++) await pause(20);
    await pause(50);
    assert.deepEqual(answers, ['accept', 'mark', 'again']);
    const header = version === 4 ? 28 : 48;
    assert.deepEqual(queued, ['accept', 'drop', 'mark', 'again'].map((text) => `5 2 ${header + text.length} ${text}`));
    assert.match(net.router.must('conntrack', ['-L', '-f', `ipv${version}`]), /mark=2147483648/);
  });
}

test('a second reader of a queue is told that it is busy', { skip: reason ?? false }, async (t) => {
  const net = lab(t);
  await started(net.router.startWorker(support('queue-reader'), { queues: [7] }));
  const second = net.router.startWorker(support('queue-reader'), { queues: [6, 7] });
  const [answer] = await once(second, 'message');
  assert.equal(answer, 'ERR_QUEUE_BUSY');
});

test('when the reader is gone, --queue-bypass lets traffic pass', { skip: reason ?? false }, async (t) => {
  const net = lab(t);
  net.router.must('iptables', ['-A', 'FORWARD', '-p', 'udp', '-j', 'NFQUEUE', '--queue-num', '5', '--queue-bypass']);
  // A process of its own: descriptors outlive a Worker.
  const script = `import main from ${JSON.stringify(support('queue-reader').href)};
    main({ queues: [5] }, { postMessage: (text) => process.stdout.write(text), on() {}, close() {} });`;
  const reader = net.router.spawn(process.execPath, ['--input-type=module', '-e', script]);
  assert.ok(reader.stdout);
  assert.equal(String((await once(reader.stdout, 'data'))[0]), 'ready');
  const client = await peers(net, 4);
  const answers = collected(client);
  client.postMessage('drop 1');
  await pause(100);
  assert.deepEqual(answers, []);
  reader.kill('SIGKILL');
  await once(reader, 'exit');
  client.postMessage('drop 2');
  for (let i = 0; i < 50 && answers.length === 0; i++) await pause(20);
  assert.deepEqual(answers, ['drop 2']);
});

test('the statistics of a queue count what waits', { skip: reason ?? false }, async (t) => {
  const net = lab(t);
  const reader = await started(net.router.startWorker(support('queue-reader'), { queues: [5] }));
  const [line, ...others] = await ask<{ queue: number; waiting: number }[]>(reader, 'statistics');
  assert.deepEqual([line?.queue, line?.waiting, others.length], [5, 0, 0]);
});

test('10,000 connections: dumped fast, every event seen, all marked and deleted', { skip: reason ?? false }, async (t) => {
  const net = lab(t);
  const reader = await started(net.router.startWorker(support('conntrack-reader')));
  const total = 10_000;
  await once(net.client.startWorker(support('udp-flood'), { host: SERVER[4], ports: total }), 'message');
  const report = await ask<ConntrackReport>(reader, 'dump');
  t.diagnostic(`${report.entries} entries: dump ${report.ms.toFixed(0)} ms, in turns ${report.turnsMs.toFixed(0)} ms, longest wait of a timer ${report.longestTurnMs.toFixed(0)} ms`);
  assert.ok(report.entries >= total, `${report.entries} entries`);
  assert.ok(report.ms < 3000, `${report.ms} ms`);
  assert.ok(report.longestTurnMs < 500, `${report.longestTurnMs} ms`);
  assert.equal(report.first?.protocol, 17);
  const marked = await ask<{ done: number; gone: number }>(reader, 'mark');
  assert.ok(marked.done >= total);
  const deleted = await ask<{ done: number; gone: number }>(reader, 'delete');
  assert.ok(deleted.done >= total);
  const seen = (): Promise<EventCounts> => ask<EventCounts>(reader, 'events');
  let events = await seen();
  for (let i = 0; i < 100 && events.destroy < total; i++) {
    await pause(50);
    events = await seen();
  }
  assert.deepEqual([events.overruns, events.new >= total, events.destroy >= total], [0, true, true]);
  assert.ok(events.destroyedBytes >= total * 29, 'counters come with the end of a connection');
});

test('forged packets: by routing with a raw socket, and below it with a packet socket, seen by a filter', { skip: reason ?? false }, async (t) => {
  const net = lab(t);
  const receiver = await started(net.server.startWorker(support('packet-peer'), { listen: true }));
  const seen = collected(receiver);
  const sender = await started(net.router.startWorker(support('packet-peer'), {}));
  for (const version of [4, 6]) for (const how of ['raw', 'link']) sender.postMessage({ version, how });
  for (let i = 0; i < 100 && seen.length < 4; i++) await pause(20);
  assert.deepEqual(seen.sort(), [
    '10.77.1.2 > 10.77.2.2 link',
    '10.77.1.2 > 10.77.2.2 raw!',
    'fd77:1::2 > fd77:2::2 link',
    'fd77:1::2 > fd77:2::2 raw!',
  ]);
});
