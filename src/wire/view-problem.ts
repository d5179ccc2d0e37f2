/**
 * What every decoded view must satisfy, whatever the bytes were: the oracle of the tests with
 * damaged, cut and random packets. Not used by the program.
 */
import { IPPROTO_TCP } from './constants.js';
import type { DecodeStatus, PacketView } from './packet-view.js';

const STATUSES: readonly DecodeStatus[] = ['ok', 'truncated', 'malformed', 'fragment', 'unsupported'];

/** The first rule that the view of the frame `[start, end)` breaks, or null. */
export function viewProblem(view: PacketView, status: DecodeStatus, start: number, end: number): string | null {
  const { sourceAt, destinationAt, transportAt, payloadAt, payloadLengthBytes, srcPort, dstPort } = view;
  if (!STATUSES.includes(status)) return `status ${status}`;
  const numbers = [view.start, view.end, sourceAt, destinationAt, transportAt, payloadAt, payloadLengthBytes, srcPort, dstPort, view.seq, view.ack];
  if (!numbers.every((value) => Number.isInteger(value) && value >= 0)) return 'a field is no whole number';
  if (view.start < start || view.end > end || view.start > view.end) return 'the packet leaves the frame';
  if (sourceAt < view.start || destinationAt < sourceAt || destinationAt > view.end) return 'the addresses leave the packet';
  if (transportAt < view.start || payloadAt < transportAt || payloadAt > end) return 'the payload leaves the frame';
  if (payloadLengthBytes > 0xffff && payloadLengthBytes > end - start) return 'the payload is longer than a datagram can be';
  if (srcPort > 0xffff || dstPort > 0xffff || view.seq > 0xffff_ffff || view.ack > 0xffff_ffff || view.tcpFlags > 0xff) return 'a field is too large';
  if (view.protocol !== IPPROTO_TCP && (view.tcpFlags !== 0 || view.seq !== 0 || view.ack !== 0)) return 'TCP fields without TCP';
  if (view.tunnelDepth !== 0 && view.tunnelDepth !== 1) return 'more than one tunnel';
  if (status !== 'ok' && status !== 'fragment') return view.isLaterFragment ? 'a later fragment that is none' : null;
  if (view.ipVersion !== 4 && view.ipVersion !== 6) return 'neither IPv4 nor IPv6';
  const addressBytes = view.ipVersion === 4 ? 4 : 16;
  if (sourceAt <= view.start || destinationAt !== sourceAt + addressBytes || destinationAt + addressBytes > transportAt) return 'no addresses';
  if (payloadAt > view.end) return 'the payload begins after its end';
  const capturedBytes = view.end - payloadAt;
  if (view.isClipped ? payloadLengthBytes <= capturedBytes : payloadLengthBytes !== capturedBytes) return 'the payload length is wrong';
  if (view.isLaterFragment && (status !== 'fragment' || srcPort !== 0 || dstPort !== 0 || view.tcpFlags !== 0)) return 'a later fragment with a header';
  return null;
}
