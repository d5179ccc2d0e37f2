/** What a proxy carries, as a feature that knows nothing of proxies sees it. */
import type { Inspection } from '../../detector.js';

/** What changes: where the carried bytes and turns are. */
type Part = Partial<Pick<Inspection, 'start' | 'segmentAt' | 'otherStart' | 'turns'>>;

/** The inspection without the proxy's own bytes. Host and endpoint are those of the proxy, so nothing is known of the peer; facets would be of all bytes. */
export function behindProxy(input: Inspection, part: Part): Inspection {
  return { ...input, ...part, known: () => 'none', http: () => null, dns: () => null, tls: () => null, quic: () => null };
}
