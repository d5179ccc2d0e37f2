/**
 * Addresses that are never held back because somebody named them as a peer: this machine's own, the link's, groups, and the networks
 * that an administrator protects. Common to ftwall and to the wall's `contain`.
 */
import { type Network, isInNetwork, parseAddress, parseNetwork } from '../base/address.js';
import { readOwnAddresses } from './own-network.js';

/** This host, the link, groups. */
const ALWAYS_PROTECTED = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::1', 'fe80::/10', 'ff00::/8'];

/** Asks of the text of an address; what is none is protected too. `own`: addresses of this machine. */
export function protection(networks: readonly string[], own: readonly string[] = readOwnAddresses()): (address: string) => boolean {
  const parsed = [...ALWAYS_PROTECTED, ...own, ...networks].map((text) => parseNetwork(text)).filter((network): network is Network => network !== null);
  return (address) => {
    const bytes = parseAddress(address);
    return bytes === null || parsed.some((network) => isInNetwork(network, bytes, 0, bytes.length));
  };
}
