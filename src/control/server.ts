/**
 * The daemon's end of the control socket. The file's permissions are the access check:
 * root, and a group when one is configured. A request that is no JSON gets an answer that
 * says so; a client that sends too much without a line end is cut off.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { type Server, type Socket, createServer } from 'node:net';
import { dirname } from 'node:path';
import { MAX_REQUEST_BYTES, type Request, type Response } from './protocol.js';

const COMMANDS: readonly string[] = ['status', 'flows', 'peers', 'top', 'block', 'unblock', 'reload'];
const MAX_CLIENTS = 32;

export type Handler = (request: Request) => Response | Promise<Response>;

/** A line as a request, or what is wrong with it. */
export function parseRequest(line: string): Request | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // Whatever is no JSON gets the same answer.
    return 'the request is no JSON object';
  }
  if (typeof value !== 'object' || value === null) return 'the request is no JSON object';
  const { command, limit, address, seconds } = value as Record<string, unknown>;
  if (typeof command !== 'string' || !COMMANDS.includes(command)) return `unknown command; known are ${COMMANDS.join(', ')}`;
  if (limit !== undefined && !(Number.isSafeInteger(limit) && (limit as number) >= 0)) return 'limit must be a whole number';
  if (seconds !== undefined && !(typeof seconds === 'number' && seconds > 0 && seconds <= 2_147_483)) return 'seconds must be between 1 and 2147483';
  if (address !== undefined && typeof address !== 'string') return 'address must be text';
  return value as Request;
}

export class ControlServer {
  readonly #path: string;
  readonly #handler: Handler;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #madeFolder = false;

  constructor(path: string, handler: Handler) {
    this.#path = path;
    this.#handler = handler;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** Listens; a socket file that a killed daemon left is replaced. `group` may use it too, when given. */
  async open(group: string | null): Promise<void> {
    this.#madeFolder = mkdirSync(dirname(this.#path), { recursive: true, mode: 0o755 }) !== undefined;
    this.#removeFile();
    // Nobody but us between binding and chmod.
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(this.#path, resolve);
      });
    } finally {
      process.umask(mask);
    }
    if (group === null) return;
    const result = spawnSync('chgrp', [group, this.#path], { encoding: 'utf8' });
    if (result.status !== 0) throw new Error(`control.group: ${result.stderr.trim()}`);
    chmodSync(this.#path, 0o660);
  }

  #removeFile(): void {
    try {
      unlinkSync(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  #serve(socket: Socket): void {
    if (this.#clients.size >= MAX_CLIENTS) {
      socket.destroy();
      return;
    }
    this.#clients.add(socket);
    socket.on('close', () => this.#clients.delete(socket));
    // A client that went away is no event of ours.
    socket.on('error', () => socket.destroy());
    let pending = '';
    let turn: Promise<void> = Promise.resolve();
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      pending += text;
      const lines = pending.split('\n');
      pending = lines.pop() ?? '';
      if (pending.length > MAX_REQUEST_BYTES) {
        socket.destroy();
        return;
      }
      for (const line of lines) turn = turn.then(() => this.#answer(socket, line));
    });
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    const request = parseRequest(line);
    let response: Response;
    if (typeof request === 'string') response = { ok: false, error: request, hint: 'use the p2pwall command of the same version' };
    else {
      try {
        response = await this.#handler(request);
      } catch (error) {
        response = { ok: false, error: (error as Error).message, hint: (error as { hint?: string }).hint ?? '' };
      }
    }
    if (!socket.destroyed) socket.write(`${JSON.stringify(response)}\n`);
  }

  close(): void {
    for (const socket of this.#clients) socket.destroy();
    this.#server.close();
    this.#removeFile();
    if (!this.#madeFolder) return;
    try {
      rmdirSync(dirname(this.#path));
    } catch (error) {
      // Somebody else keeps something there.
      if (!['ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}
