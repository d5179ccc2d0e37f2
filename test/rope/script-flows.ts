/**
 * The flows in which a script matches a packet: for comparison with the identifier's findings.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressText } from '../../src/base/address.js';
import { u16 } from '../../src/base/bytes.js';
import { CaptureReader } from '../../src/pcap/capture-reader.js';
import { JAVASCRIPT, type Runner } from '../../src/rope/backends/back-end.js';
import { compile } from '../../src/rope/compile.js';
import { isMatch } from '../../src/rope/ir.js';
import { type PacketInput, strFieldAt, strFieldLength } from '../../src/rope/packet.js';
import { RunContext } from '../../src/rope/run-context.js';
import { locateIp } from '../../src/wire/link.js';

const scriptsFolder = join(import.meta.dirname, '../../..', 'rope');

export interface LoadedScript {
  readonly name: string;
  readonly context: RunContext;
  readonly runner: Runner;
}

/** A supplied script on the JavaScript back end. */
export function loadScript(name: string): LoadedScript {
  return loadProgram(name, readFileSync(join(scriptsFolder, `${name}.rope`), 'utf8'));
}

/** The text of a program on the JavaScript back end. */
export function loadProgram(name: string, source: string): LoadedScript {
  const compiled = compile(source);
  const context = new RunContext();
  const runner = JAVASCRIPT.prepare(compiled, [], context);
  if (typeof runner === 'string') throw new Error(`${name}: ${runner}`);
  return { name, context, runner };
}

/** "TCP a:p b:p" with the smaller endpoint first; null for other protocols. */
export function flowName(protocol: string, one: string, other: string): string {
  return one < other ? `${protocol} ${one} ${other}` : `${protocol} ${other} ${one}`;
}

function nameOf(packet: PacketInput): string | null {
  if (!packet.hasTcp && !packet.hasUdp) return null;
  const { bytes, start } = packet;
  const at = start + packet.transportAt;
  const endpoint = (field: 'ip_saddr' | 'ip_daddr', portAt: number): string =>
    `${addressText(bytes, start + strFieldAt(packet, field), strFieldLength(packet, field))}:${u16(bytes, portAt)}`;
  return flowName(packet.hasTcp ? 'TCP' : 'UDP', endpoint('ip_saddr', at), endpoint('ip_daddr', at + 2));
}

/** Flows of a capture in which each of the scripts matches a packet, by the name of the script. */
export function matchedFlows(path: string, scripts: readonly LoadedScript[]): Map<string, Set<string>> {
  const out = new Map(scripts.map(({ name }) => [name, new Set<string>()]));
  const reader = new CaptureReader();
  reader.feed(readFileSync(path));
  reader.finish();
  while (reader.next() === 'packet') {
    const at = locateIp(reader.linkType, reader.bytes, reader.start, reader.end);
    if (at < 0) continue;
    for (const { name, context, runner } of scripts) {
      context.packet.load(reader.bytes, at, reader.end);
      if (!isMatch(runner.run())) continue;
      const flow = nameOf(context.packet);
      if (flow !== null) out.get(name)?.add(flow);
    }
  }
  return out;
}
