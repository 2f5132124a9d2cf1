/** Training: one jitted step, its state donated, nothing read back on the way but a live loss. */
import { type Jitted, jit, type Tensor, tree } from "dawngrad";
import { type Batch, type Loader, loader, normalize } from "dawngrad/data";
import { applyUpdates, cosine, type OptimizerState, sgd } from "dawngrad/optim";
import type { Images, Labelled } from "./images.js";
import type { Gradient } from "./methods.js";
import type { Params, State } from "./model.js";
import type { Options } from "./options.js";

/** Everything that a step changes. */
export interface TrainState {
  readonly params: Params;
  readonly state: State;
  readonly optimizer: OptimizerState;
}

export type Step = Jitted<[TrainState, Labelled], [TrainState, Tensor]>;

/** The optimizer that all methods share: they differ in the gradient only. */
export const optimizerOf = (options: Options, stepsPerEpoch: number) =>
  sgd({
    learningRate: cosine(options.lr, options.epochs * stepsPerEpoch),
    momentum: options.momentum,
    weightDecay: options.weightDecay,
  });

/** A whole step of training, uncompiled: gradient, optimizer, new weights. */
export function stepOf(
  gradient: Gradient<Params, State, Labelled>,
  optimizer: ReturnType<typeof optimizerOf>,
) {
  return (train: TrainState, batch: Labelled): [TrainState, Tensor] => {
    const { loss, grads, state } = gradient(train.params, train.state, batch);
    const [updates, next] = optimizer.update(grads, train.optimizer, train.params);
    return [{ params: applyUpdates(train.params, updates), state, optimizer: next }, loss];
  };
}

/** The old state's memory becomes the new state's. */
export const stepOptions = (name: string) => ({ donateArgnums: 0, name: `${name} step` });

export const compileStep = (name: string, step: ReturnType<typeof stepOf>): Step =>
  jit(step, stepOptions(name));

/** Batches of one shape (a last, smaller one is left out), in an order that the seed decides. */
export const batchesOf = (images: Images, options: Options, seed: number, signal?: AbortSignal) =>
  loader(images.train, {
    batchSize: options.batch,
    shuffle: seed,
    transform: normalize({ mean: images.mean, std: images.std }),
    dropLast: true,
    autoDispose: true,
    ...(signal ? { signal } : {}),
  });

export interface EpochOutcome {
  readonly train: TrainState;
  /** Mean of the steps' losses. */
  readonly loss: number;
  /** Wall time of a step, loading included. */
  readonly msPerStep: number;
}

/** How often a loss is read while an epoch runs; the reading overlaps with the steps that follow. */
const liveEvery = 8;

/** One pass over the training images. `live` hears of the steps done and a recent loss. */
export async function trainEpoch(
  step: Step,
  start: TrainState,
  batches: Loader<Batch>,
  epoch: number,
  live: (done: number, loss: number) => void,
): Promise<EpochOutcome> {
  const began = performance.now();
  const losses: Tensor[] = [];
  let train = start;
  let reading: Promise<void> | undefined;
  for await (const { x, y } of batches.epoch(epoch)) {
    let loss: Tensor;
    [train, loss] = step(train, { x, y });
    losses.push(loss);
    if (losses.length % liveEvery === 0) {
      const done = losses.length;
      // Waits for the reading before this one, so work in flight is bounded without a stall.
      await reading;
      reading = loss.item().then((value) => live(done, value));
    }
  }
  await reading;
  const values = await Promise.all(losses.map((loss) => loss.item()));
  const msPerStep = (performance.now() - began) / losses.length;
  for (const loss of losses) loss.dispose();
  const loss = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { train, loss, msPerStep };
}

/** Give a state's memory back. */
export function disposeState(state: TrainState): void {
  for (const x of tree.leaves(state as unknown) as Tensor[]) x.dispose();
}
