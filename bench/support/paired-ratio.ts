/**
 * How much more one way gives than another, from rounds in which both were measured one after the other: what changes slowly
 * on the machine is in both and cancels out, and single bad rounds count little.
 *
 * The estimate is the median of all means of two rounds' logarithms (Hodges and Lehmann, 1963); its interval of 95 % comes from
 * Wilcoxon's signed ranks, in the normal approximation, good from about ten rounds on. Neither supposes a distribution.
 */

export interface PairedRatio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** `of[i] / by[i]` belong to one round. At least six rounds. */
export function pairedRatio(of: readonly number[], by: readonly number[]): PairedRatio {
  const logarithms = of.map((value, round) => Math.log(value / (by[round] ?? Number.NaN)));
  const count = logarithms.length;
  const means = logarithms.flatMap((a, i) => logarithms.slice(i).map((b) => (a + b) / 2)).sort((a, b) => a - b);
  // 1.96: normal quantile of 97.5 %. Mean and variance of the signed-rank sum: n(n+1)/4, n(n+1)(2n+1)/24.
  const skip = Math.max(0, Math.floor((count * (count + 1)) / 4 - 1.96 * Math.sqrt((count * (count + 1) * (2 * count + 1)) / 24)));
  const at = (index: number): number => Math.exp(means[index] ?? Number.NaN);
  const middle = Math.floor(means.length / 2);
  const ratio = means.length % 2 === 1 ? at(middle) : Math.sqrt(at(middle - 1) * at(middle));
  return { ratio, low: at(skip), high: at(means.length - 1 - skip) };
}
