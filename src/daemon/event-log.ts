/**
 * Where events go: a file, standard output, the system log; one JSON object a line.
 *
 * Never stops the traffic: lines wait in a bounded buffer, what a full disk or a slow reader does not take is counted
 * and dropped, and writing is tried again. `reopen` after logrotate has moved the file.
 */
import { closeSync, mkdirSync, openSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { UnixDatagramSender } from '../kernel/unix-datagram.js';

export interface EventLogOptions {
  readonly file: string | null;
  readonly stdout: boolean;
  readonly syslog: boolean;
  /** Event types that are written. */
  readonly types: ReadonlySet<string>;
  /** The file cannot be written (again): said once for each spell of trouble. */
  readonly onTrouble: (message: string) => void;
}

const FLUSH_MS = 200;
/** Lines wait up to this much for a disk that has no room. */
const MAX_WAITING_BYTES = 4 << 20;
/** RFC 5424: facility daemon(3), severity informational(6). */
const SYSLOG_PRIORITY = 3 * 8 + 6;

/** A record as a line, timed now. */
export function eventLine(type: string, record: object): string {
  return `${JSON.stringify({ timestamp: new Date().toISOString(), event_type: type, ...record })}\n`;
}

export class EventLog {
  readonly #options: EventLogOptions;
  readonly #syslog: UnixDatagramSender | null;
  #timer: NodeJS.Timeout | null = null;
  #fd = -1;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #isWriting = false;
  #isTroubled = false;
  /** Events that were lost because they could not be written. */
  lost = 0;
  written = 0;

  /** Throws when the file cannot be opened. */
  constructor(options: EventLogOptions) {
    this.#options = options;
    this.#syslog = options.syslog ? new UnixDatagramSender('/dev/log') : null;
    if (options.file !== null) {
      mkdirSync(dirname(options.file), { recursive: true, mode: 0o750 });
      this.#fd = openSync(options.file, 'a', 0o640);
    }
  }

  /** Lines that come within so long are written together. */
  #flushSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#flush();
    }, FLUSH_MS).unref();
  }

  /** Writes a record, if its type is wanted. */
  emit(type: string, record: object): void {
    if (this.#options.types.has(type)) this.write(eventLine(type, record));
  }

  /** Writes a line that `eventLine` made. */
  write(line: string): void {
    if (this.#options.stdout) process.stdout.write(line);
    if (this.#syslog && this.#syslog.send(`<${SYSLOG_PRIORITY}>p2pwall[${process.pid}]: ${line}`) !== 0) this.lost++;
    if (this.#options.file === null) return;
    if (this.#waitingBytes + line.length > MAX_WAITING_BYTES) {
      this.lost++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#flushSoon();
  }

  /** Opens the file anew under its name. */
  reopen(): void {
    const { file, onTrouble } = this.#options;
    if (file === null) return;
    try {
      const fd = openSync(file, 'a', 0o640);
      if (this.#fd >= 0) closeSync(this.#fd);
      this.#fd = fd;
    } catch (error) {
      onTrouble(`cannot reopen the event file: ${(error as Error).message}`);
    }
  }

  #flush(): void {
    if (this.#isWriting || this.#waiting.length === 0 || this.#fd < 0) return;
    const text = Buffer.from(this.#waiting.join(''));
    // Further lines join these while the disk is busy.
    const count = this.#waiting.length;
    this.#isWriting = true;
    write(this.#fd, text, (error, writtenBytes) => {
      this.#isWriting = false;
      const isWhole = error === null && writtenBytes === text.length;
      const rest = isWhole ? [] : [text.subarray(writtenBytes ?? 0).toString()];
      this.#waiting = [...rest, ...this.#waiting.slice(count)];
      this.#waitingBytes = this.#waiting.reduce((sum, line) => sum + line.length, 0);
      if (isWhole) this.written += count;
      else if (!this.#isTroubled) this.#options.onTrouble(`cannot write events: ${error?.message ?? 'the disk is full'}`);
      this.#isTroubled = !isWhole;
      if (this.#waiting.length > 0) this.#flushSoon();
    });
  }

  /** Writes what waits, as far as it can be, and closes. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        if (this.#fd >= 0) closeSync(this.#fd);
        this.#fd = -1;
        this.#syslog?.close();
        resolve();
      };
      const tryOnce = (left: number): void => {
        if (this.#fd < 0 || this.#waiting.length === 0 || left === 0) {
          finish();
          return;
        }
        this.#flush();
        setTimeout(() => tryOnce(left - 1), 20);
      };
      tryOnce(10);
    });
  }
}
