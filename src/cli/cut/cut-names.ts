/** Looks up host and service names for `cutter`: the resolver and /etc/services. */
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { parseAddress } from '../../base/address.js';
import { type Names, hostNamesIn } from '../../cutter/arguments.js';

/** Names of services(5) for TCP and UDP, by name and alias. */
function readServices(): Map<string, number> {
  const services = new Map<string, number>();
  let text = '';
  try {
    text = readFileSync('/etc/services', 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  for (const line of text.split('\n')) {
    const [name, portAndProtocol = '', ...aliases] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    const port = /^([0-9]+)\/(?:tcp|udp)$/.exec(portAndProtocol)?.[1];
    if (name === undefined || port === undefined) continue;
    for (const known of [name, ...aliases]) if (!services.has(known)) services.set(known, Number(port));
  }
  return services;
}

/** Resolves the host names among `words`; `told` is given what each one means, to be shown. */
export async function lookUpNames(words: readonly string[], told: (name: string, addresses: readonly string[]) => void): Promise<Names> {
  const hosts = new Map<string, Uint8Array[]>();
  for (const name of hostNamesIn(words)) {
    let found: readonly string[] = [];
    try {
      found = (await lookup(name, { all: true })).map(({ address }) => address);
    } catch (error) {
      // Unknown names are the user's mistake and said so by the parser.
      if ((error as NodeJS.ErrnoException).syscall !== 'getaddrinfo') throw error;
    }
    const unique = [...new Set(found)];
    hosts.set(name, unique.map((address) => parseAddress(address)).filter((address) => address !== null));
    if (unique.length > 0) told(name, unique);
  }
  let services: Map<string, number> | undefined;
  return {
    host: (name) => hosts.get(name) ?? [],
    service: (name) => (services ??= readServices()).get(name),
  };
}
