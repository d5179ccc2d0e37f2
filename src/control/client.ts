/** A command's end of the control socket. */
import { type Socket, connect } from 'node:net';
import type { Request, Response } from './protocol.js';

/** Longer than any answer takes, reloads included. */
const PATIENCE_MS = 30_000;

/** The daemon cannot be asked; `code` is the system's (ENOENT, ECONNREFUSED, EACCES), or ETIMEDOUT. */
export class ControlError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'ControlError';
    this.code = code;
  }
}

export class ControlClient {
  readonly #socket: Socket;
  #pending = '';
  readonly #waiting: { resolve: (response: Response) => void; reject: (error: Error) => void }[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#received(text));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(new ControlError(error.code ?? 'EIO', error.message)));
    socket.on('close', () => this.#fail(new ControlError('ECONNRESET', 'the daemon ended the conversation')));
  }

  /** Throws ControlError. */
  static open(path: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once('error', (error: NodeJS.ErrnoException) => reject(new ControlError(error.code ?? 'EIO', error.message)));
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        resolve(new ControlClient(socket));
      });
    });
  }

  /** One question; throws ControlError when the daemon does not answer. */
  ask(request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new ControlError('ETIMEDOUT', 'the daemon does not answer')), PATIENCE_MS);
      const settle = <T>(then: (value: T) => void) => (value: T): void => {
        clearTimeout(timer);
        then(value);
      };
      this.#waiting.push({ resolve: settle(resolve), reject: settle(reject) });
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
  }

  #received(text: string): void {
    this.#pending += text;
    for (;;) {
      const at = this.#pending.indexOf('\n');
      if (at < 0) return;
      const line = this.#pending.slice(0, at);
      this.#pending = this.#pending.slice(at + 1);
      this.#waiting.shift()?.resolve(JSON.parse(line) as Response);
    }
  }

  #fail(error: ControlError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  close(): void {
    this.#socket.destroy();
  }
}
