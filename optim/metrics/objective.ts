/** What is measured: a loss of the parameters, or a loss over batches whose mean is meant. */
import {
  asarray,
  isTensor,
  type Jitted,
  jit,
  ShapeError,
  sum,
  type Tensor,
  type TensorLike,
  tree,
} from "../../src/index.js";

/** A loss of the parameters alone. */
export type LossOfParams<P> = (params: P) => TensorLike;

/** A loss over a data set, as `overData` makes it. */
export interface DataObjective<P> {
  readonly loss: (params: P, batch: unknown) => TensorLike;
  readonly batches: () => Iterable<unknown> | AsyncIterable<unknown>;
}

/** What every metric takes. */
export type Objective<P> = LossOfParams<P> | DataObjective<P>;

/**
 * The mean of a loss over batches, for any metric. `loss` is the mean over a batch; a batch counts by
 * the sum of its `weights` where it has them, else by the size of its leaves' axis 0. So values,
 * gradients and Hessian-vector products are exact means over the data, however it is cut into batches.
 * Batches are gone through once for each evaluation: give a list, or a function that starts anew.
 *
 * ```ts
 * const loss = (w: Tensor, x: Tensor) => w.mul(x).mean();
 * const all = overData(loss, [array([1, 3]), array([5])]);
 * await gradientNorm(all, array(1)); // 3
 * ```
 */
export function overData<P, B>(
  loss: (params: P, batch: B) => TensorLike,
  batches: readonly B[] | (() => Iterable<B> | AsyncIterable<B>),
): DataObjective<P> {
  return {
    loss: loss as DataObjective<P>["loss"],
    batches: typeof batches === "function" ? batches : () => batches,
  };
}

/** How much a batch counts. */
export function batchWeight(op: string, batch: unknown): number | Tensor {
  if (typeof batch === "object" && batch !== null && "weights" in batch) {
    if (isTensor(batch.weights)) return sum(batch.weights);
  }
  const first = (tree.flatten(batch)[0] as unknown[]).find((x) => isTensor(x) && x.ndim > 0);
  if (!isTensor(first)) {
    throw new ShapeError(`${op}: a batch has no leaf with an axis, so its size is unknown`);
  }
  return first.shape[0]!;
}

/** The mean over the objective's data of `f(loss)(...args)`, a tree of float tensors. */
export type Averaged<A extends readonly unknown[], R> = (...args: A) => Promise<R>;

/**
 * Compiles `f`, which gets the loss of the parameters (of one batch at a time) and is linear in it. The
 * result is the caller's to dispose.
 */
export function averaged<P, A extends readonly unknown[], R>(
  op: string,
  objective: Objective<P>,
  f: (loss: LossOfParams<P>) => (...args: A) => R,
): Averaged<A, R> {
  if (typeof objective === "function") {
    const run = jit((...args: A) => f(objective)(...args), { name: op });
    return async (...args) => run(...args) as R;
  }
  const onBatch = jit(
    (batch: unknown, args: A): [R, Tensor] => {
      const value = f((params) => objective.loss(params, batch))(...args);
      const weight = asarray(batchWeight(op, batch)).astype("float32");
      return [tree.scale(value, weight), weight];
    },
    { name: op },
  );
  const accumulate = jit((total: [R, Tensor], next: [R, Tensor]) => tree.add(total, next), {
    name: `${op}: sum`,
    donateArgnums: [0, 1],
  }) as Jitted<[[R, Tensor], [R, Tensor]], [R, Tensor]>;
  const divide = jit(
    (total: R, weight: Tensor) => tree.map((x: Tensor) => x.div(weight), total as never) as R,
    {
      name: `${op}: mean`,
    },
  ) as (total: R, weight: Tensor) => R;
  return async (...args) => {
    let total: [R, Tensor] | undefined;
    for await (const batch of objective.batches()) {
      const next = onBatch(batch, args) as [R, Tensor];
      total = total === undefined ? next : accumulate(total, next);
    }
    if (total === undefined) throw new ShapeError(`${op}: there are no batches; give at least one`);
    return divide(...total);
  };
}

/** Give the memory of a tree's tensors back. */
export const release = (x: unknown): void => {
  for (const leaf of tree.leaves(x) as unknown[]) if (isTensor(leaf)) leaf.dispose();
};
