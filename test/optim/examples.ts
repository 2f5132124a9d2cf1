/** The worked examples of CR-SAM: losses on a tree of two scalars, and their closed forms. */
import type { Tensor } from "dawngrad";

/** Parameters as a tree of two leaves, so that norms and products go over leaves. */
export interface Point2 {
  readonly x: Tensor;
  readonly y: Tensor;
}

export interface Example {
  readonly name: string;
  readonly loss: (w: Point2) => Tensor;
  readonly w: readonly [number, number];
  readonly rho: number;
  /** Plain arithmetic, independent of the engine. */
  readonly value: (x: number, y: number) => number;
  readonly gradient: (x: number, y: number) => readonly [number, number];
  readonly hessian: (x: number, y: number) => readonly (readonly [number, number])[];
  /** D³L[v,v]. */
  readonly third: (x: number, y: number, v: readonly [number, number]) => readonly [number, number];
}

/** ½(x² + 4y²) */
export const Q: Example = {
  name: "Q",
  loss: ({ x, y }) => x.mul(x).mul(0.5).add(y.mul(y).mul(2)),
  w: [3, 1],
  rho: 0.05,
  value: (x, y) => (x * x + 4 * y * y) / 2,
  gradient: (x, y) => [x, 4 * y],
  hessian: () => [
    [1, 0],
    [0, 4],
  ],
  third: () => [0, 0],
};

/** x⁴/4 + y² + xy */
export const S: Example = {
  name: "S",
  loss: ({ x, y }) => x.mul(x).mul(x).mul(x).mul(0.25).add(y.mul(y)).add(x.mul(y)),
  w: [1, 0.5],
  rho: 0.1,
  value: (x, y) => x ** 4 / 4 + y * y + x * y,
  gradient: (x, y) => [x ** 3 + y, 2 * y + x],
  hessian: (x) => [
    [3 * x * x, 1],
    [1, 2],
  ],
  third: (x, _y, v) => [6 * x * v[0] * v[0], 0],
};

/** −x²/2 + x⁴/4: negative curvature near zero; y is flat. */
export const N: Example = {
  name: "negative curvature",
  loss: ({ x, y }) => x.mul(x).mul(-0.5).add(x.mul(x).mul(x).mul(x).mul(0.25)).add(y.mul(0)),
  w: [0.2, 0],
  rho: 0.1,
  value: (x) => -(x * x) / 2 + x ** 4 / 4,
  gradient: (x) => [-x + x ** 3, 0],
  hessian: (x) => [
    [-1 + 3 * x * x, 0],
    [0, 0],
  ],
  third: (x, _y, v) => [6 * x * v[0] * v[0], 0],
};

type Pair = readonly [number, number];
const dot = (a: Pair, b: Pair): number => a[0] * b[0] + a[1] * b[1];
const times = (m: readonly Pair[], v: Pair): Pair => [dot(m[0]!, v), dot(m[1]!, v)];
const sum = (...terms: readonly (readonly [number, Pair])[]): Pair => [
  terms.reduce((s, [c, v]) => s + c * v[0], 0),
  terms.reduce((s, [c, v]) => s + c * v[1], 0),
];

export interface ClosedForm {
  readonly L0: number;
  readonly Lp: number;
  readonly Lm: number;
  readonly A: number;
  readonly B: number;
  readonly gradNorm: number;
  readonly g0: Pair;
  readonly gp: Pair;
  readonly gm: Pair;
  readonly a: number;
  readonly b: number;
  readonly step: Pair;
  /** How far float32 may be from `step`, element by element; see `stepBound`. */
  readonly bound: Pair;
}

export interface FormOptions {
  readonly alpha: number;
  readonly beta: number;
  readonly variant: "code" | "paper";
  readonly through?: "stop" | "full";
  readonly curvature?: "finite-difference" | "exact";
}

/** CR-SAM by plain arithmetic; A and B must lie above every floor. */
export function closedForm(e: Example, o: FormOptions): ClosedForm {
  const { rho } = e;
  const g0 = e.gradient(...e.w);
  const gradNorm = Math.hypot(...g0);
  const v: Pair = [g0[0] / gradNorm, g0[1] / gradNorm];
  const at = (s: number): Pair => [e.w[0] + s * rho * v[0], e.w[1] + s * rho * v[1]];
  const [L0, Lp, Lm] = [e.value(...e.w), e.value(...at(1)), e.value(...at(-1))];
  const [gp, gm] = [e.gradient(...at(1)), e.gradient(...at(-1))];
  const H = e.hessian(...e.w);
  const Hv = times(H, v);
  const exact = o.curvature === "exact";
  const A = exact ? rho * rho * dot(v, Hv) : Lp + Lm - 2 * L0;
  const B = exact ? 2 * rho * gradNorm : Lp - Lm;
  const a = o.variant === "paper" ? o.alpha / A : o.alpha;
  const b = o.variant === "paper" ? o.beta / B : o.beta;
  let step = exact
    ? sum([1, gp], [a * rho * rho, e.third(...e.w, v)], [2 * rho * b, Hv])
    : sum([1 + a + b, gp], [a - b, gm], [-2 * a, g0]);
  if (o.through === "full") {
    const u = exact ? sum([1, gp], [2 * a * rho, Hv]) : sum([1 + a + b, gp], [b - a, gm]);
    step = sum([1, step], [rho / gradNorm, times(H, sum([1, u], [-dot(v, u), v]))]);
  }
  const form = { L0, Lp, Lm, A, B, gradNorm, g0, gp, gm, a, b, step };
  return { ...form, bound: stepBound(form, o, H, rho) };
}

/** Roundings on the way to one value of these examples, at half a unit in the last place each. */
const roundings = 16;
const unit = 2 ** -24;

/**
 * Forward error of the step in float32. A loss or gradient has an error of `roundings` half-ulps of
 * itself; a difference keeps the absolute errors of its terms, so A is off by the sum of |L₊|, |L₋|
 * and 2|L0| times that, which relative to A is the condition number that the paper form multiplies
 * a·(g₊ + g₋ − 2g0) with; likewise B.
 */
function stepBound(
  f: Omit<ClosedForm, "bound">,
  o: FormOptions,
  H: readonly Pair[],
  rho: number,
): Pair {
  const eps = roundings * unit;
  const paper = o.variant === "paper" && o.curvature !== "exact";
  const relA = paper
    ? (eps * (Math.abs(f.Lp) + Math.abs(f.Lm) + 2 * Math.abs(f.L0))) / Math.abs(f.A)
    : eps;
  const relB = paper ? (eps * (Math.abs(f.Lp) + Math.abs(f.Lm))) / Math.abs(f.B) : eps;
  const of = (i: 0 | 1): number => {
    const [g0, gp, gm] = [Math.abs(f.g0[i]), Math.abs(f.gp[i]), Math.abs(f.gm[i])];
    const d2 = Math.abs(f.gp[i] + f.gm[i] - 2 * f.g0[i]);
    const d1 = Math.abs(f.gp[i] - f.gm[i]);
    const stop =
      eps * gp +
      Math.abs(f.a) * (eps * (gp + gm + 2 * g0) + relA * d2) +
      Math.abs(f.b) * (eps * (gp + gm) + relB * d1);
    if (o.through !== "full") return stop;
    // (ρ/n)·H·u⊥, with |u| no larger than the coefficients allow and both ends' errors in u.
    const size =
      Math.hypot(...f.gp) * (1 + Math.abs(f.a) + Math.abs(f.b)) +
      Math.hypot(...f.gm) * (Math.abs(f.a) + Math.abs(f.b));
    const norm = Math.hypot(...H[0]!, ...H[1]!);
    return stop + (rho / f.gradNorm) * norm * size * (3 * eps + relA + relB);
  };
  return [of(0), of(1)];
}
