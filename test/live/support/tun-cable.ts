/** A cable between two lab hosts made of tun devices: no link-layer addresses, and a delay in each direction. */
import assert from 'node:assert/strict';
import { read, write } from 'node:fs';
import { once } from 'node:events';
import type { LabHost } from '../../../src/lab/namespaces.js';

export interface TunEnd {
  readonly host: LabHost;
  readonly name: string;
  readonly address: string;
}

async function open({ host, name, address }: TunEnd): Promise<number> {
  host.must('ip', ['tuntap', 'add', 'dev', name, 'mode', 'tun']);
  const worker = host.startWorker(new URL('./tun-open.js', import.meta.url), name);
  const [fd] = (await once(worker, 'message')) as [number];
  assert.ok(fd >= 0, `tun device ${name}`);
  host.ip(`addr add ${address} dev ${name}`, `link set ${name} up`);
  return fd;
}

/** Returns a function that takes the cable away: to be called before the lab is closed, or reads in the pool never end. */
export async function connectByTun(left: TunEnd, right: TunEnd, delayMs: number): Promise<() => void> {
  const fds = [await open(left), await open(right)] as const;
  let isOpen = true;
  const forward = (from: number, to: number): void => {
    const buffer = Buffer.alloc(2048);
    read(from, buffer, 0, buffer.length, null, (error, length) => {
      if (error || !isOpen) return;
      const packet = Buffer.from(buffer.subarray(0, length));
      setTimeout(() => isOpen && write(to, packet, () => undefined), delayMs);
      forward(from, to);
    });
  };
  forward(fds[0], fds[1]);
  forward(fds[1], fds[0]);
  return () => {
    isOpen = false;
    // Reads that wait in the pool end with the device; the descriptors are closed with their Workers.
    left.host.run('ip', ['link', 'del', left.name]);
    right.host.run('ip', ['link', 'del', right.name]);
  };
}
