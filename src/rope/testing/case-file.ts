/**
 * Test cases in Markdown: a fenced `rope` block, `packet` blocks, an `expect` block.
 *
 * Anything else in the file is prose. Used by test/rope/, by the supplied
 * scripts, by docs/rope.md and by `rope test`. Specification: docs/rope-tests.md.
 */
import type { Argument } from '../argument.js';
import { DEFAULT_LIMITS, ORIGINAL_LIMITS, type Limits } from '../ir.js';
import { lex } from '../lex.js';
import { PacketTextError, type TextPacket, parsePacketText } from './packet-text.js';

export type VerdictName = 'fail' | 'okay' | 'yes' | 'no' | 'hotdrop';

export interface Case {
  /** Last heading, with a number when it has several cases. */
  readonly name: string;
  /** Line of the fence of the program, from 1. */
  readonly line: number;
  readonly source: string;
  /** Set instead of source: `script: NAME` names a file that the caller reads. */
  readonly script: string | null;
  readonly packets: readonly TextPacket[];
  readonly expect: Expectation;
}

export interface Expectation {
  /** One for each packet; empty: the program is only compiled. */
  readonly verdicts: readonly VerdictName[];
  readonly error: string | null;
  readonly message: Uint8Array | null;
  readonly output: Uint8Array | null;
  readonly globals: ReadonlyMap<number, number>;
  readonly args: readonly Argument[];
  readonly limits: Limits;
  readonly zoneSeconds: number;
  /** "severity code line:column", in order. */
  readonly diagnostics: readonly string[];
  readonly isStatic: boolean;
  /** Whether the eBPF back end takes it; null: not stated. */
  readonly kernel: boolean | null;
}

export interface CaseFault {
  readonly line: number;
  readonly message: string;
}

export interface CaseFile {
  readonly cases: readonly Case[];
  /** What cannot be read. */
  readonly faults: readonly CaseFault[];
}

interface Fence {
  readonly line: number;
  readonly info: readonly string[];
  readonly text: string;
  readonly heading: string;
}

export function parseCaseFile(markdown: string): CaseFile {
  const faults: CaseFault[] = [];
  const named = new Map<string, TextPacket>();
  const groups: { readonly program: Fence; readonly packets: TextPacket[]; expect: Fence | null }[] = [];
  for (const fence of fences(markdown)) {
    const [kind, name] = fence.info;
    const group = groups.at(-1);
    if (kind === 'rope' && name !== 'fragment') groups.push({ program: fence, packets: [], expect: null });
    else if (kind === 'packet') {
      const packet = readPacket(fence, faults);
      if (packet === null) continue;
      if (name !== undefined) named.set(name, packet);
      else if (group === undefined) faults.push({ line: fence.line, message: 'a packet without a name before the first program' });
      else group.packets.push(packet);
    } else if (kind === 'expect') {
      if (group === undefined || group.expect !== null) faults.push({ line: fence.line, message: 'an expectation without a program' });
      else group.expect = fence;
    }
  }
  const counts = new Map<string, number>();
  const cases = groups.map(({ program, packets, expect }): Case => {
    const count = (counts.get(program.heading) ?? 0) + 1;
    counts.set(program.heading, count);
    const chosen = [...packets];
    const expectation = readExpectation(expect, faults, named, chosen);
    const script = /^\s*script:\s*([A-Za-z0-9_-]+)\s*$/.exec(program.text)?.[1] ?? null;
    if (chosen.length === 0) chosen.push(parsePacketText('tcp 192.0.2.1:1024 > 192.0.2.2:80'));
    return {
      name: count === 1 ? program.heading : `${program.heading} (${count})`,
      line: program.line,
      source: program.text,
      script,
      packets: chosen,
      expect: expectation,
    };
  });
  for (const { name, line, expect, packets } of cases) {
    if (expect.verdicts.length > 0 && expect.verdicts.length !== packets.length) {
      faults.push({ line, message: `${name}: ${packets.length} packets but ${expect.verdicts.length} verdicts` });
    }
  }
  return { cases, faults };
}

function fences(markdown: string): Fence[] {
  const out: Fence[] = [];
  const lines = markdown.split('\n');
  let heading = '';
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const found = /^#+\s+(.*?)\s*$/.exec(line);
    if (found) heading = found[1] ?? '';
    const open = /^(\s*)```\s*(\S.*)?$/.exec(line);
    if (!open) continue;
    const start = i + 1;
    while (i + 1 < lines.length && !/^\s*```\s*$/.test(lines[i + 1] ?? '')) i++;
    out.push({ line: start, info: (open[2] ?? '').trim().split(/\s+/), text: lines.slice(start, i + 1).join('\n'), heading });
    i++;
  }
  return out;
}

function readPacket(fence: Fence, faults: CaseFault[]): TextPacket | null {
  try {
    return parsePacketText(fence.text);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    faults.push({ line: fence.line + 1 + (error instanceof PacketTextError ? error.line : 0), message: error.message });
    return null;
  }
}

const VERDICTS: ReadonlySet<string> = new Set(['fail', 'okay', 'yes', 'no', 'hotdrop']);

function readExpectation(fence: Fence | null, faults: CaseFault[], named: ReadonlyMap<string, TextPacket>, packets: TextPacket[]): Expectation {
  const globals = new Map<number, number>();
  const diagnostics: string[] = [];
  let verdicts: VerdictName[] = [];
  let error: string | null = null;
  let message: Uint8Array | null = null;
  let output: Uint8Array | null = null;
  let args: Argument[] = [];
  let limits = DEFAULT_LIMITS;
  let zoneSeconds = 0;
  let isStatic = true;
  let kernel: boolean | null = null;
  for (const [i, line] of (fence?.text ?? '').split('\n').entries()) {
    if (line.trim() === '') continue;
    const fault = (text: string): void => void faults.push({ line: (fence?.line ?? 0) + 1 + i, message: text });
    const [, key = '', value = ''] = /^\s*([a-z]+(?: \d+)?):\s*(.*?)\s*$/.exec(line) ?? [];
    const literals = (): Argument[] => readLiterals(value, fault);
    const text = (): Uint8Array | null => {
      const [only] = literals();
      return only?.type === 'str' ? only.bytes : null;
    };
    const [word, index] = key.split(' ');
    switch (word) {
      case 'verdict':
        verdicts = value.split(/[\s,]+/).filter((name): name is VerdictName => VERDICTS.has(name));
        if (verdicts.length !== value.split(/[\s,]+/).length) fault(`unknown verdict in "${value}"`);
        break;
      case 'packets':
        for (const name of value.split(/[\s,]+/)) {
          const packet = named.get(name);
          if (packet === undefined) fault(`no packet is named ${name}`);
          else packets.push(packet);
        }
        break;
      case 'error':
        error = value;
        break;
      case 'message':
        message = text();
        break;
      case 'output':
        output = text();
        break;
      case 'global':
        globals.set(Number(index), Number(value));
        break;
      case 'args':
        args = literals();
        break;
      case 'limits':
        limits = readLimits(value, fault);
        break;
      case 'zone':
        zoneSeconds = Number(value);
        break;
      case 'diagnostic':
        diagnostics.push(value);
        break;
      case 'static':
        isStatic = value === 'yes';
        break;
      case 'kernel':
        kernel = value.startsWith('yes');
        break;
      default:
        fault(`cannot read "${line.trim()}"`);
    }
  }
  return { verdicts, error, message, output, globals, args, limits, zoneSeconds, diagnostics, isStatic, kernel };
}

/** Integers and strings as scripts write them. */
function readLiterals(text: string, fault: (message: string) => void): Argument[] {
  const out: Argument[] = [];
  for (const token of lex(text, (diagnostic) => fault(diagnostic.message))) {
    if (token.kind === 'int') out.push({ type: 'int', value: token.value });
    else if (token.kind === 'str') out.push({ type: 'str', bytes: token.bytes });
    else fault('only integers and strings can stand here');
  }
  return out;
}

function readLimits(text: string, fault: (message: string) => void): Limits {
  let limits = DEFAULT_LIMITS;
  const names: Readonly<Record<string, keyof Limits>> = { stack: 'stackItems', arena: 'arenaBytes', actions: 'maxActions', loops: 'maxWhileLoops' };
  for (const word of text.split(/\s+/)) {
    if (word === 'original') {
      limits = ORIGINAL_LIMITS;
      continue;
    }
    const [name = '', value = ''] = word.split('=');
    const key = names[name];
    if (key === undefined || !/^\d+$/.test(value)) fault(`unknown limit ${word}`);
    else limits = { ...limits, [key]: Number(value) };
  }
  return limits;
}
