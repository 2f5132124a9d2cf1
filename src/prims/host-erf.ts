/** erf and its relatives in f64, for the oracle. Written from the definitions, not from the shaders. */

const twoOverSqrtPi = 2 / Math.sqrt(Math.PI);

/** erf x = 2/√π e^(-x²) Σ 2^n x^(2n+1) / (2n+1)!!: all terms have one sign. */
function erfSeries(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return twoOverSqrtPi * Math.exp(-x * x) * total;
}

/** √π e^(x²) erfc x = 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))), from the inside; x >= 2. */
function erfcFraction(x: number): number {
  let tail = x;
  for (let k = 120; k >= 1; k--) tail = x + k / 2 / tail;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail);
}

export function hostErf(x: number): number {
  if (Number.isNaN(x)) return x;
  const a = Math.abs(x);
  if (a < 2) return erfSeries(x);
  return Math.sign(x) * (1 - erfcFraction(Math.min(a, 30)));
}

export function hostErfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 0) return 2 - hostErfc(-x);
  return x < 2 ? 1 - erfSeries(x) : erfcFraction(Math.min(x, 30));
}

/** The y with erf y = x, by bisection's safety and Newton's speed on erfc, which keeps digits near ±1. */
export function hostErfInv(x: number): number {
  const a = Math.abs(x);
  if (!(a < 1)) return a === 1 ? x * Number.POSITIVE_INFINITY : Number.NaN;
  const rest = 1 - a;
  let lo = 0;
  let hi = 6.5;
  let y = Math.min(a / twoOverSqrtPi, 1);
  for (let i = 0; i < 100; i++) {
    const excess = a < 0.5 ? hostErf(y) - a : rest - hostErfc(y);
    if (excess > 0) hi = y;
    else lo = y;
    const newton = y - excess / (twoOverSqrtPi * Math.exp(-y * y));
    const next = newton > lo && newton < hi ? newton : (lo + hi) / 2;
    if (Math.abs(next - y) <= 1e-16 * y) break;
    y = next;
  }
  return Math.sign(x) * y;
}
