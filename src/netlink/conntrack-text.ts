/**
 * Lines of /proc/net/nf_conntrack: what names an entry, and its two tuples; the rest is to be asked of ctnetlink. Pure.
 * Only protocols with ports are read.
 *
 *   ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=22 packets=3 bytes=164
 *   src=10.0.0.2 dst=10.0.0.1 sport=22 dport=40000 packets=2 bytes=112 [ASSURED] mark=0 zone=7 use=2
 *
 * Specification: net/netfilter/nf_conntrack_standalone.c, ct_seq_show.
 */
import { parseAddress } from '../base/address.js';
import type { Tuple } from './conntrack.js';

/** An entry, as far as a line tells it. */
export interface NamedEntry {
  readonly ipVersion: 4 | 6;
  /** IANA protocol number. */
  readonly protocol: number;
  readonly original: Tuple;
  readonly reply: Tuple;
  readonly originalZone: number;
  readonly replyZone: number;
}

const TUPLE = 'src=(\\S+) dst=(\\S+) sport=([0-9]+) dport=([0-9]+) ';
const LINE = new RegExp(`^ipv([46]) +[0-9]+ \\S+ +([0-9]+) .*?${TUPLE}.*?${TUPLE}`);

function tupleOf([source = '', destination = '', sourcePort, destinationPort]: readonly string[]): Tuple | null {
  const [sourceAddress, destinationAddress] = [parseAddress(source), parseAddress(destination)];
  if (!sourceAddress || !destinationAddress) return null;
  return { source: sourceAddress, destination: destinationAddress, sourcePort: Number(sourcePort), destinationPort: Number(destinationPort) };
}

/** The entry of a line without its line feed; null for other protocols and other lines. */
export function readConntrackLine(line: string): NamedEntry | null {
  const words = LINE.exec(line);
  if (!words) return null;
  const original = tupleOf(words.slice(3, 7));
  const reply = tupleOf(words.slice(7, 11));
  if (!original || !reply) return null;
  // A zone of both directions is said once, at the end; one of a single direction behind its tuple.
  const zone = (name: string): number => Number(new RegExp(` ${name}=([0-9]+) `).exec(line)?.[1] ?? 0);
  const both = zone('zone');
  return {
    ipVersion: words[1] === '4' ? 4 : 6,
    protocol: Number(words[2]),
    original,
    reply,
    originalZone: both || zone('zone-orig'),
    replyZone: both || zone('zone-reply'),
  };
}
