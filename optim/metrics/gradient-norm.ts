/** Norms of the gradient. */
import { grad, jit, ShapeError, type Tensor, type TensorLike, tree } from "../../src/index.js";

/**
 * ‖∇L(params)‖₂ over all parameters.
 *
 * ```ts
 * await gradientNorm((w: Tensor) => w.mul(w).sum(), array([1.5, 2])); // 5
 * ```
 */
export async function gradientNorm<P>(
  lossOfParams: (params: P) => TensorLike,
  params: P,
): Promise<number> {
  const norm = jit((p: P) => tree.norm(grad(lossOfParams)(p)), { name: "gradientNorm" });
  return norm(params).item();
}

export interface GradientNorms {
  /** ‖∇L‖ of the full data: the norm of the mean of the mini-batches' gradients. */
  readonly fullData: number;
  /** The mean over mini-batches of ‖∇L_batch‖. */
  readonly meanOfBatches: number;
}

/**
 * Both gradient norms that papers report, told apart by name. `loss` is the mean over a batch;
 * batches are weighted by the size of their leaves' axis 0.
 */
export async function gradientNorms<P, B>(
  loss: (params: P, batch: B) => TensorLike,
  params: P,
  batches: Iterable<B> | AsyncIterable<B>,
): Promise<GradientNorms> {
  const step = jit(
    (p: P, batch: B) => {
      const g = grad(loss)(p, batch) as P;
      return { g, norm: tree.norm(g) };
    },
    { name: "gradientNorms" },
  );
  const accumulate = jit((total: P, g: P, weight: number) => tree.axpy(weight, g, total), {
    name: "gradientNorms",
    donateArgnums: 0,
  });
  let total = tree.zerosLike(params);
  let count = 0;
  let weights = 0;
  let norms = 0;
  for await (const batch of batches) {
    const size = batchSize(batch);
    const { g, norm } = step(params, batch);
    total = accumulate(total, g, size);
    norms += await norm.item();
    weights += size;
    count++;
  }
  if (count === 0) throw new ShapeError("gradientNorms: there are no batches; give at least one");
  const full = await tree.norm(total).item();
  return { fullData: full / weights, meanOfBatches: norms / count };
}

function batchSize(batch: unknown): number {
  const first = (tree.flatten(batch)[0] as Tensor[]).find((x) => (x.ndim ?? 0) > 0);
  if (!first) {
    throw new ShapeError("gradientNorms: a batch has no leaf with an axis, so its size is unknown");
  }
  return first.shape[0]!;
}
