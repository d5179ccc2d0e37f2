/**
 * Which connections are meant: a table of conditions over connections. Pure.
 *
 * The two ends may be named in either order and in either view, before or after
 * NAT. A condition on something the kernel did not record (age without nf_conntrack_timestamp,
 * bytes without nf_conntrack_acct) is not met: what is not known is never cut.
 */
import { type Network, isInNetwork } from '../base/address.js';
import type { TcpState, Tuple } from '../netlink/conntrack.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/constants.js';
import type { Connection } from './connection.js';

/** Inclusive. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

/** One end; an empty list means any. */
export interface EndPattern {
  readonly networks: readonly Network[];
  readonly ports: readonly Range[];
}

const ANY_END: EndPattern = { networks: [], ports: [] };

export interface Selection {
  readonly ends: readonly [EndPattern, EndPattern];
  /** 6, 17 or both. */
  readonly protocols: readonly number[];
  /** TCP states; UDP has none and is not asked. */
  readonly states: readonly TcpState[];
  readonly ageMs: Range | null;
  readonly idleMs: Range | null;
  /** Both directions together. */
  readonly bytes: Range | null;
  /** `(mark & mask) === value`. */
  readonly mark: { readonly value: number; readonly mask: number } | null;
}

/** Neither being opened by one side alone nor closed: RST has no meaning for the first before an answer, nor for the last. */
export const DEFAULT_STATES: readonly TcpState[] = ['SYN_RECV', 'ESTABLISHED', 'FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK'];

export const ALL_CONNECTIONS: Selection = {
  ends: [ANY_END, ANY_END],
  protocols: [IPPROTO_TCP],
  states: DEFAULT_STATES,
  ageMs: null,
  idleMs: null,
  bytes: null,
  mark: null,
};

function isIn(range: Range, value: number | null): boolean {
  return value !== null && value >= range.least && value <= range.most;
}

function fits(pattern: EndPattern, address: Uint8Array, port: number): boolean {
  const { networks, ports } = pattern;
  if (networks.length > 0 && !networks.some((network) => isInNetwork(network, address, 0, address.length))) return false;
  return ports.length === 0 || ports.some((range) => isIn(range, port));
}

function fitsTuple([one, other]: Selection['ends'], tuple: Tuple): boolean {
  const { source, destination, sourcePort, destinationPort } = tuple;
  return (
    (fits(one, source, sourcePort) && fits(other, destination, destinationPort)) ||
    (fits(other, source, sourcePort) && fits(one, destination, destinationPort))
  );
}

/** True when the ends fit, in one of the two views of the connection and in either order. */
export function fitsEnds({ ends }: Selection, { original, reply }: { readonly original: Tuple; readonly reply: Tuple }): boolean {
  return fitsTuple(ends, original) || fitsTuple(ends, reply);
}

/** True when all conditions hold. */
export function isSelected(selection: Selection, connection: Connection): boolean {
  const { protocol, state, ageMs, idleMs, sentBytes, receivedBytes, mark } = connection;
  if (!selection.protocols.includes(protocol)) return false;
  if (protocol === IPPROTO_TCP && (state === null || !selection.states.includes(state))) return false;
  if (!fitsEnds(selection, connection)) return false;
  if (selection.ageMs && !isIn(selection.ageMs, ageMs)) return false;
  if (selection.idleMs && !isIn(selection.idleMs, idleMs)) return false;
  const bytes = sentBytes === null || receivedBytes === null ? null : sentBytes + receivedBytes;
  if (selection.bytes && !isIn(selection.bytes, bytes)) return false;
  // What connection tracking does not know has no mark; for routes 0 stands for none.
  if (selection.mark && connection.entry === null) return false;
  // >>> 0: JavaScript's `&` is signed, marks are not.
  return !selection.mark || (mark & selection.mark.mask) >>> 0 === selection.mark.value;
}

/** The one address that every match has at some end, if the selection names one: lets the kernel filter its dump. */
export function singleAddress(selection: Selection): Uint8Array | null {
  for (const { networks } of selection.ends) {
    const [network] = networks;
    if (networks.length === 1 && network && network.prefixLength === network.address.length * 8) return network.address;
  }
  return null;
}

/** True when nothing says whose connections are meant: such a selection needs to be asked for explicitly. */
export function namesNothing(selection: Selection): boolean {
  const isOpen = selection.ends.every(
    ({ networks, ports }) => ports.length === 0 && networks.every((network) => network.prefixLength === 0),
  );
  return isOpen && selection.mark === null;
}

/** True for UDP among the protocols. */
export function includesUdp(selection: Selection): boolean {
  return selection.protocols.includes(IPPROTO_UDP);
}
