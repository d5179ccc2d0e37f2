/** Door of the facets: ordinary protocols that several features read, parsed once for each packet. */
import type { DnsMessage } from './dns.js';
import type { QuicInitial } from './quic.js';
import type { TlsHello } from './tls.js';

export { httpFacet } from './http.js';
export function dnsFacet(_bytes: Uint8Array, _start: number, _end: number, _overTcp: boolean): DnsMessage | null {
  return null;
}
export function tlsFacet(_bytes: Uint8Array, _start: number, _end: number): TlsHello | null {
  return null;
}
export function quicFacet(_bytes: Uint8Array, _start: number, _end: number): QuicInitial | null {
  return null;
}
