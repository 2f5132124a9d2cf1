/** How good SAM's single step of ascent is. */
import {
  asarray,
  DawngradError,
  div,
  foriLoop,
  grad,
  jit,
  minimum,
  stack,
  type Tensor,
  type TensorLike,
  tree,
} from "../../src/index.js";
import { reciprocalOrZero } from "../sharpness/perturb.js";
import { checkCount } from "./hessian-trace.js";
import type { Objective } from "./objective.js";
import { batchWeight } from "./objective.js";

export interface ApproximationOptions {
  /** Radius of the ball. */
  readonly rho: number;
  /** Steps of the reference ascent. Default 20. */
  readonly steps?: number;
  /** Length of each. Default rho/4. */
  readonly stepSize?: number;
}

export interface ApproximationRatio {
  /** Mean sharpness of the one-step perturbation over that of the many-step one. */
  readonly ratio: number;
  /** Of the ratio, over batches, by the delta method; NaN for a single batch. */
  readonly standardError: number;
  /** L(w + e) − L(w) of each batch, for e = ρ·g/‖g‖ and for the projected ascent's e. */
  readonly oneStep: readonly number[];
  readonly manySteps: readonly number[];
}

/**
 * CR-SAM's approximation ratio (equation 2): the sharpness that SAM's one step finds, over what a
 * projected gradient ascent finds in the same ball: `steps` steps of length `stepSize` along the unit
 * gradient, each followed by projection to ‖e‖ <= ρ. Each batch has perturbations of its own, as in
 * training; reported is the ratio of the means (the mean of ratios is ruled by batches where both are
 * almost zero).
 *
 * ```ts
 * const loss = (w: Tensor) => w.mul(w).sum();
 * (await approximationRatio(loss, array([3, 4]), { rho: 0.5 })).ratio; // 1
 * ```
 */
export async function approximationRatio<P>(
  objective: Objective<P>,
  params: P,
  { rho, steps = 20, stepSize = rho / 4 }: ApproximationOptions,
): Promise<ApproximationRatio> {
  const op = "approximationRatio";
  checkCount(op, "steps", steps);
  if (!(rho > 0 && stepSize > 0)) {
    throw new DawngradError(`${op}: rho is ${rho} and stepSize ${stepSize}; give positive numbers`);
  }
  const data =
    typeof objective === "function"
      ? { loss: (p: P) => objective(p), batches: () => [null] }
      : objective;
  const at = (p: P, e: P, batch: unknown): TensorLike => data.loss(tree.add(p, e), batch);
  const unitStep = (p: P, e: P, batch: unknown, length: TensorLike): P => {
    const g = grad(at)(p, e, batch) as P;
    return tree.scale(g, reciprocalOrZero(tree.norm(g)).mul(length));
  };
  /** Both rises and the batch's weight: the whole ascent is one program. */
  const measure = jit(
    (p: P, batch: unknown): Tensor => {
      const zero = tree.zerosLike(p);
      const ascend = (_: Tensor, e: P): P => {
        const moved = tree.add(e, unitStep(p, e, batch, stepSize));
        return tree.scale(moved, minimum(1, div(rho, tree.norm(moved).add(2 ** -120))));
      };
      const many = foriLoop(0, steps, ascend as never, zero) as P;
      const rise = (e: P): Tensor =>
        (at(p, e, batch) as Tensor).sub(at(p, zero, batch)).astype("float32");
      const weight = batch === null ? 1 : batchWeight(op, batch);
      return stack([
        rise(unitStep(p, zero, batch, rho)),
        rise(many),
        asarray(weight).astype("float32"),
      ]);
    },
    { name: op },
  );
  const oneStep: number[] = [];
  const manySteps: number[] = [];
  const weights: number[] = [];
  for await (const batch of data.batches()) {
    const found = measure(params, batch);
    const [one, many, weight] = await found.data();
    oneStep.push(one!);
    manySteps.push(many!);
    weights.push(weight!);
    found.dispose();
  }
  return { ...ratioOfMeans(oneStep, manySteps, weights), oneStep, manySteps };
}

/** Σ wᵢaᵢ/Σ wᵢbᵢ with its standard error. */
function ratioOfMeans(
  a: readonly number[],
  b: readonly number[],
  w: readonly number[],
): { readonly ratio: number; readonly standardError: number } {
  const total = (xs: readonly number[]) => xs.reduce((s, x, i) => s + w[i]! * x, 0);
  const ratio = total(a) / total(b);
  const n = a.length;
  const squares = a.reduce((s, x, i) => s + (w[i]! * (x - ratio * b[i]!)) ** 2, 0);
  const standardError =
    n > 1 ? Math.sqrt((squares * n) / (n - 1)) / Math.abs(total(b)) : Number.NaN;
  return { ratio, standardError };
}
