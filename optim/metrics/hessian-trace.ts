/** The Hessian's trace by Hutchinson's estimator, and the paper's normalised curvature. */
import {
  DawngradError,
  grad,
  hvp,
  jit,
  random,
  slice,
  type Tensor,
  type TensorLike,
  tree,
  vmap,
} from "../../src/index.js";

export interface TraceOptions {
  /** Number of random probes. Default 32. */
  readonly probes?: number;
  /** Probes in one vmap: more are faster and take more memory. Default 8. */
  readonly chunk?: number;
}

/** Mean of the probes, and the standard error of that mean (NaN for a single probe). */
export interface Estimate {
  readonly mean: number;
  readonly standardError: number;
}

/** A random ±1 vector in the structure of the parameters. */
function probe<P>(params: P, key: Tensor): P {
  const [leaves, def] = tree.flatten(params);
  return def.unflatten(
    (leaves as Tensor[]).map((w, i) =>
      random.rademacher(random.foldIn(key, i), w.shape, { dtype: "float32" }),
    ),
  ) as P;
}

function checkCounts(op: string, probes: number, chunk: number): void {
  if (!Number.isInteger(probes) || probes < 1 || !Number.isInteger(chunk) || chunk < 1) {
    throw new DawngradError(
      `${op}: probes is ${probes} and chunk ${chunk}; give positive integers`,
    );
  }
}

async function samples<P>(
  lossOfParams: (params: P) => TensorLike,
  params: P,
  key: Tensor,
  probes: number,
  chunk: number,
): Promise<number[]> {
  const quadratic = (p: P, k: Tensor): Tensor => {
    const v = probe(p, k);
    return tree.dot(v, hvp(lossOfParams, [p], [v])[0]);
  };
  const run = jit((p: P, keys: Tensor) => vmap(quadratic, [null, 0])(p, keys), {
    name: "hutchinsonTrace",
  });
  const keys = random.split(key, probes);
  const out: number[] = [];
  for (let from = 0; from < probes; from += chunk) {
    const to = Math.min(probes, from + chunk);
    const values = await run(params, slice(keys, [from, 0], [to, 2])).data();
    out.push(...values);
  }
  return out;
}

function estimate(values: readonly number[]): Estimate {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  const squares = values.reduce((a, b) => a + (b - mean) ** 2, 0);
  return { mean, standardError: n > 1 ? Math.sqrt(squares / (n - 1) / n) : Number.NaN };
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
  lossOfParams: (params: P) => TensorLike,
  params: P,
  key: Tensor,
  { probes = 32, chunk = 8 }: TraceOptions = {},
): Promise<Estimate> {
  checkCounts("hutchinsonTrace", probes, chunk);
  return estimate(await samples(lossOfParams, params, key, probes, chunk));
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
  lossOfParams: (params: P) => TensorLike,
  params: P,
  key: Tensor,
  { probes = 32, chunk = 8 }: TraceOptions = {},
): Promise<NormalizedTrace> {
  checkCounts("normalizedHessianTrace", probes, chunk);
  const norm = jit((p: P) => tree.norm(grad(lossOfParams)(p)));
  const trace = estimate(await samples(lossOfParams, params, key, probes, chunk));
  const gradientNorm = await norm(params).item();
  return {
    mean: trace.mean / gradientNorm,
    standardError: trace.standardError / gradientNorm,
    trace,
    gradientNorm,
  };
}
