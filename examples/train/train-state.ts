/** The state of training, all of it on the device, and the one jitted step that moves it on. */
import {
  add,
  argmax,
  array,
  equal,
  isfinite,
  type Jitted,
  jit,
  logicalAnd,
  logicalNot,
  mean,
  minimum,
  mul,
  random,
  stack,
  sum,
  type Tensor,
  tree,
  where,
} from "dawngrad";
import { type AnyLayer, softmaxCrossEntropy } from "dawngrad/nn";
import { applyUpdates, type OptimizerState, type Transformation } from "dawngrad/optim";
import type { Gradient, LabelledBatch } from "./members.js";
import type { Loss } from "./optimizers.js";

/** Weights and running statistics. */
export interface Weights {
  readonly params: unknown;
  readonly state: unknown;
}

/** Sums over the steps of the epoch so far. */
export interface Sums {
  readonly loss: Tensor;
  readonly correct: Tensor;
}

export interface TrainState extends Weights {
  readonly optimizer: OptimizerState;
  /** Of the sharpness-aware member, if it has one. */
  readonly sharpness: unknown;
  /** The moving average of the weights, or null. */
  readonly ema: Weights | null;
  /** Steps done, int32: the key of a step is folded from it. */
  readonly step: Tensor;
  readonly key: Tensor;
  readonly sums: Sums;
  /** The first step whose loss was not finite, int32; −1 while there is none. */
  readonly broken: Tensor;
}

/** [loss of this step, first step whose loss was not finite or −1]. */
export type Report = Tensor;
export type Step = Jitted<[TrainState, LabelledBatch], [TrainState, Report]>;

/** Cross-entropy in training mode, with what members of the family may ask for. */
export function lossOf(model: AnyLayer, labelSmoothing: number): Loss {
  return function crossEntropy(params, state, batch, key) {
    const [logits, next] = model.apply(params, state, batch.x, { train: true, key });
    const perExample = softmaxCrossEntropy(logits, batch.y, { labelSmoothing });
    return { loss: mean(perExample), state: next, perExample, logits };
  };
}

export const noSums = (): Sums => ({ loss: array(0), correct: array(0) });

export function initialState(
  model: AnyLayer,
  inputShape: readonly number[],
  seed: number,
  gradient: Gradient,
  optimizer: Transformation,
  ema: boolean,
): TrainState {
  const { params, state } = model.init(random.key(seed), [1, ...inputShape]);
  const copy = (x: unknown) => tree.map(((t: Tensor) => mul(t, 1)) as never, x as never) as unknown;
  return {
    params,
    state,
    optimizer: optimizer.init(params),
    sharpness: gradient.init(params),
    ema: ema ? { params: copy(params), state: copy(state) } : null,
    step: array(0, { dtype: "int32" }),
    key: random.foldIn(random.key(seed), 1),
    sums: noSums(),
    broken: array(-1, { dtype: "int32" }),
  };
}

/**
 * One step, compiled once: gradient, optimizer, new weights, averages and sums. The old state's
 * memory becomes the new state's; nothing is read back.
 */
export function compileStep(
  gradient: Gradient,
  optimizer: Transformation,
  emaDecay: number | undefined,
): Step {
  const step = (train: TrainState, batch: LabelledBatch): [TrainState, Report] => {
    const key = random.foldIn(train.key, train.step);
    const [result, sharpness] = gradient.apply(
      train.sharpness,
      train.params,
      train.state,
      batch,
      key,
    );
    const [updates, optimizerState] = optimizer.update(result.grads, train.optimizer, train.params);
    const params = applyUpdates(train.params, updates);
    const { loss, state, logits } = result;
    const correct = logits ? sum(equal(argmax(logits, -1), batch.y)) : 0;
    const fresh = logicalAnd(equal(train.broken, -1), logicalNot(isfinite(loss)));
    const broken = where(fresh, train.step, train.broken);
    const next: TrainState = {
      params,
      state,
      optimizer: optimizerState,
      sharpness,
      ema:
        train.ema === null || emaDecay === undefined
          ? null
          : averaged(train.ema, { params, state }, emaDecay, train.step),
      step: add(train.step, 1),
      key: train.key,
      sums: {
        loss: add(train.sums.loss, loss),
        correct: add(train.sums.correct, correct),
      },
      broken,
    };
    return [next, stack([loss, broken.astype("float32")])];
  };
  return jit(step, { donateArgnums: 0, name: "training step" });
}

/** decay·average + (1 − decay)·now; at first with the smaller decay (1 + t)/(10 + t). */
function averaged(average: Weights, now: Weights, decay: number, step: Tensor): Weights {
  const t = step.astype("float32");
  const d = minimum(t.add(1).div(t.add(10)), decay);
  const leaf = (a: Tensor, x: Tensor): Tensor =>
    a.dtype === "float32" ? add(x, mul(a.sub(x), d)) : x;
  return tree.map(leaf as never, average as never, now as never) as Weights;
}

/** Whether every weight and every statistic is finite. */
export const allFinite = jit(
  ({ params, state }: Weights): Tensor => {
    const leaves = tree.leaves([params, state] as unknown) as Tensor[];
    return leaves
      .filter((x) => x.dtype === "float32")
      .map((x) => isfinite(x).all())
      .reduce((a, b) => logicalAnd(a, b));
  },
  { name: "all finite" },
);

export function disposeTree(x: unknown): void {
  for (const leaf of tree.leaves(x as never) as Tensor[]) leaf.dispose();
}

/** Bytes of a tree of tensors on disk. */
export const bytesOf = (x: unknown): number =>
  (tree.leaves(x as never) as Tensor[]).reduce((n, leaf) => n + 4 * leaf.size, 0);
