/** Means and spreads over seeds. */

export const mean = (xs: readonly number[]): number => xs.reduce((s, x) => s + x, 0) / xs.length;

/** The sample standard deviation; NaN for fewer than two values, which have none. */
export function std(xs: readonly number[]): number {
  const m = mean(xs);
  const squares = xs.reduce((s, x) => s + (x - m) ** 2, 0);
  return xs.length < 2 ? Number.NaN : Math.sqrt(squares / (xs.length - 1));
}

export function median(xs: readonly number[]): number {
  const sorted = [...xs].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The standard error of the mean of independent estimates that each have a standard error. */
export const pooledError = (errors: readonly number[]): number =>
  Math.sqrt(errors.reduce((s, e) => s + e * e, 0)) / errors.length;

export interface Comparison {
  /** Mean over seeds of a − b. */
  readonly difference: number;
  /** Standard deviation of a − b over seeds; NaN for one seed. */
  readonly spread: number;
  readonly seeds: number;
  /** Whether the difference is larger than its spread; undefined for one seed. */
  readonly beyond: boolean | undefined;
}

/** Two methods compared seed by seed: the same seed gave both the same weights and order. */
export function compare(a: readonly number[], b: readonly number[]): Comparison {
  const seeds = Math.min(a.length, b.length);
  const differences = Array.from({ length: seeds }, (_, i) => a[i]! - b[i]!);
  const difference = mean(differences);
  const spread = std(differences);
  const beyond = seeds < 2 ? undefined : Math.abs(difference) > spread;
  return { difference, spread, seeds, beyond };
}
