/** What has to hold before a time is printed. */

/** Half a unit in the last place of 1 in float32. */
export const halfUlp = 2 ** -24;

/**
 * `actual` within `bound` of `expected`; `what` names the place.
 * @throws Error that says where and by how much
 */
export function near(what: string, actual: number, expected: number, bound: number): void {
  const off = Math.abs(actual - expected);
  if (!(off <= bound)) {
    throw new Error(`wrong values: ${what} is ${actual}, not ${expected} (± ${bound})`);
  }
}

/**
 * A sum of `n` products in float32, in any order: its rounding is at most n·2⁻²⁴·Σ|terms|, to which
 * twice as much is given for fused or split products.
 */
export const sumBound = (n: number, absolute: number): number => 2 * n * halfUlp * absolute + 1e-30;

/** Losses in float32 of a few steps: each a mean of logarithms of sums of sums. */
export function nearLosses(
  actual: readonly number[],
  expected: readonly number[],
  tolerance = 2e-4,
): void {
  const n = Math.min(actual.length, expected.length);
  for (let i = 0; i < n; i++) {
    near(`the loss of step ${i + 1}`, actual[i]!, expected[i]!, tolerance * Math.abs(expected[i]!));
  }
}
