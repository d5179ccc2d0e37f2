/**
 * Traffic classes as tc commands: HTB at the root of each interface, one class for each
 * rule that limits or prioritises, one more for each client where a limit is per client.
 * Text for `tc -batch`. Both directions are shaped where they leave: downloads on the
 * inside interfaces, uploads on the outside ones.
 *
 * Packets without a class pass HTB unshaped (`default 0`). Installed only when the policy
 * has such rules: it takes the place of the interface's own root qdisc.
 */
import type { WallPlan } from './plan.js';

/** Major number of our qdisc; "p" + "2" has no meaning to others. */
export const ROOT_HANDLE = '7032';

/** Minor numbers of classes of single clients begin here, above all mark values. */
export const FIRST_CLIENT_MINOR = 0x100;
export const LAST_CLIENT_MINOR = 0xfffe;

/** Prioritised traffic is not limited: the rate of its class is more than any link's. */
const UNLIMITED = '100gbit';
/** Shares among unequal claims: HTB serves smaller `prio` first. */
const PRIO = { high: 0, limit: 4, low: 7 } as const;

/**
 * Bytes that a limited class may send at once. tc's own default, one packet, loses what a busy machine's late timers let pass
 * unused (2.5 of 4 Mbit/s measured); 50 ms of the rate, at least 32 KiB, catch up with that.
 */
function burstBytes(bitsPerSecond: number): number {
  return Math.max(32_768, Math.round((bitsPerSecond / 8) * 0.05));
}

export function shapedInterfaces(plan: WallPlan): string[] {
  return plan.classes.some((it) => !(it.kind === 'limit' && it.per === 'flow')) ? [...plan.inside, ...plan.outside] : [];
}

/** Lines that set up one interface. */
export function shapingText(plan: WallPlan, device: string): string {
  const lines = [`qdisc replace dev ${device} root handle ${ROOT_HANDLE}: htb default 0`];
  for (const it of plan.classes) {
    const minor = it.value.toString(16);
    const isLimit = it.kind === 'limit';
    if (isLimit && it.per === 'flow') continue;
    const rate = isLimit ? `${it.bitsPerSecond}bit` : UNLIMITED;
    const prio = isLimit ? PRIO.limit : PRIO[it.band];
    const burst = isLimit ? ` burst ${burstBytes(it.bitsPerSecond)} cburst ${burstBytes(it.bitsPerSecond)}` : '';
    lines.push(`class replace dev ${device} parent ${ROOT_HANDLE}: classid ${ROOT_HANDLE}:${minor} htb rate ${rate} ceil ${rate}${burst} prio ${prio}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Lines that give a client a class of its own on one interface. */
export function clientClassText(device: string, minor: number, bitsPerSecond: number): string {
  const rate = `${bitsPerSecond}bit`;
  const burst = burstBytes(bitsPerSecond);
  return `class replace dev ${device} parent ${ROOT_HANDLE}: classid ${ROOT_HANDLE}:${minor.toString(16)} htb rate ${rate} ceil ${rate} burst ${burst} cburst ${burst} prio ${PRIO.limit}\n`;
}

/** Whether `tc qdisc show dev X` shows our qdisc at the root. */
export function hasOwnQdisc(shown: string): boolean {
  return new RegExp(`^qdisc htb ${ROOT_HANDLE}: `, 'm').test(shown);
}
