/**
 * Opens a tun device inside a lab host and hands its descriptor to the test, which
 * belongs to the same process. `ip tuntap` made the device; TUNSETIFF attaches to it.
 */
import { openSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

// include/uapi/linux/if_tun.h
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 1;
const IFF_NO_PI = 0x1000;

const main: WorkerMain = (data, port) => {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const ioctl = koffi.load(null).func('ioctl', 'int', ['int', 'ulong', 'void *']);
  const fd = openSync('/dev/net/tun', 'r+');
  // struct ifreq: name (16 bytes), flags
  const request = Buffer.alloc(40);
  request.write(String(data), 'latin1');
  request.writeUInt16LE(IFF_TUN | IFF_NO_PI, 16);
  // A Worker that ends takes its descriptors with it.
  port.on('message', () => port.close());
  port.postMessage(ioctl(fd, TUNSETIFF, request) === 0 ? fd : -1);
};
export default main;
