/** Rates as tc(8) writes them: "2mbit", "500kbit", "1gbit", bytes per second as "250kbps". */

const BITS: Readonly<Record<string, number>> = {
  bit: 1,
  kbit: 1e3,
  mbit: 1e6,
  gbit: 1e9,
  bps: 8,
  kbps: 8e3,
  mbps: 8e6,
  gbps: 8e9,
};

/** Slower than this no handshake ends; tc's own lowest rate is 8 bit/s. */
const LEAST_BITS_PER_SECOND = 8_000;

/** Bits per second, or what is wrong. */
export function parseRate(text: string): { readonly bitsPerSecond: number } | { readonly problem: string } {
  const found = /^([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)$/i.exec(text.trim());
  const unit = BITS[found?.[2]?.toLowerCase() ?? ''];
  if (!found || unit === undefined) return { problem: `'${text}' is no rate (2mbit, 500kbit, 250kbps)` };
  const bitsPerSecond = Math.round(Number(found[1]) * unit);
  if (bitsPerSecond < LEAST_BITS_PER_SECOND) return { problem: `'${text}' is less than 8kbit: use action = "drop"` };
  return { bitsPerSecond };
}
