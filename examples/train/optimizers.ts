/** The optimizers that can be chosen, by name: base optimizers, and the sharpness-aware family. */
import type { Tensor } from "dawngrad";
import {
  accumulate,
  adam,
  adamw,
  type Coefficient,
  chain,
  clipByGlobalNorm,
  gradientOf,
  type LossFn,
  type LossResult,
  lion,
  rmsprop,
  type Schedule,
  sgd,
  type Transformation,
} from "dawngrad/optim";
import {
  type Extent,
  type Gradient,
  type LabelledBatch,
  type MemberName,
  memberOf,
  members,
  type Plain,
  sharpnessOptions,
  withoutState,
} from "./members.js";
import type { Options } from "./options.js";

export type Loss = LossFn<unknown, unknown, LabelledBatch, Tensor, LossResult<unknown>>;

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

export type BaseName = keyof typeof bases;
export type OptimizerName = BaseName | MemberName;
export const baseNames = Object.keys(bases) as BaseName[];
export const optimizerNames = [...baseNames, ...Object.keys(members)] as OptimizerName[];

const isBase = (name: OptimizerName): name is BaseName => Object.hasOwn(bases, name);

export const baseOf = (options: Options): BaseName =>
  isBase(options.optimizer) ? options.optimizer : options.base;

/** The gradient of a step, by the chosen member; of several parts of the batch on request. */
export function gradientFor(options: Options, loss: Loss, extent: Extent): Gradient {
  const one = gradientOf(loss) as Plain;
  const steps = options.accumulate;
  const parts = (f: Plain): Plain => (steps > 1 ? accumulate(f, { steps }) : f);
  const { optimizer } = options;
  if (isBase(optimizer)) return withoutState(parts(one));
  return memberOf(optimizer, options, extent, one, parts);
}

/** An option that was given, and that the chosen optimizer does not have. */
export function notTakenBy(options: Options, given: ReadonlySet<string>): string | undefined {
  const { optimizer } = options;
  const takes = new Set<string>(isBase(optimizer) ? [] : members[optimizer].takes(options));
  const ofBase = baseOf(options) === "sgd" ? [] : ["momentum", "nesterov"];
  const others = [...ofBase, ...(isBase(optimizer) ? ["base"] : []), ...sharpnessOptions];
  return others.find((name) => given.has(name) && !takes.has(name));
}

/** The base optimizer, on the gradient clipped on request. */
export function optimizerFor(options: Options, schedule: Schedule): Transformation {
  const base: Base = bases[baseOf(options)];
  const { weightDecay = base.weightDecay, momentum, nesterov } = options;
  const made = base.make({ learningRate: schedule, weightDecay, momentum, nesterov });
  return options.clip === undefined ? made : chain(clipByGlobalNorm(options.clip), made);
}
