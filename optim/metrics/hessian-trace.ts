/** The Hessian's trace by Hutchinson's estimator, and the paper's normalised curvature. */
import {
  DawngradError,
  hvp,
  random,
  type Shape,
  slice,
  type Tensor,
  tree,
  vmap,
} from "../../src/index.js";
import { gradientNorm } from "./gradient-norm.js";
import { averaged, type LossOfParams, type Objective, release } from "./objective.js";

export interface TraceOptions {
  /** Number of random probes, or the most of them with `tolerance`. Default 32. */
  readonly probes?: number;
  /** Probes in one vmap: more are faster and take more memory. Default 8. */
  readonly chunk?: number;
  /**
   * Stop early once the standard error is at most this share of the mean's magnitude. The error is looked
   * at from `minProbes` probes on and has to be that small after two chunks in a row, so that a few
   * probes that happen to agree do not end it. Default: all probes.
   */
  readonly tolerance?: number;
  /** Default 16. */
  readonly minProbes?: number;
}

/** Mean of the probes, and the standard error of that mean (NaN for a single probe). */
export interface Estimate {
  readonly mean: number;
  readonly standardError: number;
  /** Probes that were used. */
  readonly probes: number;
}

/** A random ±1 vector in the structure of the parameters. */
export function probe<P>(params: P, key: Tensor): P {
  const [leaves, def] = tree.flatten(params);
  return def.unflatten(
    (leaves as Tensor[]).map((w, i) =>
      random.rademacher(random.foldIn(key, i), w.shape as Shape, { dtype: "float32" }),
    ),
  ) as P;
}

export function checkCount(op: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new DawngradError(`${op}: ${name} is ${value}; give a positive integer`);
  }
}

/** Running mean and variance (Welford): no cancellation, whatever the size of the trace. */
function running() {
  let [n, mean, squares] = [0, 0, 0];
  return {
    add(x: number) {
      n++;
      const d = x - mean;
      mean += d / n;
      squares += d * (x - mean);
    },
    estimate: (): Estimate => ({
      mean,
      standardError: n > 1 ? Math.sqrt(squares / (n - 1) / n) : Number.NaN,
      probes: n,
    }),
  };
}

/**
 * Tr(∇²L) as the mean of vᵀHv over Rademacher probes v (Hutchinson 1990). Hessian-vector products are
 * jvp of grad: no finite differences. Exact for a diagonal Hessian; otherwise one probe has the
 * variance 2(‖H‖_F² − Σ H_ii²).
 *
 * ```ts
 * const loss = (w: Tensor) => w.mul(w).mul(array([1, 3])).sum();
 * (await hutchinsonTrace(loss, array([1, 1]), random.key(0), { probes: 4 })).mean; // 8
 * ```
 */
export async function hutchinsonTrace<P>(
  objective: Objective<P>,
  params: P,
  key: Tensor,
  { probes = 32, chunk = 8, tolerance, minProbes = 16 }: TraceOptions = {},
): Promise<Estimate> {
  const op = "hutchinsonTrace";
  checkCount(op, "probes", probes);
  checkCount(op, "chunk", chunk);
  checkCount(op, "minProbes", minProbes);
  if (tolerance !== undefined && !(tolerance > 0)) {
    throw new DawngradError(`${op}: tolerance is ${tolerance}; give a positive number`);
  }
  const quadratic = averaged(op, objective, (loss: LossOfParams<P>) => (p: P, keys: Tensor) => {
    const one = (k: Tensor): Tensor => {
      const v = probe(p, k);
      return tree.dot(v, hvp(loss, [p], [v])[0]);
    };
    return vmap(one)(keys);
  });
  const keys = random.split(key, probes);
  const seen = running();
  let small = 0;
  for (let from = 0; from < probes; from += chunk) {
    const part = slice(keys, [from, 0], [Math.min(probes, from + chunk), 2]);
    const values = await quadratic(params, part);
    for (const x of await values.data()) seen.add(x);
    release([part, values]);
    const { mean, standardError, probes: n } = seen.estimate();
    if (tolerance === undefined || n < Math.max(2, minProbes)) continue;
    small = standardError <= tolerance * Math.abs(mean) ? small + 1 : 0;
    if (small >= 2) break;
  }
  keys.dispose();
  return seen.estimate();
}

export interface NormalizedTrace extends Estimate {
  readonly trace: Estimate;
  readonly gradientNorm: number;
}

/**
 * The normalised Hessian trace C(w) = Tr(∇²L)/‖∇L‖₂ (CR-SAM, equation 4), with trace and gradient norm.
 * `mean` is infinite or NaN where the gradient is zero.
 */
export async function normalizedHessianTrace<P>(
  objective: Objective<P>,
  params: P,
  key: Tensor,
  options: TraceOptions = {},
): Promise<NormalizedTrace> {
  const trace = await hutchinsonTrace(objective, params, key, options);
  const norm = await gradientNorm(objective, params);
  return {
    mean: trace.mean / norm,
    standardError: trace.standardError / norm,
    probes: trace.probes,
    trace,
    gradientNorm: norm,
  };
}
