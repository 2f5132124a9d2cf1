/** Norms of the gradient. */
import { grad, jit, ShapeError, type TensorLike, tree } from "../../src/index.js";
import { averaged, batchWeight, type Objective, release } from "./objective.js";

/**
 * ‖∇L(params)‖₂ over all parameters.
 *
 * ```ts
 * await gradientNorm((w: Tensor) => w.mul(w).sum(), array([1.5, 2])); // 5
 * ```
 */
export async function gradientNorm<P>(objective: Objective<P>, params: P): Promise<number> {
  const gradient = averaged("gradientNorm", objective, (loss) => grad(loss));
  const g = await gradient(params);
  const norm = tree.norm(g);
  const value = await norm.item();
  release([g, norm]);
  return value;
}

export interface GradientNorms {
  /** ‖∇L‖ of the full data: the norm of the mean of the mini-batches' gradients. */
  readonly fullData: number;
  /** The mean over mini-batches of ‖∇L_batch‖. */
  readonly meanOfBatches: number;
}

/**
 * Both gradient norms that papers report, told apart by name. `loss` is the mean over a batch;
 * batches are weighted as in `overData`.
 */
export async function gradientNorms<P, B>(
  loss: (params: P, batch: B) => TensorLike,
  params: P,
  batches: Iterable<B> | AsyncIterable<B>,
): Promise<GradientNorms> {
  const step = jit(
    (p: P, batch: B) => {
      const g = grad(loss)(p, batch) as P;
      const weight = batchWeight("gradientNorms", batch);
      return { g: tree.scale(g, weight), norm: tree.norm(g), weight };
    },
    { name: "gradientNorms" },
  );
  const accumulate = jit((total: P, g: P) => tree.add(total, g), {
    name: "gradientNorms",
    donateArgnums: 0,
  });
  let total = tree.zerosLike(params);
  let count = 0;
  let weights = 0;
  let norms = 0;
  for await (const batch of batches) {
    const { g, norm, weight } = step(params, batch);
    total = accumulate(total, g);
    norms += await norm.item();
    weights += typeof weight === "number" ? weight : await weight.item();
    count++;
    release([g, norm]);
  }
  if (count === 0) throw new ShapeError("gradientNorms: there are no batches; give at least one");
  const full = await tree.norm(total).item();
  return { fullData: full / weights, meanOfBatches: norms / count };
}
