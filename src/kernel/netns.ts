/**
 * Moves the calling thread into a network namespace.
 *
 * Meant for Workers: sockets that a Worker opens afterwards live in that
 * namespace. On the main thread it is refused, because the main thread's
 * namespace is also what `/proc/self/net` and most tools take as the process's.
 * Name lookups and file access run on libuv's pool, which stays where it was.
 * Specification: setns(2), network_namespaces(7), ip-netns(8) for the paths.
 */
import { closeSync, openSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { libc } from './libc.js';
import { SystemError, check } from './system-error.js';

// include/uapi/linux/sched.h
const CLONE_NEWNET = 0x4000_0000;

/** Where `ip netns add NAME` keeps the namespace. */
export function namespacePath(name: string): string {
  return `/run/netns/${name}`;
}

/** Enters the namespace behind `path` (`/run/netns/NAME`, `/proc/PID/ns/net`). Throws SystemError. */
export function enterNamespace(path: string): void {
  if (isMainThread) {
    throw new SystemError({
      syscall: 'setns',
      errno: 0,
      doing: 'change the network namespace of the main thread',
      hint: 'start a Worker and enter the namespace there',
    });
  }
  const fd = openSync(path, 'r');
  try {
    check(libc().setns(fd, CLONE_NEWNET), { syscall: 'setns', doing: `enter the network namespace ${path}` });
  } finally {
    closeSync(fd);
  }
}
