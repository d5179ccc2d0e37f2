/**
 * User-written detectors: a rope script behind the contract of a protocol.
 *
 * The script sees one packet: for UDP the datagram, for TCP the in-order beginning of the
 * stream in this direction (at most MAX_PREFIX_BYTES), as if one segment had carried it, so
 * that what it looks for may be split by the network. Addresses, ports and the IP version are those of the
 * flow; other header fields have ordinary values, marks and times read 0.
 *
 * OKAY, YES and hotdrop are a match: what is done about it is the policy's. Everything else waits
 * for more. Deliberately without harvest: a script names traffic, it teaches no endpoints.
 */
import { putU16 } from '../base/bytes.js';
import type { Category, Confidence } from '../events/confidence.js';
import type { Argument } from '../rope/argument.js';
import { INTERPRETER, JAVASCRIPT, type Runner } from '../rope/backends/back-end.js';
import type { Compiled } from '../rope/compile.js';
import { HOTDROP, isMatch } from '../rope/ir.js';
import { RunContext } from '../rope/run-context.js';
import { type Feature, type Finding, type Inspection, MAX_PREFIX_BYTES, MORE, NO, type Protocol, TCP, UDP, match } from './detector.js';

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const TCP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const MAX_DATAGRAM_BYTES = 65_535;

export interface RopeDetectorOptions {
  /** Protocol id that events and rules use. */
  readonly protocol: string;
  readonly script: string;
  /** Valid, and compiled with these arguments. */
  readonly compiled: Compiled;
  readonly args: readonly Argument[];
  readonly confidence: Confidence;
  readonly category: Category;
}

export function ropeProtocol(options: RopeDetectorOptions): Protocol {
  const { protocol, script, compiled, args, confidence, category } = options;
  const context = new RunContext();
  const prepared = JAVASCRIPT.prepare(compiled, args, context);
  const runner = typeof prepared === 'string' ? (INTERPRETER.prepare(compiled, args, context) as Runner) : prepared;
  const finding = match(confidence, `rope script ${script}`);
  const packet = new SyntheticPacket();
  const inspect = (input: Inspection): Finding => {
    const end = packet.write(input);
    context.packet.load(packet.bytes, 0, end);
    const verdict = runner.run();
    if (isMatch(verdict) || verdict === HOTDROP) return finding;
    return input.transport === TCP && input.end - input.start >= MAX_PREFIX_BYTES ? NO : MORE;
  };
  const feature = (name: string, transport: typeof TCP | typeof UDP): Feature => ({
    feature: name,
    transport,
    trigger: { kind: 'always', because: 'only the script knows what it looks for', inEveryday: true },
    inspect,
  });
  return {
    id: protocol,
    title: `${protocol} (rope script ${script})`,
    category,
    specs: [],
    features: [feature('rope-tcp', TCP), feature('rope-udp', UDP)],
  };
}

/** An IP packet made of what a feature sees, in one buffer that is used again and again. */
class SyntheticPacket {
  readonly bytes = new Uint8Array(IPV6_HEADER_BYTES + TCP_HEADER_BYTES + MAX_DATAGRAM_BYTES);

  /** Returns the end of the packet. */
  write(input: Inspection): number {
    const isIpv6 = input.ipVersion === 6;
    const transportAt = isIpv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
    const payloadAt = transportAt + (input.transport === TCP ? TCP_HEADER_BYTES : UDP_HEADER_BYTES);
    const payload = input.bytes.subarray(input.start, Math.min(input.end, input.start + MAX_DATAGRAM_BYTES - payloadAt));
    const end = payloadAt + payload.length;
    this.bytes.fill(0, 0, payloadAt);
    this.bytes.set(payload, payloadAt);
    if (isIpv6) this.#writeIpv6(input, end);
    else this.#writeIpv4(input, end);
    this.#writeTransport(input, transportAt, end);
    return end;
  }

  #writeIpv4({ addressBytes, sourceAt, destinationAt, transport }: Inspection, end: number): void {
    const { bytes } = this;
    bytes[0] = 0x45;
    putU16(bytes, 2, end);
    bytes[8] = 64;
    bytes[9] = transport;
    bytes.set(addressBytes.subarray(sourceAt, sourceAt + 4), 12);
    bytes.set(addressBytes.subarray(destinationAt, destinationAt + 4), 16);
  }

  #writeIpv6({ addressBytes, sourceAt, destinationAt, transport }: Inspection, end: number): void {
    const { bytes } = this;
    bytes[0] = 0x60;
    putU16(bytes, 4, end - IPV6_HEADER_BYTES);
    bytes[6] = transport;
    bytes[7] = 64;
    bytes.set(addressBytes.subarray(sourceAt, sourceAt + 16), 8);
    bytes.set(addressBytes.subarray(destinationAt, destinationAt + 16), 24);
  }

  #writeTransport({ srcPort, dstPort, transport }: Inspection, at: number, end: number): void {
    const { bytes } = this;
    putU16(bytes, at, srcPort);
    putU16(bytes, at + 2, dstPort);
    if (transport === UDP) putU16(bytes, at + 4, end - at);
    else {
      bytes[at + 12] = (TCP_HEADER_BYTES >> 2) << 4;
      bytes[at + 13] = 0x18; // PSH and ACK, as segments with data have them
    }
  }
}
