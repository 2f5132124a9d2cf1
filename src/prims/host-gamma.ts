/** log|Γ| and its derivatives in f64, for the oracle: upward recurrence and asymptotic series. */

/** B2, B4, …, B20. */
const bernoulli = [
  1 / 6,
  -1 / 30,
  1 / 42,
  -1 / 30,
  5 / 66,
  -691 / 2730,
  7 / 6,
  -3617 / 510,
  43867 / 798,
  -174611 / 330,
];

/** sin πx, exact at the integers. */
const sinPi = (x: number): number => Math.sin(Math.PI * (x - 2 * Math.round(x / 2)));

/** log|Γ(x)|; Infinity at 0, -1, -2, … */
export function hostLgamma(x: number): number {
  if (Number.isNaN(x) || Math.abs(x) === Number.POSITIVE_INFINITY) return Math.abs(x);
  if (x <= 0 && Number.isInteger(x)) return Number.POSITIVE_INFINITY;
  if (x < 0.5) return Math.log(Math.PI / Math.abs(sinPi(x))) - hostLgamma(1 - x);
  let product = 1;
  let y = x;
  while (y < 15) product *= y++;
  let series = 0;
  bernoulli.forEach((b, i) => {
    const k = 2 * (i + 1);
    series += b / (k * (k - 1) * y ** (k - 1));
  });
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}

/** The n-th derivative of digamma (n = 0: digamma itself). NaN at 0, -1, -2, … */
export function hostPolygamma(n: number, x: number): number {
  if (x <= 0 && Number.isInteger(x)) return Number.NaN;
  if (x < 0.5) {
    // ψ(1-x) - ψ(x) = π cot πx, differentiated n times.
    const cot = Math.cos(Math.PI * (x - Math.round(x))) / Math.sin(Math.PI * (x - Math.round(x)));
    const derivative = polynomialAt(cotDerivative(n), cot) * Math.PI ** (n + 1);
    return (n % 2 === 0 ? 1 : -1) * hostPolygamma(n, 1 - x) - derivative;
  }
  const sign = n % 2 === 0 ? -1 : 1;
  let y = x;
  let total = 0;
  while (y < 15 + n) total += factorial(n) / (y++) ** (n + 1);
  // Derivatives of log y - 1/(2y) - Σ B_2k / (2k y^2k).
  total += n === 0 ? -Math.log(y) : factorial(n - 1) / y ** n;
  total += factorial(n) / (2 * y ** (n + 1));
  bernoulli.forEach((b, i) => {
    const k = 2 * (i + 1);
    total += (b * risingFactorial(k, n)) / (k * y ** (k + n));
  });
  return sign * total;
}

/** k (k+1) … (k+n-1). */
const risingFactorial = (k: number, n: number): number => {
  let product = 1;
  for (let i = 0; i < n; i++) product *= k + i;
  return product;
};

export const factorial = (n: number): number => risingFactorial(1, n);

/** Coefficients in c = cot u of the n-th derivative of cot u by u: P₀ = c, Pₙ₊₁ = -(1 + c²) Pₙ'. */
export function cotDerivative(n: number): number[] {
  let p = [0, 1];
  for (let i = 0; i < n; i++) {
    const next = new Array<number>(p.length + 1).fill(0);
    for (let k = 1; k < p.length; k++) {
      next[k - 1]! -= k * p[k]!;
      next[k + 1]! -= k * p[k]!;
    }
    p = next;
  }
  return p;
}

const polynomialAt = (coefficients: readonly number[], x: number): number =>
  coefficients.reduceRight((sum, c) => sum * x + c, 0);
