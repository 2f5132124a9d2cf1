/** Orthonormal bases of Krylov spaces of the Hessian, on the device. */
import {
  add,
  dynamicSlice,
  dynamicUpdateSlice,
  greater,
  hvp,
  matmul,
  mul,
  random,
  reshape,
  rsqrt,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tree,
  vmap,
  where,
} from "../../src/index.js";
import { type Averaged, averaged, type LossOfParams, type Objective } from "./objective.js";

/** H·v for rows of `[lanes, n]`, as one vmap. */
export const hessianTimes =
  <P>(loss: LossOfParams<P>) =>
  (params: P, rows: Tensor): Tensor => {
    const [, restore] = tree.ravel(params);
    const one = (v: Tensor): Tensor => tree.ravel(hvp(loss, [params], [restore(v)])[0])[0];
    return vmap(one)(rows);
  };

/** The same, averaged over the objective's data. */
export const hessianRows = <P>(
  op: string,
  objective: Objective<P>,
): Averaged<[params: P, rows: Tensor], Tensor> => averaged(op, objective, hessianTimes);

/** v − Qᵀ(Q v), twice: once leaves an error of rounding times the part that was removed. */
function orthogonalTo(Q: Tensor, v: Tensor): Tensor {
  const once = (x: Tensor): Tensor => sub(x, matmul(matmul(Q, x), Q));
  return once(once(v));
}

const norm = (v: Tensor): Tensor => sqrt(sum(square(v)));

/** Where less than this share of a vector is new, it is rounding: the Krylov space is exhausted. */
const exhausted = 1e-5;

/**
 * `v` made orthonormal to the rows of Q `[m, n]` (zero rows do no harm); where nothing of it is new, a
 * random direction in its place, which keeps the basis orthonormal (and finds what the first vectors
 * happened to be orthogonal to).
 */
export function orthonormal(Q: Tensor, v: Tensor, key: Tensor): Tensor {
  const before = norm(v);
  const fresh = orthogonalTo(Q, v);
  const lot = orthogonalTo(Q, random.normal(key, v.shape));
  const isNew = greater(norm(fresh), mul(before, exhausted));
  const chosen = where(isNew, fresh, lot);
  // Normalised before the last projection: a short vector's rounding errors would grow.
  const unit = (x: Tensor): Tensor => mul(x, rsqrt(add(sum(square(x)), 2 ** -120)));
  return unit(orthogonalTo(Q, unit(chosen)));
}

/** The buffer with `row` [n] or rows [k, n] written at index `at`. */
export const withRows = (buffer: Tensor, rows: Tensor, at: Tensor): Tensor =>
  dynamicUpdateSlice(buffer, rows.ndim === 1 ? reshape(rows, [1, rows.shape[0]!]) : rows, [at, 0]);

/** Rows `at` to `at` + count of a buffer. */
export const rowsAt = (buffer: Tensor, at: Tensor, count: number): Tensor =>
  dynamicSlice(buffer, [at, 0], [count, buffer.shape[1]!]);
