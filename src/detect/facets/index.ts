/** Door of the facets: ordinary protocols that several features read, parsed once for each packet. */
export { httpFacet } from './http.js';
export { dnsFacet } from './dns.js';
export { tlsFacet } from './tls.js';
export { quicFacet } from './quic.js';
