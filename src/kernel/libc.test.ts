import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { u16, u32le } from '../base/bytes.js';
import { libc } from './libc.js';
import { SystemError, check } from './system-error.js';
import { EAFNOSUPPORT, errnoName } from './errno.js';

const AF_INET = 2;
const SOCK_DGRAM_NONBLOCK = 2 | 0o4000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;

function udpSocketOnLoopback(): { fd: number; address: Uint8Array } {
  const c = libc();
  const fd = check(c.socket(AF_INET, SOCK_DGRAM_NONBLOCK, 0), { syscall: 'socket' });
  const address = Uint8Array.of(AF_INET, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  assert.equal(c.bind(fd, address), 0);
  assert.equal(c.getsockname(fd, address), 16);
  assert.notEqual(u16(address, 2), 0, 'the kernel chose a port');
  return { fd, address };
}

test('a failing call returns minus errno, and check makes a SystemError of it', () => {
  const result = libc().socket(99, 1, 0);
  assert.equal(result, -EAFNOSUPPORT);
  assert.throws(
    () => check(result, { syscall: 'socket', doing: 'open a socket', hint: 'choose another family' }),
    (error: unknown) =>
      error instanceof SystemError &&
      error.errno === EAFNOSUPPORT &&
      error.hint === 'choose another family' &&
      error.message === 'cannot open a socket: socket: EAFNOSUPPORT (address family missing from this kernel)',
  );
  assert.equal(errnoName(999), 'errno 999');
});

test('a missing privilege has its own code and a remedy without being told', () => {
  const error = new SystemError({ syscall: 'bind', errno: 1 });
  assert.equal(error.code, 'ERR_NOT_PERMITTED');
  assert.match(error.hint, /root/);
});

test('options are set and read back', () => {
  const c = libc();
  const { fd } = udpSocketOnLoopback();
  assert.equal(c.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, Uint8Array.of(0, 64, 0, 0)), 0);
  const value = new Uint8Array(4);
  assert.equal(c.getsockopt(fd, SOL_SOCKET, SO_RCVBUF, value), 4);
  assert.equal(u32le(value, 0), 2 * 0x4000, 'Linux doubles the value (socket(7))');
  c.close(fd);
});

test('a datagram arrives in the caller\'s buffer and the watch reports it', async () => {
  const c = libc();
  const receiver = udpSocketOnLoopback();
  const sender = udpSocketOnLoopback();
  const into = new Uint8Array(64);
  const received = new Promise<number>((resolve) => {
    const watch = c.watchReadable(receiver.fd, () => {
      watch.close();
      watch.close();
      resolve(c.recv(receiver.fd, into, 0));
    });
  });
  assert.equal(c.sendto(sender.fd, Uint8Array.of(1, 2, 3, 4), 3, 0, receiver.address), 3);
  assert.equal(await received, 3);
  assert.deepEqual([...into.subarray(0, 4)], [1, 2, 3, 0]);
  c.close(receiver.fd);
  c.close(sender.fd);
});

test('an unreferenced watch does not hold the process, a collected one goes on reporting', () => {
  const script = `
    const { libc } = await import(${JSON.stringify(new URL('./libc.js', import.meta.url).href)});
    const c = libc();
    const fd = c.socket(2, 2 | 0o4000, 0);
    const address = Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    c.bind(fd, address); c.getsockname(fd, address);
    let seen = 0;
    c.watchReadable(fd, () => { c.recv(fd, new Uint8Array(16), 0); seen++; }).unref();
    for (let i = 0; i < 5; i++) {
      global.gc();
      c.sendto(fd, new Uint8Array(1), 1, 0, address);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    console.log('seen', seen);`;
  const result = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], { timeout: 20_000 });
  assert.equal(result.status, 0, result.stderr.toString());
  assert.equal(result.stdout.toString(), 'seen 5\n');
});

test('addresses of bytes follow the offset of a view', () => {
  const buffer = new Uint8Array(256);
  const c = libc();
  assert.equal(c.addressOf(buffer.subarray(10)) - c.addressOf(buffer), 10n);
  assert.equal(c.addressOf(new Uint8Array(0)), 0n);
});

const node = (script: string): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000, encoding: 'utf8' });
const importLibc = `const { libc } = await import(${JSON.stringify(new URL('./libc.js', import.meta.url).href)});`;
const openSocket = `const c = libc(); const fd = c.socket(2, 2 | 0o4000, 0);
  const address = Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0); c.bind(fd, address); c.getsockname(fd, address);`;

test('a Worker may be terminated, and a process exit, while a watch is open', () => {
  const worker = `import { parentPort } from 'node:worker_threads';
    ${importLibc} ${openSocket} c.watchReadable(fd, () => undefined); parentPort.postMessage('open');`;
  const url = `data:text/javascript,${encodeURIComponent(worker)}`;
  const result = node(`
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    const start = async () => { const worker = new Worker(new URL(${JSON.stringify(url)})); await once(worker, 'message'); return worker; };
    await (await start()).terminate();
    await start();
    console.log('survived');
    process.exit(3);`);
  assert.deepEqual([result.status, result.stdout], [3, 'survived\n'], result.stderr);
});

test('what a watcher throws is an uncaught exception at once, and the watch lives on', () => {
  const result = node(`
    ${importLibc} ${openSocket}
    process.on('uncaughtException', (error) => { console.log(error.message); watch.close(); });
    const watch = c.watchReadable(fd, () => { throw new Error('boom'); });
    c.sendto(fd, new Uint8Array(1), 1, 0, address);`);
  assert.deepEqual([result.status, result.stdout], [0, 'boom\n'], result.stderr);
});
