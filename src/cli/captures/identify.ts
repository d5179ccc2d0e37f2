/**
 * `p2pwall identify`: which flows of captures are peer-to-peer, and how that is known.
 * Offline, without root. One identifier for each capture: findings of one file never
 * depend on another.
 */
import { PROTOCOLS } from '../../detect/registry.js';
import { Identifier } from '../../engine/identifier.js';
import { Replay, type ReplayCounts } from '../../engine/replay.js';
import type { CaptureError } from '../../pcap/formats.js';
import { CaptureSummary } from '../../report/capture-summary.js';
import { flowRecord } from '../../report/flow-record.js';
import { captureText, totalText } from '../../report/identify-text.js';
import { readCapture } from './capture-input.js';
import { OptimizerPatience } from './optimizer-patience.js';
import { EXIT_FAILED, EXIT_OK } from '../exit-codes.js';
import { colorsFor, Progress, terminalWidth } from '../terminal.js';

export interface IdentifyOptions {
  readonly json?: boolean;
  readonly all?: boolean;
  /** Most flows listed for each capture in the text output. */
  readonly flows: number;
  readonly maxFlows: number;
}

/** JSON lines are collected into pieces of this size before they are written. */
const OUTPUT_BYTES = 1 << 16;

/** Writes to standard output in large pieces and waits when the reader is slow. */
class Output {
  #pending = '';

  line(text: string): void {
    this.#pending += `${text}\n`;
    if (this.#pending.length >= OUTPUT_BYTES) this.flush();
  }

  flush(): void {
    if (this.#pending !== '') process.stdout.write(this.#pending);
    this.#pending = '';
  }
}

interface CaptureResult {
  readonly capture: string;
  readonly summary: CaptureSummary;
  readonly counts: ReplayCounts;
  /** Why reading stopped, and what could not be used. */
  readonly errors: readonly CaptureError[];
}

async function identifyCapture(
  capture: string,
  options: IdentifyOptions,
  output: Output,
  patience: OptimizerPatience,
  signal: AbortSignal,
): Promise<CaptureResult> {
  const summary = new CaptureSummary(options.json === true ? 0 : options.flows);
  const isListing = options.json === true;
  const isListingAll = isListing && options.all === true;
  const identifier: Identifier = new Identifier({
    protocols: PROTOCOLS,
    flows: { maxFlows: options.maxFlows },
    onFlowEnd: (flow, finding) => {
      if (finding === null) summary.addOrdinary();
      else summary.addP2p(identifier.table, flow, finding);
      if (finding === null ? !isListingAll : !isListing && !summary.canList) return;
      const record = flowRecord(identifier.table, flow, finding, capture);
      if (isListing) output.line(JSON.stringify(record));
      else summary.listed.push(record);
    },
  });
  const replay = new Replay(identifier);
  const progress = new Progress(capture);
  const error = await readCapture(capture, (reader) => void replay.drain(reader), {
    signal,
    onProgress: (doneBytes, totalBytes) => {
      progress.update(doneBytes, totalBytes);
      patience.grow(replay.counts.packets);
    },
  });
  identifier.finish();
  progress.clear();
  return { capture, summary, counts: replay.counts, errors: error === null ? replay.problems() : [...replay.problems(), error] };
}

/** One line for people: what happened, where, what to do. */
export function captureErrorText(capture: string, error: CaptureError): string {
  const hint = error.hint === undefined ? '' : `; ${error.hint}`;
  return `p2pwall: ${capture}: ${error.message}${hint}`;
}

/** False for a capture that could not be read at all: there is nothing to sum up, and the message says why. */
export function hasContent({ counts, errors }: Pick<CaptureResult, 'counts' | 'errors'>): boolean {
  return errors.length === 0 || counts.packets > 0;
}

function summaryRecord(results: readonly CaptureResult[], total: CaptureSummary): object {
  const sum = (pick: (counts: ReplayCounts) => number): number => results.reduce((all, { counts }) => all + pick(counts), 0);
  return {
    event_type: 'summary',
    captures: results.length,
    packets: sum((counts) => counts.packets),
    bytes: sum((counts) => counts.lengthBytes),
    fragments: sum((counts) => counts.fragments),
    truncated: sum((counts) => counts.truncated),
    malformed: sum((counts) => counts.malformed),
    unsupported: sum((counts) => counts.unsupported),
    flows: total.flows,
    p2p_flows: total.p2pFlows,
    protocols: Object.fromEntries(
      total.totals().map((it) => [
        it.protocol,
        { category: it.category, flows: it.flows, packets: it.packets, bytes: it.lengthBytes, ...it.byConfidence, clients: it.clients.size },
      ]),
    ),
    errors: results.flatMap(({ capture, errors }) => errors.map(({ message, atBytes }) => ({ capture, message, offset: atBytes }))),
  };
}

/** Runs the command; returns its exit status. */
export async function identify(captures: readonly string[], options: IdentifyOptions): Promise<number> {
  const output = new Output();
  let total = new CaptureSummary(0);
  const results: CaptureResult[] = [];
  const patience = new OptimizerPatience();
  const look = { colors: colorsFor(process.stdout), widthColumns: terminalWidth(process.stdout) };
  // The first Ctrl-C ends the reading, and what was read is reported; the next one ends the program.
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  for (const capture of captures) {
    if (stop.signal.aborted) break;
    const result = await identifyCapture(capture, options, output, patience, stop.signal);
    results.push(result);
    // One capture is its own total: copying its clients would take as long as counting them (bench/identify.ts).
    if (captures.length === 1) total = result.summary;
    else total.merge(result.summary);
    if (options.json !== true && hasContent(result)) output.line(captureText(capture, result.summary, result.counts, look));
    output.flush();
    for (const error of result.errors) process.stderr.write(`${captureErrorText(capture, error)}\n`);
  }
  if (options.json === true) output.line(JSON.stringify(summaryRecord(results, total)));
  else if (captures.length > 1) output.line(totalText(captures.length, total, look));
  output.flush();
  return results.some(({ errors }) => errors.length > 0) || results.length < captures.length ? EXIT_FAILED : EXIT_OK;
}
