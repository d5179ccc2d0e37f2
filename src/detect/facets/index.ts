/** Door of the facets: ordinary protocols that several features read, parsed once for each packet. */
import type { QuicInitial } from './quic.js';

export { parseHttp as httpFacet } from './http.js';
export { parseDns as dnsFacet } from './dns.js';
export { parseTlsHello as tlsFacet } from './tls.js';

export function quicFacet(_bytes: Uint8Array, _start: number, _end: number): QuicInitial | null {
  return null;
}
