/** Settings and counters of the kernel under /proc/sys, of the network namespace that the calling thread is in. Reads only. */
import { readFileSync } from 'node:fs';

/** The number behind a name as sysctl(8) writes it (`net.ipv4.ip_forward`); undefined when this kernel, or this namespace, has no such name. */
export function readSysctl(name: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'latin1'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
