/**
 * Flows as event records in the form of Suricata's EVE output; see docs/events.md.
 */
import { addressText } from '../base/address.js';
import type { FlowFinding } from '../engine/finding.js';
import type { FlowTable } from '../flow/flow-table.js';
import { IPPROTO_TCP } from '../wire/constants.js';
import type { Category, Confidence } from '../events/confidence.js';

export interface FlowRecord {
  readonly event_type: 'flow';
  readonly capture: string;
  readonly flow_id: number;
  /** RFC 3339, UTC, microseconds. */
  readonly start: string;
  readonly end: string;
  readonly src_ip: string;
  readonly src_port: number;
  readonly dest_ip: string;
  readonly dest_port: number;
  readonly proto: 'TCP' | 'UDP';
  readonly packets: number;
  readonly bytes: number;
  readonly p2p: P2pRecord | null;
}

export interface P2pRecord {
  readonly protocol: string;
  readonly category: Category;
  readonly feature: string;
  readonly confidence: Confidence;
  readonly why: string;
  /** Number of the flow's packet that decided it, from 1. */
  readonly packet: number;
}

const scratch = new Uint8Array(16);

/** Address of an end of a flow as text. */
export function endText(table: FlowTable, flow: number, end: 0 | 1): string {
  const lengthBytes = table.writeAddress(flow, end, scratch, 0);
  return addressText(scratch, 0, lengthBytes);
}

/** RFC 3339 with microseconds, from milliseconds since 1970. */
export function timeText(timeMs: number): string {
  const wholeMs = Math.floor(timeMs);
  const microseconds = Math.min(999, Math.floor((timeMs - wholeMs) * 1000 + 0.5));
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${String(microseconds).padStart(3, '0')}Z`;
}

/** A number that names the flow in one capture: the same for every run, different for every five-tuple and start (48 bits of FNV-1a). */
export function flowId(table: FlowTable, flow: number): number {
  let low = 0x811c9dc5;
  let high = 0x1000193;
  const mix = (word: number): void => {
    low = Math.imul(low ^ word, 0x01000193);
    low ^= low >>> 15;
    high = Math.imul(high ^ word ^ low, 0x85ebca6b);
    high ^= high >>> 13;
  };
  for (const end of [0, 1] as const) {
    for (let word = 0; word < 4; word++) mix(table.addressWord(flow, end, word));
    mix(table.port(flow, end));
  }
  mix(table.protocol(flow));
  const startMs = table.firstSeenMs(flow);
  mix(Math.floor(startMs / 1000) | 0);
  mix(Math.floor((startMs % 1000) * 1000) | 0);
  return (high & 0xffff) * 0x1_0000_0000 + (low >>> 0);
}

/** The record of a flow that is still in the table. */
export function flowRecord(table: FlowTable, flow: number, finding: FlowFinding | null, capture: string): FlowRecord {
  return {
    event_type: 'flow',
    capture,
    flow_id: flowId(table, flow),
    start: timeText(table.firstSeenMs(flow)),
    end: timeText(table.lastSeenMs(flow)),
    src_ip: endText(table, flow, 0),
    src_port: table.port(flow, 0),
    dest_ip: endText(table, flow, 1),
    dest_port: table.port(flow, 1),
    proto: table.protocol(flow) === IPPROTO_TCP ? 'TCP' : 'UDP',
    packets: table.packets(flow, 0) + table.packets(flow, 1),
    bytes: table.lengthBytes(flow, 0) + table.lengthBytes(flow, 1),
    p2p: finding && p2pRecord(finding, table.decidedAtPacket(flow)),
  };
}

/** Which flow an event is about, for live events. */
export interface FlowNames {
  readonly flow_id: number;
  readonly src_ip: string;
  readonly src_port: number;
  readonly dest_ip: string;
  readonly dest_port: number;
  readonly proto: 'TCP' | 'UDP';
}

export function flowNames(table: FlowTable, flow: number): FlowNames {
  return {
    flow_id: flowId(table, flow),
    src_ip: endText(table, flow, 0),
    src_port: table.port(flow, 0),
    dest_ip: endText(table, flow, 1),
    dest_port: table.port(flow, 1),
    proto: table.protocol(flow) === IPPROTO_TCP ? 'TCP' : 'UDP',
  };
}

export function p2pRecord(finding: FlowFinding, packet: number): P2pRecord {
  return {
    protocol: finding.protocol.id,
    category: finding.protocol.category,
    feature: finding.feature,
    confidence: finding.confidence,
    why: finding.why,
    packet,
  };
}
