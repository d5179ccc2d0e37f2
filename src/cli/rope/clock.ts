/** What time it is, for scripts in the kernel: they count from boot and know no time zones. */
import { readFileSync } from 'node:fs';
import type { ClockState } from '../../rope/backends/ebpf/state.js';

const DAY_SECONDS = 86_400;
/** Summer and winter time change within this time. */
const HORIZON_DAYS = 370;

/** Local time zone of this machine at an instant. */
export function utcOffsetSeconds(epochSeconds: number): number {
  return -60 * new Date(epochSeconds * 1000).getTimezoneOffset();
}

/** The clock now, with the next change of local time. Accurate to the 10 ms of /proc/uptime. */
export function clockNow(): ClockState {
  const sinceBootNs = BigInt(Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1e9));
  const nowMs = Date.now();
  const nowSeconds = Math.floor(nowMs / 1000);
  const zoneSeconds = utcOffsetSeconds(nowSeconds);
  let change = nowSeconds + HORIZON_DAYS * DAY_SECONDS;
  for (let day = 1; day <= HORIZON_DAYS; day++) {
    if (utcOffsetSeconds(nowSeconds + day * DAY_SECONDS) === zoneSeconds) continue;
    change = firstSecond(nowSeconds + (day - 1) * DAY_SECONDS, nowSeconds + day * DAY_SECONDS, zoneSeconds);
    break;
  }
  return {
    epochMinusBootNs: BigInt(nowMs) * 1_000_000n - sinceBootNs,
    zoneSeconds,
    zoneChangeSeconds: change,
    zoneAfterSeconds: utcOffsetSeconds(change),
  };
}

/** First second in (before, after] at which the offset is another one. */
function firstSecond(before: number, after: number, offset: number): number {
  let [low, high] = [before, after];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (utcOffsetSeconds(middle) === offset) low = middle;
    else high = middle;
  }
  return high;
}
