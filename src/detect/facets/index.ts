/** Door of the facets: ordinary protocols that several features read, parsed once for each packet. */
import type { QuicInitial } from './quic.js';

export { httpFacet } from './http.js';
export { dnsFacet } from './dns.js';
export { tlsFacet } from './tls.js';

export function quicFacet(_bytes: Uint8Array, _start: number, _end: number): QuicInitial | null {
  return null;
}
