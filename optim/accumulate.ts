/** One gradient from several parts of a batch. */
import {
  add,
  concatenate,
  DawngradError,
  div,
  greater,
  isTensor,
  mean,
  mul,
  random,
  reshape,
  ShapeError,
  slice,
  stack,
  sum,
  type Tensor,
  type TensorLike,
  tree,
  vmap,
  where,
} from "../src/index.js";
import { type GradFn, type GradResult, given } from "./gradient.js";

export interface AccumulateOptions<B> {
  /** Number of parts; it divides the size of axis 0 of every leaf of the batch. */
  readonly steps: number;
  /**
   * "sequential" (default): one part after the other, in the memory of one; the state goes from part
   * to part. "vmap": all parts at once, each from the same state, and the states' mean.
   */
  readonly mode?: "sequential" | "vmap";
  /**
   * The weight of a part in the mean. Default: the sum of the part's `weights` where the batch is an
   * object with such a tensor, else the same for all.
   */
  readonly weight?: (part: B) => TensorLike;
}

/**
 * The mean of a gradient function over `steps` parts of the batch, split along axis 0 of every leaf
 * (numbers and scalars go to every part). With more than one part each gets a key of its own.
 *
 * Loss, gradients and the float leaves of aux are means weighted by `weight`; other leaves of aux are
 * the last part's; perExample and logits are those of the whole batch. A part of weight 0 (a padded
 * batch's rows that only fill up) adds nothing, not even the NaN of its mean over no examples.
 *
 * `accumulate(sam(o)(g))` perturbs each part by its own gradient (m-sharpness).
 *
 * @throws ShapeError when a leaf's axis 0 is not divisible by `steps`.
 *
 * ```ts
 * const loss = (w: Tensor, state: null, x: Tensor) => ({ loss: w.mul(x.mean()), state });
 * const g = accumulate(gradientOf(loss), { steps: 2 });
 * await g(array(1), null, array([1, 2, 3, 4]), null).grads.item(); // 2.5
 * ```
 */
export function accumulate<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  options: AccumulateOptions<B>,
): GradFn<P, S, B, K, A> {
  const { steps, mode = "sequential", weight = defaultWeight } = options;
  if (!Number.isInteger(steps) || steps < 1) {
    throw new DawngradError(`accumulate: steps is ${steps}; give a positive integer`);
  }
  return mode === "vmap" ? acrossLanes(gradFn, steps, weight) : oneByOne(gradFn, steps, weight);
}

function defaultWeight(part: unknown): TensorLike {
  if (typeof part !== "object" || part === null || !("weights" in part)) return 1;
  return isTensor(part.weights) ? sum(part.weights) : 1;
}

const isFloatTensor = (x: unknown): boolean => isTensor(x) && x.dtype === "float32";

/** Size of one part; checks every leaf. */
function partSize(steps: number, x: Tensor, path: string): number {
  const n = x.shape[0]!;
  if (n % steps !== 0) {
    throw new ShapeError(
      `accumulate: axis 0 of the batch's leaf "${path || "(root)"}" ${x.dtype}[${x.shape.join(",")}] has ` +
        `${n} elements, which ${steps} steps do not divide; change the batch size or steps`,
    );
  }
  return n / steps;
}

const isSplit = (x: unknown): x is Tensor => isTensor(x) && x.ndim > 0;

function split<B>(batch: B, steps: number, f: (x: Tensor, size: number) => unknown): B {
  const [leaves, def] = tree.flatten(batch);
  const paths = def.paths();
  return def.unflatten(
    leaves.map((x, i) => (isSplit(x) ? f(x, partSize(steps, x, paths[i]!)) : x)),
  ) as B;
}

const partKey = <K>(key: K, i: number, steps: number): K =>
  steps > 1 && isTensor(key) ? (random.foldIn(key, i) as typeof key) : key;

function oneByOne<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  steps: number,
  weight: (part: B) => TensorLike,
): GradFn<P, S, B, K, A> {
  return (params, state, batch, key) => {
    const results: GradResult<P, S, A>[] = [];
    const weights: TensorLike[] = [];
    let current = state;
    for (let i = 0; i < steps; i++) {
      const part = split(batch, steps, (x, size) =>
        slice(
          x,
          [i * size, ...x.shape.slice(1).map(() => 0)],
          [(i + 1) * size, ...x.shape.slice(1)],
        ),
      );
      const result = gradFn(params, current, part, partKey(key, i, steps));
      current = result.state;
      weights.push(weight(part));
      results.push(result);
    }
    const total = weights.reduce((a, b) => plus(a, b));
    const average = (...xs: Tensor[]): Tensor =>
      div(
        xs.map((x, i) => times(x, weights[i]!)).reduce((a, b) => add(a, b)),
        total,
      );
    const last = results.at(-1)!;
    return {
      loss: average(...results.map((r) => r.loss)),
      grads: zipLeaves(
        results.map((r) => r.grads),
        average,
      ),
      state: current,
      aux: zipLeaves(
        results.map((r) => r.aux),
        (...xs) => (isFloatTensor(xs[0]) ? average(...xs) : xs[xs.length - 1]!),
      ),
      ...given({
        perExample: last.perExample && joined(results.map((r) => r.perExample!)),
        logits: last.logits && joined(results.map((r) => r.logits!)),
      }),
    };
  };
}

// Weights that are plain numbers stay numbers: equal parts cost no operation.
const plus = (a: TensorLike, b: TensorLike): TensorLike =>
  typeof a === "number" && typeof b === "number" ? a + b : add(a, b);
const times = (x: Tensor, by: TensorLike): Tensor =>
  by === 1 ? x : typeof by === "number" ? mul(x, by) : weighed(x, by);

/** x·weight, and 0 where the weight is, whatever x. */
const weighed = (x: Tensor, weight: TensorLike): Tensor =>
  where(greater(weight, 0), mul(x, weight), 0);

const joined = (xs: readonly Tensor[]): Tensor => (xs.length === 1 ? xs[0]! : concatenate(xs, 0));

function zipLeaves<T>(trees: readonly T[], f: (...leaves: Tensor[]) => unknown): T {
  const [, def] = tree.flatten(trees[0]);
  const lists = trees.map((t) => tree.flatten(t)[0] as Tensor[]);
  return def.unflatten(lists[0]!.map((_, i) => f(...lists.map((list) => list[i]!)))) as T;
}

function acrossLanes<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  steps: number,
  weight: (part: B) => TensorLike,
): GradFn<P, S, B, K, A> {
  return (params, state, batch, key) => {
    const [leaves, def] = tree.flatten(batch);
    const parts = split(batch, steps, (x, size) => reshape(x, [steps, size, ...x.shape.slice(1)]));
    const axes = def.unflatten(leaves.map((x) => (isSplit(x) ? 0 : null)));
    const keyed = isTensor(key);
    const keys = keyed
      ? (stack(Array.from({ length: steps }, (_, i) => partKey(key, i, steps) as Tensor)) as K)
      : key;
    const run = (part: B, k: K) => ({
      ...gradFn(params, state, part, k),
      weight: mul(weight(part), 1),
    });
    const lanes = vmap(run, [axes as never, keyed ? 0 : null], 0, { axisSize: steps })(parts, keys);
    const total = sum(lanes.weight);
    const average = (x: Tensor): Tensor =>
      div(
        sum(weighed(x, reshape(lanes.weight, [steps, ...x.shape.slice(1).map(() => 1)])), 0),
        total,
      );
    const final = (x: Tensor): Tensor =>
      reshape(
        slice(x, [steps - 1, ...x.shape.slice(1).map(() => 0)], [...x.shape]),
        x.shape.slice(1),
      );
    const each = <T>(t: T, f: (x: Tensor) => Tensor): T => zipLeaves([t], f);
    const whole = (x: Tensor): Tensor =>
      reshape(x, [x.shape[0]! * x.shape[1]!, ...x.shape.slice(2)]);
    return {
      loss: average(lanes.loss),
      grads: each(lanes.grads, average),
      state: each(lanes.state, (x) => (isFloatTensor(x) ? mean(x, 0) : final(x))),
      aux: each(lanes.aux, (x) => (isFloatTensor(x) ? average(x) : final(x))),
      ...given({
        perExample: lanes.perExample && whole(lanes.perExample),
        logits: lanes.logits && whole(lanes.logits),
      }),
    };
  };
}
