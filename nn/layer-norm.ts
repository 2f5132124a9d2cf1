/** Layer normalisation. */
import { mean, mul, rsqrt, ShapeError, square, sub, type Tensor } from "../src/index.js";
import { ones, zeros } from "./initializers.js";
import { checkPositive, type Layer, type Shape, showShape } from "./layer.js";

export interface ScaleAndBias {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

export interface LayerNormOptions {
  /** Added to the variance. Default 1e-5, as PyTorch. */
  readonly eps?: number;
  /** How many axes from the end are normalised together. Default 1. */
  readonly dims?: number;
}

/**
 * (x − mean)/√(variance + eps)·weight + bias over the last axes of each example, with the biased
 * variance (Ba et al. 2016). weight and bias have the shape of the normalised axes.
 */
export function layerNorm({
  eps = 1e-5,
  dims = 1,
}: LayerNormOptions = {}): Layer<ScaleAndBias, null> {
  const name = "layerNorm";
  checkPositive(name, "dims", dims);
  const tail = (shape: Shape): Shape => {
    if (shape.length <= dims) {
      throw new ShapeError(
        `${name}: the input ${showShape(shape)} needs a batch axis before the ${dims} normalised one(s)`,
      );
    }
    return shape.slice(-dims);
  };
  return {
    name,
    init: (key, inputShape) => ({
      params: { weight: ones(key, tail(inputShape)), bias: zeros(key, tail(inputShape)) },
      state: null,
      outputShape: inputShape,
    }),
    apply(params, state, x) {
      if (showShape(tail(x.shape)) !== showShape(params.weight.shape)) {
        throw new ShapeError(
          `${name}: the input ${showShape(x.shape)} does not end in the weight's shape ` +
            `${showShape(params.weight.shape)}; init the layer with this inputShape`,
        );
      }
      const axes = Array.from({ length: dims }, (_, i) => x.ndim - 1 - i);
      const centered = sub(x, mean(x, axes, { keepdims: true }));
      const variance = mean(square(centered), axes, { keepdims: true });
      const y = mul(centered, rsqrt(variance.add(eps)));
      return [y.mul(params.weight).add(params.bias), state];
    },
  };
}
