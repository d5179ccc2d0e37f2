/**
 * Tells the service manager how the daemon fares: ready, reloading, stopping, alive.
 * Does nothing without NOTIFY_SOCKET. Specification: sd_notify(3), sd_watchdog_enabled(3).
 */
import { UnixDatagramSender } from '../kernel/unix-datagram.js';

export class ServiceNotice {
  readonly #sender: UnixDatagramSender | null;
  #timer: NodeJS.Timeout | null = null;

  constructor(environment: NodeJS.ProcessEnv) {
    const path = environment.NOTIFY_SOCKET ?? '';
    this.#sender = path === '' ? null : new UnixDatagramSender(path);
    const watchdogUs = Number(environment.WATCHDOG_USEC ?? 0);
    // Twice as often as the manager asks for; from the event loop, so that a stuck loop shows.
    if (this.#sender && watchdogUs > 0) this.#timer = setInterval(() => this.#sender?.send('WATCHDOG=1'), watchdogUs / 2000);
    this.#timer?.unref();
  }

  ready(status: string): void {
    this.#sender?.send(`READY=1\nSTATUS=${status}`);
  }

  status(status: string): void {
    this.#sender?.send(`STATUS=${status}`);
  }

  stopping(): void {
    this.#sender?.send('STOPPING=1');
    if (this.#timer) clearInterval(this.#timer);
    this.#sender?.close();
  }
}
