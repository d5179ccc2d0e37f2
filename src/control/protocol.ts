/**
 * What the daemon and its clients say to each other over the control socket: one JSON
 * object a line, one answer for each request, in order. Shapes only.
 */
import type { FlowNames, P2pRecord } from '../report/flow-record.js';

/** Where the socket is unless configured otherwise. */
export const DEFAULT_SOCKET = '/run/p2pwall/control.sock';
/** Longest request, in bytes; longer ones end the conversation. */
export const MAX_REQUEST_BYTES = 16_384;

export interface Request {
  readonly command: 'status' | 'flows' | 'peers' | 'top' | 'block' | 'unblock' | 'reload';
  readonly limit?: number;
  readonly address?: string;
  readonly seconds?: number;
}

export type Response = { readonly ok: true; readonly data: unknown } | { readonly ok: false; readonly error: string; readonly hint: string };

export interface Status {
  readonly version: string;
  readonly pid: number;
  readonly mode: 'open' | 'closed';
  readonly uptime_seconds: number;
  readonly config: string;
  readonly inside: readonly string[];
  readonly outside: readonly string[];
  readonly rules: readonly { readonly name: string; readonly action: string; readonly flows: number }[];
  readonly packets: number;
  readonly bytes: number;
  readonly dropped_packets: number;
  readonly flows: number;
  readonly flows_decided: Readonly<Record<string, number>>;
  readonly protocols: Readonly<Record<string, number>>;
  readonly contained_peers: number;
  readonly blocked_addresses: number;
  readonly queue: { readonly waiting: number; readonly overflowed: number; readonly undelivered: number };
  readonly troubles: Readonly<Record<string, number>>;
  readonly events: { readonly written: number; readonly lost: number };
  readonly restored: number;
}

export interface LiveFlow extends FlowNames {
  readonly client: string;
  readonly p2p: P2pRecord | null;
  readonly verdict: { readonly action: string; readonly outcome: string; readonly rule: string | null; readonly why: string } | null;
  readonly start: string;
  readonly packets_inspected: number;
}

export interface PeerList {
  readonly contained: readonly { readonly client: string; readonly peer: string; readonly port: number; readonly rule: string | null; readonly seconds: number }[];
  readonly blocked: readonly { readonly address: string; readonly seconds: number }[];
}

/** Sums since the beginning of each connection that is still there, by client and protocol; `-` for what is not peer-to-peer. */
export interface TopRow {
  readonly client: string;
  readonly protocol: string;
  readonly action: string;
  readonly flows: number;
  readonly bytes: number;
}
