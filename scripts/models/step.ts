/** One training step of a model by a method, as `npm run train` would compile it. */
import { evalShape, mean, random, ShapeDtypeStruct, type Tensor } from "dawngrad";
import { softmaxCrossEntropy } from "dawngrad/nn";
import {
  adamw,
  applyUpdates,
  crSam,
  type GradFn,
  gradientOf,
  type OptimizerState,
  sam,
  sgd,
} from "dawngrad/optim";
import type { Entry } from "./catalogue.js";

export const methods = ["sgd", "sam", "cr-sam"] as const;
export type Method = (typeof methods)[number];

/** The published settings of CR-SAM and of its base optimizers. */
export const settings = {
  rho: 0.1,
  alpha: 0.1,
  beta: 0.01,
  sgd: { learningRate: 0.05, momentum: 0.9, weightDecay: 1e-3 },
  adamw: { learningRate: 1e-3, b1: 0.9, b2: 0.999, weightDecay: 0.05 },
} as const;

export interface State {
  readonly params: unknown;
  readonly state: unknown;
  readonly optimizer: OptimizerState;
}

export interface Images {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** The clean loss, and those at w ± ρv where the method has them. */
export type Losses = Readonly<Record<"loss" | "Lp" | "Lm", Tensor | null>>;

export const optimizerOf = ({ base }: Entry) =>
  base === "sgd" ? sgd(settings.sgd) : adamw(settings.adamw);

export function stepOf(entry: Entry, method: Method) {
  const { model } = entry;
  const optimizer = optimizerOf(entry);
  const { rho, alpha, beta } = settings;
  const plain: GradFn<unknown, unknown, Images, null, unknown> = gradientOf(
    (params: unknown, state: unknown, { x, y }: Images, _key: null) => {
      const [logits, next] = model.apply(params, state, x, { train: true });
      return { loss: mean(softmaxCrossEntropy(logits, y)), state: next };
    },
  );
  const gradient = {
    sgd: plain,
    sam: sam({ rho })(plain),
    "cr-sam": crSam({ rho, alpha, beta })(plain),
  }[method];
  return (at: State, images: Images): [State, Losses] => {
    const { loss, grads, state, aux } = gradient(at.params, at.state, images, null);
    const [updates, next] = optimizer.update(grads, at.optimizer, at.params);
    const { Lp = null, Lm = null } = (aux ?? {}) as { Lp?: Tensor; Lm?: Tensor };
    return [
      { params: applyUpdates(at.params, updates), state, optimizer: next },
      { loss, Lp, Lm },
    ];
  };
}

export const imageShape = ({ inputShape }: Entry, batch: number): number[] => [
  batch,
  ...inputShape,
];

/** Shapes of the state, without memory for it. */
export function stateShapes(entry: Entry): State {
  return evalShape((key: Tensor): State => initialState(entry, key), random.key(0));
}

export function initialState(entry: Entry, key: Tensor): State {
  const { params, state } = entry.model.init(key, imageShape(entry, 1));
  return { params, state, optimizer: optimizerOf(entry).init(params) };
}

export const imageShapes = (entry: Entry, batch: number): Images => ({
  x: new ShapeDtypeStruct(imageShape(entry, batch)),
  y: new ShapeDtypeStruct([batch], "int32"),
});
