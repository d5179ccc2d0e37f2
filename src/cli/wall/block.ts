/** `p2pwall block`, `unblock`, `reload`: small requests to the daemon. */
import { parseAddress } from '../../base/address.js';
import { type DaemonOptions, askDaemon } from './ask-daemon.js';
import { EXIT_USAGE } from '../exit-codes.js';

/** 90, 90s, 10m, 2h, 1d as seconds; null when it is none of these. */
export function secondsOf(text: string): number | null {
  const found = /^([0-9]{1,7})(s|m|h|d)?$/.exec(text);
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[found?.[2] ?? 's'] ?? 1;
  const seconds = Number(found?.[1] ?? 0) * unit;
  return seconds > 0 && seconds <= 2_147_483 ? seconds : null;
}

function refuse(message: string): number {
  process.stderr.write(`p2pwall: ${message}\n`);
  return EXIT_USAGE;
}

export function block(address: string, options: DaemonOptions & { readonly for: string }): Promise<number> | number {
  const seconds = secondsOf(options.for);
  if (parseAddress(address) === null) return refuse(`'${address}' is no address; write for example 10.0.0.7 or 2001:db8::7`);
  if (seconds === null) return refuse(`'${options.for}' is no duration; write for example 90s, 10m, 2h (at most 24 days)`);
  return askDaemon<{ connections: number }>(options, { command: 'block', address, seconds }, ({ connections }) => {
    process.stdout.write(`${address} is blocked for ${seconds} seconds; ${connections} open connections stop\n`);
  });
}

export function unblock(address: string, options: DaemonOptions): Promise<number> | number {
  if (parseAddress(address) === null) return refuse(`'${address}' is no address`);
  return askDaemon<{ was_blocked: boolean }>(options, { command: 'unblock', address }, (data) => {
    process.stdout.write(data.was_blocked ? `${address} may pass again\n` : `${address} was not blocked\n`);
  });
}

export function reload(options: DaemonOptions): Promise<number> {
  return askDaemon<{ rules: number; restart_needed: string[] }>(options, { command: 'reload' }, (data) => {
    const note = data.restart_needed.length === 0 ? '' : `; needs a restart: ${data.restart_needed.join(', ')}`;
    process.stdout.write(`${data.rules} rules are in force${note}\n`);
  });
}
