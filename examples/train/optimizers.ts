/** The optimizers that can be chosen, by name: base optimizers, and the sharpness-aware family. */
import type { Tensor } from "dawngrad";
import {
  accumulate,
  adam,
  adamw,
  aeSam,
  type Coefficient,
  chain,
  clipByGlobalNorm,
  crSam,
  esam,
  type GradFn,
  gnp,
  gradientOf,
  gsam,
  type LossFn,
  type LossResult,
  lion,
  lookSam,
  rmsprop,
  rSam,
  type Schedule,
  type StatefulGradFn,
  saf,
  sam,
  sgd,
  ssam,
  type Transformation,
  wsam,
} from "dawngrad/optim";
import type { Options } from "./options.js";

export interface LabelledBatch {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly indices: Tensor;
}

export type Loss = LossFn<unknown, unknown, LabelledBatch, Tensor, LossResult<unknown>>;
type Plain = GradFn<unknown, unknown, LabelledBatch, Tensor, unknown>;
/** A gradient function with a state, null for most members. */
export type Gradient = StatefulGradFn<unknown, unknown, unknown, LabelledBatch, Tensor, unknown>;

/** What members need to know of the run. */
export interface Extent {
  readonly steps: number;
  readonly examples: number;
  readonly classes: number;
}

interface BaseOptions {
  readonly learningRate: Coefficient;
  readonly weightDecay: number;
  readonly momentum: number;
  readonly nesterov: boolean;
}

interface Base {
  make(options: BaseOptions): Transformation;
  readonly learningRate: number;
  readonly weightDecay: number;
}

export const bases = {
  sgd: { make: sgd, learningRate: 0.05, weightDecay: 1e-3 },
  adam: { make: (o) => adam(plain(o)), learningRate: 1e-3, weightDecay: 0 },
  adamw: { make: (o) => adamw(plain(o)), learningRate: 1e-3, weightDecay: 0.05 },
  rmsprop: { make: (o) => rmsprop(plain(o)), learningRate: 1e-3, weightDecay: 0 },
  lion: { make: (o) => lion(plain(o)), learningRate: 1e-4, weightDecay: 0.5 },
} as const satisfies Record<string, Base>;

const plain = ({ learningRate, weightDecay }: BaseOptions) => ({ learningRate, weightDecay });

type Member = (options: Options, extent: Extent) => (gradFn: Plain) => Gradient;

/** Members without a state of their own. */
const stateless =
  (make: (options: Options) => (gradFn: Plain) => Plain): Member =>
  (options) =>
  (gradFn) => {
    const f = make(options)(gradFn);
    return {
      init: () => null,
      apply: (own, params, state, batch, key) => [f(params, state, batch, key), own],
    };
  };

const stateful =
  (make: (options: Options, extent: Extent) => (gradFn: Plain) => unknown): Member =>
  (options, extent) =>
  (gradFn) =>
    // Each member's state is its own affair.
    make(options, extent)(gradFn) as Gradient;

const perturbation = ({ rho, adaptive }: Options) => ({ rho, adaptive });

const curvature = ({ alpha = 0.1, beta, variant }: Options) => ({ alpha, beta, variant });

export const members = {
  sam: stateless((o) => sam(perturbation(o))),
  gnp: stateless((o) => gnp({ ...perturbation(o), alpha: o.alpha ?? 0.8 })),
  gsam: stateless((o) => gsam({ ...perturbation(o), alpha: o.alpha ?? 0.4 })),
  "r-sam": stateless((o) => rSam(perturbation(o))),
  wsam: stateless((o) => wsam(perturbation(o))),
  esam: stateless((o) => esam(perturbation(o))),
  "cr-sam": stateless((o) => crSam({ ...perturbation(o), ...curvature(o) })),
  "look-sam": stateful((o) => lookSam(perturbation(o))),
  "ae-sam": stateful((o, { steps }) => aeSam({ ...perturbation(o), steps })),
  ssam: stateful((o, { steps }) => ssam({ ...perturbation(o), steps, samples: "batch" })),
  saf: stateful((_, { examples, classes }) => saf({ examples, classes })),
} as const satisfies Record<string, Member>;

export type BaseName = keyof typeof bases;
export type OptimizerName = BaseName | keyof typeof members;
export const baseNames = Object.keys(bases) as BaseName[];
export const optimizerNames = [...baseNames, ...Object.keys(members)] as OptimizerName[];

const isBase = (name: OptimizerName): name is BaseName => Object.hasOwn(bases, name);

export const baseOf = (options: Options): BaseName =>
  isBase(options.optimizer) ? options.optimizer : options.base;

/** The gradient of a step, by the chosen member; of several parts of the batch on request. */
export function gradientFor(options: Options, loss: Loss, extent: Extent): Gradient {
  const one = gradientOf(loss) as Plain;
  const steps = options.accumulate;
  const whole = steps > 1 ? accumulate(one, { steps }) : one;
  const { optimizer } = options;
  const member = isBase(optimizer) ? stateless(() => (f) => f) : members[optimizer];
  return member(options, extent)(whole);
}

/** The base optimizer, on the gradient clipped on request. */
export function optimizerFor(options: Options, schedule: Schedule): Transformation {
  const base: Base = bases[baseOf(options)];
  const { weightDecay = base.weightDecay, momentum, nesterov } = options;
  const made = base.make({ learningRate: schedule, weightDecay, momentum, nesterov });
  return options.clip === undefined ? made : chain(clipByGlobalNorm(options.clip), made);
}
