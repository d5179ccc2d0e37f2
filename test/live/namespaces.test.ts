/**
 * The namespace lab itself. Needs root. Safe: everything happens in namespaces
 * that the test made; teardown is part of what is tested.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { once } from 'node:events';
import { labUnavailable, openRoutedLab } from '../../src/lab/namespaces.js';

const reason = labUnavailable();
const worker = new URL('./support/echo-peer.js', import.meta.url);

test('client and server talk through the router, in both families, and nothing is left', { skip: reason ?? false }, async () => {
  const started = performance.now();
  const net = openRoutedLab('p2pw-lab');
  const path = net.router.path;
  try {
    assert.ok(performance.now() - started < 5000, 'a lab is ready soon');
    for (const address of ['10.77.2.2', 'fd77:2::2']) {
      const server = net.server.startWorker(worker, { listen: { host: address, port: 7000 } });
      await once(server, 'message');
      const client = net.client.startWorker(worker, { connect: { host: address, port: 7000 }, say: 'hello' });
      const [answer] = (await once(client, 'message')) as [string];
      assert.equal(answer, 'hello');
    }
    assert.match(net.router.must('cat', ['/proc/sys/net/ipv4/ip_forward']), /^1/);
    assert.equal(net.client.run('false').status, 1);
  } finally {
    net.close();
    net.close();
  }
  assert.equal(existsSync(path), false);
});

test('masquerading hides the client', { skip: reason ?? false }, async () => {
  const net = openRoutedLab('p2pw-lab', { masquerade: true });
  try {
    const server = net.server.startWorker(worker, { listen: { host: '10.77.2.2', port: 7000 } });
    await once(server, 'message');
    const seen = once(server, 'message') as Promise<[string]>;
    const client = net.client.startWorker(worker, { connect: { host: '10.77.2.2', port: 7000 }, say: 'hello' });
    await once(client, 'message');
    assert.deepEqual(await seen, ['accepted 10.77.2.1']);
  } finally {
    net.close();
  }
});

test('a killed process leaves namespaces, the next lab of that prefix removes them', { skip: reason ?? false }, () => {
  const url = new URL('../../src/lab/namespaces.js', import.meta.url).href;
  const script = `
    const { openLab } = await import(${JSON.stringify(url)});
    const lab = openLab('p2pw-labkill');
    lab.addHost('a').spawn('sleep', ['60'], { stdio: 'ignore' });
    process.kill(process.pid, 'SIGKILL');`;
  const left = (): string[] => readdirSync('/run/netns').filter((name) => name.startsWith('p2pw-labkill-'));
  spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(left().length, 1);
  spawnSync(process.execPath, ['--input-type=module', '-e', script.replace("'SIGKILL'", "'SIGTERM'")]);
  assert.equal(left().length, 0, 'SIGTERM tidies up, and the start before swept the killed one');
});
