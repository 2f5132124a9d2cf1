/** The multi-layer perceptron. */

import { DawngradError, type Tensor } from "../src/index.js";
import { relu } from "./activations.js";
import { type DenseParams, dense } from "./dense.js";
import type { Initializer } from "./initializers.js";
import {
  type ApplyOptions,
  checkPositive,
  type Layer,
  partKey,
  partOptions,
  type Shape,
} from "./layer.js";
import { flattened, flattenedShape } from "./structure.js";

export interface MlpOptions {
  /** Between the dense layers. Default relu(). */
  readonly activation?: Layer<null, null>;
  readonly weightInit?: Initializer;
  readonly biasInit?: Initializer;
}

/**
 * Dense layers of the given output sizes with an activation between them, on inputs flattened to
 * [batch, in]: `mlp([512, 256, 10])` on 784 inputs is the network 784-512-256-10. The parameters are
 * a list of `{ weight, bias }`.
 *
 * ```ts
 * const model = mlp([32, 10]);
 * const { params, outputShape } = model.init(random.key(0), [1, 28, 28]);
 * outputShape; // [1, 10]
 * params[0].weight.shape; // [784, 32]
 * ```
 */
export function mlp(
  features: readonly number[],
  { activation = relu(), ...init }: MlpOptions = {},
): Layer<DenseParams[], null> {
  if (features.length === 0) {
    throw new DawngradError("mlp: give at least one size, the number of outputs");
  }
  for (const n of features) checkPositive("mlp", "a layer's size", n);
  const layers = features.map((n) => dense(n, init));
  return {
    name: `mlp(${features.join(", ")})`,
    init(key: Tensor, inputShape: Shape) {
      let shape = flattenedShape(inputShape);
      const params = layers.map((layer, i) => {
        const part = layer.init(partKey(key, i)!, shape);
        shape = part.outputShape;
        return part.params;
      });
      return { params, state: null, outputShape: shape };
    },
    apply(params, state, x, options: ApplyOptions = {}) {
      let y = flattened(x);
      layers.forEach((layer, i) => {
        [y] = layer.apply(params[i]!, null, y, options);
        if (i < layers.length - 1) [y] = activation.apply(null, null, y, partOptions(options, i));
      });
      return [y, state];
    },
  };
}
