/** Says, in log and events, when packets went by a full queue and when the kernel's connection table is full. */
import { ConntrackRoom } from './conntrack-room.js';
import type { EventLog } from './event-log.js';
import type { QueueOverruns } from './queue-overruns.js';
import type { Log } from './log.js';

export class FullnessReports {
  readonly #overruns: QueueOverruns;
  readonly #mode: 'open' | 'closed';
  readonly #log: Pick<Log, 'warn'>;
  readonly #events: Pick<EventLog, 'emit'>;
  readonly #room: ConntrackRoom;

  constructor(overruns: QueueOverruns, mode: 'open' | 'closed', log: Pick<Log, 'warn'>, events: Pick<EventLog, 'emit'>) {
    this.#overruns = overruns;
    this.#mode = mode;
    this.#log = log;
    this.#events = events;
    this.#room = new ConntrackRoom(({ count, max }) => {
      log.warn({ component: 'conntrack', count, max, hint: `sysctl -w net.netfilter.nf_conntrack_max=${max * 2}` }, "the kernel's connection table is full: it drops new connections");
      events.emit('stats', { conntrack: { count, max } });
    });
  }

  /** Call it every few seconds. */
  look(): void {
    this.#room.look();
    const packets = this.#overruns.look();
    if (packets === 0) return;
    const isOpen = this.#mode === 'open';
    this.#log.warn({ component: 'queue', packets }, `the queue was full: packets ${isOpen ? 'passed uninspected' : 'were dropped'}; give gateway.queues more cores`);
    this.#events.emit('stats', { overrun: { packets }, verdict: { action: isOpen ? 'allow' : 'drop', rule: null, why: 'queue-overrun' } });
  }
}
