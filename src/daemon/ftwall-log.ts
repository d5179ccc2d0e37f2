/**
 * What ftwall says, and to whom: syslog (-l), standard error (-L), JSON lines (--json), debug output (-d).
 *
 * Events carry the letters of the original. Troubles (a refused set, a full disk) go to everybody. Node has no
 * datagram socket of the kind syslog listens on, so lines go through the `logger` program, started once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Action, LogLetter } from '../ftwall/actions.js';

export type LogAction = Extract<Action, { kind: 'log' }>;

/** Names of events in JSON lines. */
const EVENT_NAMES: Readonly<Record<LogLetter, string>> = {
  u: 'udp-dropped',
  U: 'udp-accepted',
  t: 'tcp-dropped',
  T: 'tcp-accepted',
  c: 'client',
  p: 'peer',
  x: 'command',
};

export interface LogWishes {
  readonly syslog: ReadonlySet<string>;
  readonly stderr: ReadonlySet<string>;
  readonly json: boolean;
  /** Letters of -d; null without it. */
  readonly debug: ReadonlySet<string> | null;
}

/** Letters of which log actions are wanted at all. */
export function wantedLetters(wishes: LogWishes): Set<LogLetter> {
  const all = Object.keys(EVENT_NAMES) as LogLetter[];
  return new Set(all.filter((letter) => wishes.json || wishes.syslog.has(letter) || wishes.stderr.has(letter)));
}

/** `u dropped`: how an event reads in a line. `mac` is '' when unknown or not wanted. */
export function eventLine(event: LogAction, mac: string): string {
  const client = mac === '' ? event.client : `${event.client} (${mac})`;
  const target = event.address === '' ? '' : ` -> ${event.address.includes(':') ? `[${event.address}]` : event.address}${event.port > 0 ? `:${event.port}` : ''}`;
  return `${EVENT_NAMES[event.letter]} ${client}${target}: ${event.text}`;
}

/** One EVE-like object. */
function eventJson(event: LogAction, mac: string, time: Date): string {
  return JSON.stringify({
    event_type: 'ftwall',
    timestamp: time.toISOString(),
    ftwall: {
      event: EVENT_NAMES[event.letter],
      client_ip: event.client,
      ...(mac === '' ? {} : { client_mac: mac }),
      ...(event.address === '' ? {} : { peer_ip: event.address }),
      ...(event.port > 0 ? { peer_port: event.port } : {}),
      why: event.text,
    },
  });
}

export class FtwallLog {
  readonly #wishes: LogWishes;
  #logger: ChildProcess | null = null;

  constructor(wishes: LogWishes) {
    this.#wishes = wishes;
    if (wishes.syslog.size > 0) this.#startLogger();
  }

  /** An event of the machine. `mac`: link-layer address of the client, '' when unknown. */
  event(event: LogAction, mac: string): void {
    const { syslog, stderr, json, debug } = this.#wishes;
    if (json) process.stdout.write(`${eventJson(event, mac, new Date())}\n`);
    if (stderr.has(event.letter)) process.stderr.write(`ftwall: ${eventLine(event, stderr.has('m') ? mac : '')}\n`);
    if (!syslog.has(event.letter)) return;
    const line = eventLine(event, syslog.has('m') ? mac : '');
    this.#logger?.stdin?.write(`${line}\n`);
    if (debug?.has('l') || debug?.has('A')) process.stdout.write(`ftwall: ${line}\n`);
  }

  /** Whether any reader wants link-layer addresses. */
  get wantsMac(): boolean {
    const { json, syslog, stderr } = this.#wishes;
    return json || syslog.has('m') || stderr.has('m');
  }

  /** A line of debug output, shown when any of these letters was given. */
  debug(letters: string, text: string): void {
    const { debug } = this.#wishes;
    if (debug !== null && (debug.has('A') || [...letters].some((letter) => debug.has(letter)))) process.stdout.write(`ftwall: ${text}\n`);
  }

  /** What is no event of a letter, for whoever reads events at all. */
  note(text: string): void {
    if (this.#wishes.stderr.size > 0) process.stderr.write(`ftwall: ${text}\n`);
    this.#logger?.stdin?.write(`${text}\n`);
    this.#json({ event: 'note', why: text });
    this.debug('q', text);
  }

  /** Something went wrong, and the wall goes on. */
  trouble(text: string, hint = ''): void {
    const line = hint === '' ? text : `${text} (${hint})`;
    process.stderr.write(`ftwall: ${line}\n`);
    this.#logger?.stdin?.write(`${line}\n`);
    this.#json({ event: 'trouble', why: text, hint });
  }

  #json(content: Readonly<Record<string, string>>): void {
    if (this.#wishes.json) process.stdout.write(`${JSON.stringify({ event_type: 'ftwall', timestamp: new Date().toISOString(), ftwall: content })}\n`);
  }

  close(): void {
    this.#logger?.stdin?.end();
    this.#logger = null;
  }

  #startLogger(): void {
    const logger = spawn('logger', ['-t', 'ftwall', '-p', 'daemon.info'], { stdio: ['pipe', 'ignore', 'ignore'] });
    logger.on('error', (error) => {
      this.#logger = null;
      this.trouble(`no syslog: cannot start logger: ${error.message}`, 'install it (Debian package bsdutils), or use -L');
    });
    logger.stdin?.on('error', (error) => {
      this.#logger = null;
      this.trouble(`syslog is gone: ${error.message}`);
    });
    logger.unref();
    this.#logger = logger;
  }
}
