/** The Hessian's largest eigenvalues by block Lanczos with full re-orthogonalisation. */
import {
  add,
  array,
  DawngradError,
  jit,
  matmul,
  mul,
  random,
  reshape,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tree,
  zeros,
} from "../../src/index.js";
import { checkCount } from "./hessian-trace.js";
import { hessianRows, orthonormal, rowsAt, withRows } from "./krylov.js";
import { type Objective, release } from "./objective.js";
import { symmetricEigen } from "./symmetric-eigen.js";

export interface EigenOptions {
  /** How many eigenvalues. Default 1. */
  readonly count?: number;
  /**
   * Vectors in a block. A single vector finds each multiple eigenvalue once; a block finds as many copies as
   * it has vectors. Default: `count`.
   */
  readonly block?: number;
  /** At most so many blocks. Default 40. */
  readonly iterations?: number;
  /** Stop when every residual ‖Hy − θy‖ is at most this share of the largest |θ|. Default 1e-4. */
  readonly tolerance?: number;
  /** "largest" (default) or "magnitude": the largest |θ|. */
  readonly which?: "largest" | "magnitude";
}

export interface Eigenvalues<P> {
  /** Descending (by magnitude where that was asked for). */
  readonly values: readonly number[];
  /** ‖Hy − θy‖ of each: an eigenvalue is within this distance (for a symmetric matrix). */
  readonly residuals: readonly number[];
  /** Unit eigenvectors in the structure of the parameters. */
  readonly vectors: readonly P[];
  /** Whether all residuals met the tolerance. */
  readonly converged: boolean;
  /** Hessian-vector products that it took. */
  readonly products: number;
}

const extend = jit(
  (Q: Tensor, HQ: Tensor, images: Tensor, at: Tensor, key: Tensor) => {
    const block = images.shape[0]!;
    const nextHQ = withRows(HQ, images, at);
    let basis = Q;
    for (let i = 0; i < block; i++) {
      const v = reshape(images.slice([i, 0], [i + 1, images.shape[1]!]), [-1]);
      const q = orthonormal(basis, v, random.foldIn(key, i));
      basis = withRows(basis, q, add(at, block + i));
    }
    return [basis, nextHQ] as const;
  },
  { name: "Lanczos block", donateArgnums: [0, 1] },
);

/**
 * The algebraically largest eigenvalues of ∇²L with their eigenvectors, by block Lanczos with full
 * re-orthogonalisation and Rayleigh–Ritz projection (Golub & Van Loan, 10.3). Each comes with its
 * residual, a bound of its error. (Power iteration, which others use, finds the largest magnitude.)
 *
 * Keeps (iterations + 1)·block vectors of the size of the parameters, twice.
 *
 * ```ts
 * const loss = (w: Tensor) => w.mul(w).mul(array([1, 3, -4])).sum();
 * const { values } = await topEigenvalues(loss, array([1, 1, 1]), random.key(0), { count: 2 });
 * values.map((x) => Math.round(x * 1000) / 1000); // [6, 2]
 * ```
 */
export async function topEigenvalues<P>(
  objective: Objective<P>,
  params: P,
  key: Tensor,
  options: EigenOptions = {},
): Promise<Eigenvalues<P>> {
  const op = "topEigenvalues";
  const { count = 1, iterations = 40, tolerance = 1e-4, which = "largest" } = options;
  const size = tree.size(params);
  const block = Math.min(options.block ?? count, size);
  checkCount(op, "count", count);
  checkCount(op, "block", block);
  checkCount(op, "iterations", iterations);
  if (count > size) {
    throw new DawngradError(`${op}: count is ${count}, but there are only ${size} parameters`);
  }
  if (iterations * block < count) {
    throw new DawngradError(
      `${op}: ${iterations} iterations of blocks of ${block} span ${iterations * block} directions, too ` +
        `few for count ${count}; give more iterations or a larger block`,
    );
  }
  const products = hessianRows(op, objective);
  // Blocks that fit into the whole space; the last rows receive vectors that are never used.
  const blocks = Math.min(iterations, Math.ceil(size / block));
  const rows = (blocks + 1) * block;
  let [Q, HQ] = [zeros([rows, size]), zeros([rows, size])];
  const start = jit(
    (basis: Tensor, k: Tensor) => {
      let out = basis;
      for (let i = 0; i < block; i++) {
        const ki = random.foldIn(k, i);
        const q = orthonormal(out, random.normal(ki, [size]), random.foldIn(ki, 1));
        out = withRows(out, q, array(i, { dtype: "int32" }));
      }
      return out;
    },
    { name: "Lanczos start", donateArgnums: 0 },
  );
  const pick = jit((basis: Tensor, at: Tensor) => rowsAt(basis, at, block));
  Q = start(Q, random.foldIn(key, 0));
  let found: Ritz | undefined;
  let made = 0;
  for (let j = 0; j < blocks; j++) {
    const at = array(j * block, { dtype: "int32" });
    const current = pick(Q, at);
    const images = await products(params, current);
    [Q, HQ] = extend(Q, HQ, images, at, random.foldIn(key, j + 1));
    release([at, current, images]);
    made = Math.min((j + 1) * block, size);
    // The projection is cheap against Hessian-vector products, but waits for the device.
    const last = j + 1 === blocks;
    if (made < count || !(last || j % 4 === 3)) continue;
    if (found) release(found.vectors);
    found = await ritz(Q, HQ, made, count, which);
    const scale = Math.max(...found.spread.map(Math.abs));
    if (found.residuals.every((r) => r <= tolerance * scale)) break;
  }
  const { values, residuals, vectors, spread } = found!;
  const [, restore] = tree.ravel(params);
  const scale = Math.max(...spread.map(Math.abs));
  const asTrees = Array.from({ length: count }, (_, i) =>
    restore(reshape(vectors.slice([i, 0], [i + 1, size]), [-1])),
  );
  release([Q, HQ, vectors]);
  return {
    values,
    residuals,
    vectors: asTrees,
    converged: residuals.every((r) => r <= tolerance * scale),
    products: made,
  };
}

interface Ritz {
  readonly values: readonly number[];
  readonly residuals: readonly number[];
  /** [count, n] */
  readonly vectors: Tensor;
  /** All Ritz values. */
  readonly spread: readonly number[];
}

const project = jit((Q: Tensor, HQ: Tensor) => matmul(Q, HQ.transpose()), { name: "Ritz matrix" });

const ritzVectors = jit(
  (Q: Tensor, HQ: Tensor, S: Tensor, theta: Tensor) => {
    const y = matmul(S, Q);
    const r = sub(matmul(S, HQ), mul(y, reshape(theta, [-1, 1])));
    return { y, residuals: sqrt(sum(square(r), 1)) };
  },
  { name: "Ritz vectors" },
);

/** Eigenvalues of H projected on the first `made` rows of Q. */
async function ritz(
  Q: Tensor,
  HQ: Tensor,
  made: number,
  count: number,
  which: "largest" | "magnitude",
): Promise<Ritz> {
  const T = project(Q, HQ);
  const matrix = ((await T.toArray()) as number[][]).slice(0, made).map((r) => r.slice(0, made));
  const { values, vectors } = symmetricEigen(matrix);
  const size = (x: number): number => (which === "magnitude" ? Math.abs(x) : x);
  const order = values.map((_, i) => i).sort((a, b) => size(values[b]!) - size(values[a]!));
  const chosen = order.slice(0, count);
  const rows = Q.shape[0]!;
  const S = new Float32Array(count * rows);
  chosen.forEach((which, i) => {
    S.set(vectors[which]!, i * rows);
  });
  const theta = chosen.map((i) => values[i]!);
  const coefficients = array(S, { shape: [count, rows] });
  const thetas = array(theta);
  const { y, residuals } = ritzVectors(Q, HQ, coefficients, thetas);
  const result = {
    values: theta,
    residuals: [...(await residuals.data())],
    vectors: y,
    spread: values,
  };
  release([T, coefficients, thetas, residuals]);
  return result;
}
