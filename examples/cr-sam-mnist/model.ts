/** The network that every method trains, and its loss. */
import { mean, random, type Tensor } from "dawngrad";
import { mlp, type ParamsOf, type StateOf, softmaxCrossEntropy } from "dawngrad/nn";
import type { Labelled } from "./images.js";
import type { Options } from "./options.js";

export type Model = ReturnType<typeof mlp>;
export type Params = ParamsOf<Model>;
export type State = StateOf<Model>;

/** Dense layers with relu between them; one output a class. */
export const buildModel = (options: Options, classes: number): Model =>
  mlp([...options.hidden, classes]);

/** Weights of a seed, for images of this shape. */
export const initialise = (model: Model, seed: number, inputShape: readonly number[]) =>
  model.init(random.key(seed), [1, ...inputShape]);

/** The mean cross-entropy of a batch, and the model's next state. */
export function lossOf(model: Model) {
  return function crossEntropy(params: Params, state: State, batch: Labelled) {
    const [logits, next] = model.apply(params, state, batch.x, { train: true });
    return { loss: mean(softmaxCrossEntropy(logits, batch.y)), state: next };
  };
}

/** The same loss of a trained model, for measuring: nothing but a number comes out. */
export const meanLoss =
  (model: Model) =>
  (params: Params, state: State, batch: Labelled): Tensor =>
    mean(softmaxCrossEntropy(model.apply(params, state, batch.x)[0], batch.y));
