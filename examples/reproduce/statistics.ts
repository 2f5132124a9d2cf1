/** Means, spreads, and paired tests by a library. */
import padjust from "@stdlib/stats-padjust";
import wilcoxon from "@stdlib/stats-wilcoxon";

export const mean = (xs: readonly number[]): number => xs.reduce((s, x) => s + x, 0) / xs.length;

/** The sample standard deviation; NaN for fewer than two values, which have none. */
export function std(xs: readonly number[]): number {
  if (xs.length < 2) return Number.NaN;
  const m = mean(xs);
  return Math.sqrt(xs.reduce((s, x) => s + (x - m) ** 2, 0) / (xs.length - 1));
}

/** Fewest pairs for which a two-sided Wilcoxon test can reach 5% at all: 2·2⁻⁶ = 0.03. */
export const fewestPairs = 6;

/** Differences of accuracies that are equal must be so in their last bit too, or ties count as none. */
const withoutRounding = (difference: number, scale: number): number =>
  Math.round(difference / (scale * 1e-12)) * (scale * 1e-12);

/**
 * Two-sided Wilcoxon signed-rank test of paired values; NaN where there are too few pairs to say
 * anything, 1 where all pairs are equal. The library's p is exact without ties, and of a normal
 * distribution with tie correction where absolute differences are equal (accuracies are multiples of one
 * over the number of images).
 */
export function pairedP(a: readonly number[], b: readonly number[]): number {
  const scale = Math.max(...a.map(Math.abs), ...b.map(Math.abs)) || 1;
  const d = a.map((x, i) => withoutRounding(x - b[i]!, scale)).filter((x) => x !== 0);
  if (a.length < fewestPairs) return Number.NaN;
  return d.length === 0 ? 1 : wilcoxon(d).pValue;
}

/** Holm's correction of the p-values that are there; NaN stays NaN. */
export function holm(ps: readonly number[]): number[] {
  const there = ps.filter((p) => !Number.isNaN(p));
  const adjusted = there.length === 0 ? [] : [...padjust(there, "holm")];
  return ps.map((p) => (Number.isNaN(p) ? p : adjusted.shift()!));
}
