/** Fully connected layers and embeddings. */
import { add, DtypeError, matmul, random, ShapeError, type Tensor, take } from "../src/index.js";
import { type Initializer, normal, symmetricUniform } from "./initializers.js";
import { checkPositive, type Layer, type Shape, showShape } from "./layer.js";

export interface DenseParams {
  /** [in, out] */
  readonly weight: Tensor;
  /** [out] */
  readonly bias: Tensor;
}

export interface DenseOptions {
  /** Default true; false leaves `bias` out of the parameters. */
  readonly bias?: boolean;
  /** Default uniform in ±1/√in, as PyTorch's Linear. */
  readonly weightInit?: Initializer;
  /** Default uniform in ±1/√in. */
  readonly biasInit?: Initializer;
}

/**
 * y = x·weight + bias over the last axis: [..., in] to [..., features].
 *
 * ```ts
 * const layer = dense(3);
 * const { params, state, outputShape } = layer.init(random.key(0), [8, 4]);
 * outputShape; // [8, 3]
 * params.weight.shape; // [4, 3]
 * ```
 */
export function dense(
  features: number,
  options?: DenseOptions & { readonly bias?: true },
): Layer<DenseParams, null>;
export function dense(
  features: number,
  options: DenseOptions & { readonly bias: false },
): Layer<{ readonly weight: Tensor }, null>;
export function dense(
  features: number,
  options: DenseOptions = {},
): Layer<DenseParams, null> | Layer<{ readonly weight: Tensor }, null> {
  const name = `dense(${features})`;
  checkPositive("dense", "features", features);
  const bias = options.bias ?? true;
  const layer: Layer<{ readonly weight: Tensor; readonly bias?: Tensor }, null> = {
    name,
    init(key, inputShape) {
      const inputs = inputShape.at(-1);
      if (inputs === undefined || inputShape.length < 2) {
        throw new ShapeError(
          `${name}: inputShape ${showShape(inputShape)} must have a batch axis and a feature axis, ` +
            "such as [batch, in]; put flatten() before images",
        );
      }
      const bound = 1 / Math.sqrt(Math.max(1, inputs));
      const { weightInit = symmetricUniform(bound), biasInit = symmetricUniform(bound) } = options;
      const weight = weightInit(random.foldIn(key, 0), [inputs, features]);
      return {
        params: bias ? { weight, bias: biasInit(random.foldIn(key, 1), [features]) } : { weight },
        state: null,
        outputShape: [...inputShape.slice(0, -1), features],
      };
    },
    apply(params, state, x) {
      const [inputs] = params.weight.shape;
      if (x.ndim < 1 || x.shape.at(-1) !== inputs) {
        throw new ShapeError(
          `${name}: the input ${showShape(x.shape)} does not fit the weight ${showShape(params.weight.shape)}: ` +
            `its last axis must have ${inputs} elements; init the layer with this inputShape`,
        );
      }
      const y = matmul(x, params.weight);
      return [params.bias ? add(y, params.bias) : y, state];
    },
  };
  return layer as Layer<DenseParams, null>;
}

export interface EmbeddingParams {
  /** [count, features] */
  readonly weight: Tensor;
}

/**
 * Rows of a table by integer index: [...] to [..., features]. Initialised from a standard normal, as
 * in PyTorch. Indices out of range are clamped.
 */
export function embedding(
  count: number,
  features: number,
  { weightInit = normal(1) }: { readonly weightInit?: Initializer } = {},
): Layer<EmbeddingParams, null> {
  const name = `embedding(${count}, ${features})`;
  checkPositive("embedding", "count", count);
  checkPositive("embedding", "features", features);
  return {
    name,
    init: (key: Tensor, inputShape: Shape) => ({
      params: { weight: weightInit(key, [count, features]) },
      state: null,
      outputShape: [...inputShape, features],
    }),
    apply(params, state, x) {
      if (x.dtype === "float32" || x.dtype === "bool") {
        throw new DtypeError(
          `${name}: the input is ${x.dtype}${showShape(x.shape)} but indices are int32 or uint32; ` +
            'convert with astype("int32")',
        );
      }
      return [take(params.weight, x, 0), state];
    },
  };
}
