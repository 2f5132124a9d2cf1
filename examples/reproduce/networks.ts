/** The networks as layers, and their losses. */
import { mean, random, type Tensor } from "dawngrad";
import {
  type AnyLayer,
  flatten,
  mlp,
  pyramidNet,
  resnet,
  serial,
  softmaxCrossEntropy,
  vit,
  wideResnet,
} from "dawngrad/nn";
import type { NetworkSpec } from "./settings.js";

export type Params = unknown;
export type State = unknown;
export interface Labelled {
  readonly x: Tensor;
  readonly y: Tensor;
}

export function networkOf(spec: NetworkSpec, classes: number): AnyLayer {
  switch (spec.kind) {
    case "mlp":
      return serial([flatten(), mlp([...spec.hidden, classes])]) as unknown as AnyLayer;
    case "resnet":
      return resnet({
        block: spec.block,
        layers: spec.layers,
        width: spec.width,
        classes,
        stem: spec.stem ?? "cifar",
      }) as unknown as AnyLayer;
    case "wide-resnet":
      return wideResnet({ depth: spec.depth, width: spec.width, classes }) as unknown as AnyLayer;
    case "pyramid-net":
      return pyramidNet({ depth: spec.depth, alpha: spec.alpha, classes }) as unknown as AnyLayer;
    case "vit": {
      const { kind: _, ...shape } = spec;
      return vit({ ...shape, classes }) as unknown as AnyLayer;
    }
  }
}

/** Parameters and state of a seed. */
export const initialise = (model: AnyLayer, seed: number, inputShape: readonly number[]) => {
  const { params, state } = model.init(random.key(seed), [2, ...inputShape]);
  return { params, state };
};

/** The mean cross-entropy in training, for gradientOf. */
export const trainingLoss =
  (model: AnyLayer) => (params: Params, state: State, batch: Labelled, key: Tensor) => {
    const [logits, next] = model.apply(params, state, batch.x, { train: true, key });
    return { loss: mean(softmaxCrossEntropy(logits, batch.y)), state: next };
  };

/** The same of a finished network (batch norm by its running statistics), for measuring. */
export const finishedLoss =
  (model: AnyLayer, state: State) =>
  (params: Params, batch: Labelled): Tensor =>
    mean(softmaxCrossEntropy(model.apply(params, state, batch.x)[0], batch.y));
