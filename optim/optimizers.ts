/** Optimizers: chains of transformations, with PyTorch's update rules. */
import { DawngradError } from "../src/index.js";
import { chain } from "./combinators.js";
import { type Coefficient, checkNumber, type Transformation } from "./transformation.js";
import {
  type AdamRule,
  addDecayedWeights,
  type LionRule,
  type RmsRule,
  scaleByAdam,
  scaleByLearningRate,
  scaleByLion,
  scaleByRms,
  trace,
} from "./transforms.js";

interface Common {
  /** A number, a scalar tensor, or a schedule: a function of the int32 count of updates. */
  readonly learningRate: Coefficient;
  readonly weightDecay?: number;
}

// 0 leaves the decay out: the state's structure depends on options only, never on values in a trace.
const decay = (op: string, weightDecay: number | undefined): Transformation[] => {
  checkNumber(op, "weightDecay", weightDecay ?? 0);
  return weightDecay ? [addDecayedWeights(weightDecay)] : [];
};

export interface SgdOptions extends Common {
  /** Added to the gradient, before momentum. Default 0. */
  readonly weightDecay?: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly dampening?: number;
}

/**
 * Stochastic gradient descent as torch.optim.SGD: g += weightDecay·w, buffer = momentum·buffer +
 * (1 − dampening)·g (the first buffer is g), w −= learningRate·buffer; nesterov steps along
 * g + momentum·buffer.
 *
 * ```ts
 * const optimizer = sgd({ learningRate: 0.1, momentum: 0.9 });
 * const w = array([1, 2]);
 * const [updates, state] = optimizer.update(array([10, 0]), optimizer.init(w), w);
 * await applyUpdates(w, updates).toArray(); // [0, 2]
 * ```
 */
export function sgd(options: SgdOptions): Transformation {
  const { learningRate, momentum = 0, nesterov = false, dampening = 0, weightDecay } = options;
  checkNumber("sgd", "momentum", momentum, 0, 1);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new DawngradError(
      `sgd: nesterov needs momentum > 0 and no dampening, got momentum ${momentum} and dampening ${dampening}`,
    );
  }
  return chain(
    ...decay("sgd", weightDecay),
    ...(momentum === 0 ? [] : [trace({ decay: momentum, nesterov, dampening })]),
    scaleByLearningRate(learningRate),
  );
}

export interface AdamOptions extends Common, AdamRule {
  /** Added to the gradient (L2), as torch.optim.Adam does. Default 0. */
  readonly weightDecay?: number;
}

/**
 * Adam (Kingma & Ba 2015), eps outside the root.
 *
 * ```ts
 * const optimizer = adam({ learningRate: 0.1 });
 * const w = array([1]);
 * const [updates] = optimizer.update(array([5]), optimizer.init(w), w);
 * await updates.toArray(); // [-0.1]
 * ```
 */
export const adam = (options: AdamOptions): Transformation =>
  chain(
    ...decay("adam", options.weightDecay),
    scaleByAdam(options),
    scaleByLearningRate(options.learningRate),
  );

export interface AdamwOptions extends Common, AdamRule {
  /** Decoupled from the gradient: w −= learningRate·weightDecay·w. Default 0.01, as in PyTorch. */
  readonly weightDecay?: number;
}

/**
 * AdamW (Loshchilov & Hutter 2019): Adam with decoupled weight decay.
 *
 * ```ts
 * const optimizer = adamw({ learningRate: 0.1, weightDecay: 0.5 });
 * const w = array([2]);
 * const [updates] = optimizer.update(array([5]), optimizer.init(w), w);
 * await updates.toArray(); // [-0.2]
 * ```
 */
export const adamw = (options: AdamwOptions): Transformation =>
  chain(
    scaleByAdam(options),
    ...decay("adamw", options.weightDecay ?? 0.01),
    scaleByLearningRate(options.learningRate),
  );

export interface RmspropOptions extends Common, RmsRule {
  /** Added to the gradient. Default 0. */
  readonly weightDecay?: number;
  readonly momentum?: number;
}

/**
 * RMSprop as torch.optim.RMSprop (its `alpha` is `decay`): eps outside the root, momentum on the
 * scaled gradient.
 */
export function rmsprop(options: RmspropOptions): Transformation {
  const { momentum = 0 } = options;
  checkNumber("rmsprop", "momentum", momentum, 0, 1);
  return chain(
    ...decay("rmsprop", options.weightDecay),
    scaleByRms(options),
    ...(momentum === 0 ? [] : [trace({ decay: momentum })]),
    scaleByLearningRate(options.learningRate),
  );
}

export interface LionOptions extends Common, LionRule {
  /** Decoupled from the gradient. Default 0. */
  readonly weightDecay?: number;
}

/** Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms"). */
export const lion = (options: LionOptions): Transformation =>
  chain(
    scaleByLion(options),
    ...decay("lion", options.weightDecay),
    scaleByLearningRate(options.learningRate),
  );
