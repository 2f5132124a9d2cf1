/** Training: seeds as lanes of one program, or one by one. */
import { availableParallelism } from "node:os";
import { type Jitted, jit, random, type Tensor, tree, vmap } from "dawngrad";
import { type Batch, loader } from "dawngrad/data";
import type { AnyLayer } from "dawngrad/nn";
import {
  adamw,
  applyUpdates,
  cosine,
  gradientOf,
  type OptimizerState,
  sgd,
  type Transformation,
} from "dawngrad/optim";
import { transformsOf } from "./batches.js";
import type { Images } from "./images.js";
import { gradientFunction } from "./methods.js";
import { initialise, type Labelled, type Params, type State, trainingLoss } from "./networks.js";
import type { Experiment, Hyper, MethodName } from "./settings.js";

/** Everything that a step changes; with lanes, every leaf has them as its first axis. */
export interface TrainState {
  readonly params: Params;
  readonly state: State;
  readonly optimizer: OptimizerState;
}

type StepFn = (train: TrainState, batch: Labelled, key: Tensor) => [TrainState, Tensor];

const optimizerOf = (e: Experiment, h: Hyper, steps: number): Transformation => {
  const learningRate = cosine(h.lr, steps);
  return e.optimizer === "sgd"
    ? sgd({ learningRate, momentum: 0.9, weightDecay: h.weightDecay })
    : adamw({ learningRate, weightDecay: h.weightDecay });
};

export interface Trainer {
  readonly stepsPerEpoch: number;
  start(seeds: readonly number[]): TrainState;
  /** One epoch; the mean loss of each seed's steps. */
  epoch(
    train: TrainState,
    seeds: readonly number[],
    epoch: number,
  ): Promise<{ readonly train: TrainState; readonly losses: readonly number[] }>;
}

/** One method on one experiment's images. */
export function trainer(
  e: Experiment,
  method: MethodName,
  h: Hyper,
  model: AnyLayer,
  images: Images,
  signal: AbortSignal,
): Trainer {
  const stepsPerEpoch = Math.floor(images.train.size / e.batch);
  const optimizer = optimizerOf(e, h, e.epochs * stepsPerEpoch);
  const gradient = gradientFunction(method, gradientOf(trainingLoss(model)), h, e.passes);
  const one: StepFn = (train, batch, key) => {
    const { loss, grads, state } = gradient(train.params, train.state, batch, key);
    const [updates, next] = optimizer.update(grads, train.optimizer, train.params);
    return [{ params: applyUpdates(train.params, updates), state, optimizer: next }, loss];
  };
  const options = { name: `${e.name} ${method}`, donateArgnums: 0 };
  const single = jit(one, options) as Jitted<Parameters<StepFn>, ReturnType<StepFn>>;
  const lanes = jit(
    (t: TrainState, b: Labelled, k: Tensor) => vmap(one)(t, b, k),
    options,
  ) as typeof single;

  const batchesOf = (seed: number) =>
    loader(images.train, {
      batchSize: e.batch,
      shuffle: seed,
      transform: transformsOf(e.augmentation, e.data, images),
      dropLast: true,
      autoDispose: true,
      // Files are decoded in threads; bytes in memory are ready sooner than a thread could send them.
      workers: e.data === "imagenet" ? Math.max(1, availableParallelism() - 1) : 0,
      signal,
    });
  const keyOf = (seed: number, step: number): Tensor => random.foldIn(random.key(seed), step);

  return {
    stepsPerEpoch,
    start(seeds) {
      const each = seeds.map((seed): TrainState => {
        const { params, state } = initialise(model, seed, images.inputShape);
        return { params, state, optimizer: optimizer.init(params) };
      });
      return seeds.length === 1 ? each[0]! : (tree.stack(each as never) as unknown as TrainState);
    },
    async epoch(start, seeds, epoch) {
      let train = start;
      const losses: Tensor[] = [];
      const iterators = seeds.map((seed) => batchesOf(seed).epoch(epoch));
      for (let i = 0; i < stepsPerEpoch; i++) {
        signal.throwIfAborted();
        const batches = await Promise.all(iterators.map(async (it) => (await it.next()).value!));
        const at = epoch * stepsPerEpoch + i;
        let loss: Tensor;
        if (seeds.length === 1) {
          const { x, y } = batches[0] as Batch;
          [train, loss] = single(train, { x, y }, keyOf(seeds[0]!, at));
        } else {
          const batch = tree.stack(batches.map(({ x, y }) => ({ x, y }) as Labelled));
          const keys = tree.stack(seeds.map((seed) => keyOf(seed, at)));
          [train, loss] = lanes(train, batch, keys);
          for (const t of [batch.x, batch.y, keys]) t.dispose();
        }
        losses.push(loss);
        // Bounds the work in flight.
        if (i % 16 === 15) await loss.data();
      }
      await Promise.all(iterators.map((it) => it.return?.()));
      const sums = seeds.map(() => 0);
      for (const loss of losses) {
        (await loss.data()).forEach((v, lane) => {
          sums[lane]! += v / losses.length;
        });
        loss.dispose();
      }
      return { train, losses: sums };
    },
  };
}

/** The parameters and state of one lane. */
export function laneOf(
  train: TrainState,
  lanes: number,
  lane: number,
): Pick<TrainState, "params" | "state"> {
  const { params, state } = train;
  if (lanes === 1) return { params, state };
  const pick = (x: Tensor): Tensor =>
    x
      .slice([lane, ...x.shape.slice(1).map(() => 0)], [lane + 1, ...x.shape.slice(1)])
      .reshape([...x.shape.slice(1)]);
  return tree.map(pick as never, { params, state } as never) as Pick<
    TrainState,
    "params" | "state"
  >;
}

export const disposeTree = (x: unknown): void => {
  for (const t of tree.leaves(x) as Tensor[]) t.dispose();
};
