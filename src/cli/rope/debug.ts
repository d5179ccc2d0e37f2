/**
 * `rope debug`: steps through a script on one packet. Commands come from standard input, one a
 * line, so that a debugging session can be a file too.
 */
import { readSync } from 'node:fs';
import type { Step } from '../../rope/code.js';
import { makeInterpreter } from '../../rope/backends/interpreter.js';
import type { Machine } from '../../rope/backends/machine.js';
import type { Paint } from '../../rope/diagnostics.js';
import { isMatch } from '../../rope/ir.js';
import { hexdumpText } from '../../rope/hexdump.js';
import { RunContext } from '../../rope/run-context.js';
import { VERDICT_NAMES } from '../../rope/testing/run-case.js';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from '../exit-codes.js';
import { utcOffsetSeconds } from './clock.js';
import { complain, paintFor } from './messages.js';
import { openScript } from './open-script.js';
import type { Push } from './options.js';
import { forEachPacket } from './packets.js';
import { itemText, sourceLine, traceLine } from './trace.js';

const HELP = `s, Enter  one step            c         go on to the end or a breakpoint
n         to the next line      b LINE    set or clear a breakpoint
p         print the stack       r         print the registers
x         hexdump at the offset l         list the source
h         this help             q         quit
`;

export async function ropeDebug(
  scriptPath: string,
  packets: string,
  options: { readonly packet: number; readonly limits: string },
  pushes: readonly Push[],
): Promise<number> {
  if (packets === '-') {
    complain('rope debug', 'standard input is for commands', 'name a file with packets');
    return EXIT_USAGE;
  }
  const opened = await openScript('rope debug', scriptPath, pushes, options.limits);
  if (opened === null) return EXIT_USAGE;
  const { script, args, limits, compiled } = opened;
  const context = new RunContext({ utcOffsetSeconds, output: ({ bytes }) => process.stdout.write(bytes) });
  let isFound = false;
  const { error } = await forEachPacket(packets, ({ bytes, start, end, index, timeSeconds }) => {
    if (index < options.packet) return true;
    isFound = index === options.packet;
    context.packet.load(bytes.slice(start, end), 0, end - start);
    context.packet.packetTime = (timeSeconds ?? 0) | 0;
    context.packet.kernelTime = context.packet.packetTime;
    return false;
  });
  if (!isFound) {
    complain('rope debug', `${packets}: ${error ?? `there is no IP packet ${options.packet}`}`);
    return EXIT_USAGE;
  }
  const debug = new Debugger(script.source, paintFor(process.stdout));
  const machine = makeInterpreter(compiled.program, context, limits, (step, current) => debug.onStep(step, current));
  try {
    const verdict = machine.run(args);
    process.stdout.write(`verdict: ${VERDICT_NAMES[verdict] ?? '?'}${context.tag === null ? '' : ` (${context.tag})`}\n`);
    return isMatch(verdict) ? EXIT_OK : EXIT_FAILED;
  } catch (thrown) {
    if (thrown instanceof Quit) return EXIT_FAILED;
    throw thrown;
  }
}

/** Thrown by the command `q`. */
class Quit {}

class Debugger {
  readonly #source: string;
  readonly #paint: Paint;
  readonly #breakpoints = new Set<number>();
  #mode: 'step' | 'line' | 'continue' = 'step';
  #line = 0;
  #input = '';
  #isAtEnd = false;

  constructor(source: string, paint: Paint) {
    this.#source = source;
    this.#paint = paint;
    process.stdout.write(HELP);
  }

  onStep(step: Step, machine: Machine): void {
    const line = machine.program.spans[step.at]?.line ?? 0;
    const isNewLine = line !== this.#line;
    this.#line = line;
    const stops = this.#mode === 'step' || (isNewLine && (this.#mode === 'line' || this.#breakpoints.has(line)));
    if (!stops || this.#isAtEnd) return;
    if (isNewLine) process.stdout.write(`${sourceLine(this.#source, line, this.#paint)}\n`);
    process.stdout.write(`${traceLine(step, this.#source, machine, this.#paint)}\n`);
    while (!this.#command(machine));
  }

  /** Reads and obeys one command; true when the script shall go on. */
  #command(machine: Machine): boolean {
    process.stdout.write('rope> ');
    const text = this.#readLine();
    if (text === null) {
      this.#isAtEnd = true;
      process.stdout.write('\n');
      return true;
    }
    const [word = '', operand = ''] = text.trim().split(/\s+/);
    const modes: Readonly<Record<string, 'step' | 'line' | 'continue'>> = { '': 'step', s: 'step', n: 'line', c: 'continue' };
    const mode = modes[word];
    if (mode !== undefined) {
      this.#mode = mode;
      return true;
    }
    if (word === 'q') throw new Quit();
    process.stdout.write(this.#answer(word, operand, machine));
    return false;
  }

  #answer(word: string, operand: string, machine: Machine): string {
    switch (word) {
      case 'p':
        return machine.stack.length === 0 ? 'the stack is empty\n' : `${machine.stack.map((item, i) => `${i}: ${itemText(item)}`).reverse().join('\n')}\n`;
      case 'r': {
        const { packet } = machine.context;
        const user = [...machine.registers].map(([name, item]) => `$${name} = ${itemText(item)}\n`).join('');
        return `$offset = ${machine.offset}, $data_start = ${packet.dataAt}, $packet_len = ${packet.packetLength}\n${user}`;
      }
      case 'x': {
        const { packet } = machine.context;
        const left = machine.bytesLeft();
        return new TextDecoder('latin1').decode(hexdumpText(packet.bytes, packet.start + machine.offset, Math.min(left, 256)));
      }
      case 'b': {
        const line = Number(operand);
        if (!Number.isInteger(line) || line < 1) return 'b LINE\n';
        if (this.#breakpoints.delete(line)) return `no breakpoint on line ${line} any more\n`;
        this.#breakpoints.add(line);
        return `breakpoint on line ${line}\n`;
      }
      case 'l':
        return this.#source
          .split('\n')
          .map((text, i) => `${this.#breakpoints.has(i + 1) ? '*' : ' '}${i + 1 === this.#line ? '>' : ' '}${String(i + 1).padStart(4)}  ${text}\n`)
          .join('');
      default:
        return HELP;
    }
  }

  /** One line of standard input, read synchronously: the interpreter waits in the middle of a step. */
  #readLine(): string | null {
    const buffer = Buffer.alloc(4096);
    for (;;) {
      const end = this.#input.indexOf('\n');
      if (end >= 0) {
        const line = this.#input.slice(0, end);
        this.#input = this.#input.slice(end + 1);
        return line;
      }
      let count = 0;
      try {
        count = readSync(0, buffer, 0, buffer.length, null);
      } catch (error) {
        // A terminal in non-blocking mode: try again a little later.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
        continue;
      }
      if (count === 0) return null;
      this.#input += buffer.toString('latin1', 0, count);
    }
  }
}
