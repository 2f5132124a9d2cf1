/** Convolution layers. */
import {
  type ConvOptions as ConvolutionOptions,
  conv as convolution,
  random,
  reshape,
  ShapeError,
  type Tensor,
  transpose,
  convTranspose as transposed,
} from "../src/index.js";
import { fans, type Initializer, symmetricUniform } from "./initializers.js";
import { checkPositive, type Layer, type Shape, shapeOf, showShape } from "./layer.js";

export interface ConvParams {
  /** [...window, in / groups, out], in either layout. */
  readonly weight: Tensor;
  /** [out] */
  readonly bias: Tensor;
}

export interface ConvOptions extends Omit<ConvolutionOptions, "groups"> {
  /** As the function conv's; "depthwise": as many groups as the input has channels. */
  readonly groups?: number | "depthwise";
  /** Default true; false leaves `bias` out of the parameters. */
  readonly bias?: boolean;
  /** Default uniform in ±1/√(in / groups · window), as PyTorch's Conv. */
  readonly weightInit?: Initializer;
  /** Default as the weight. */
  readonly biasInit?: Initializer;
}

type Weights = { readonly weight: Tensor; readonly bias?: Tensor };
type Operation = (x: Tensor, w: Tensor, options: ConvolutionOptions) => Tensor;

/** A layer around a convolution of its input with its weight. */
function convolving(
  kind: string,
  operation: Operation,
  features: number,
  window: number | readonly number[],
  options: ConvOptions,
): Layer<Weights, null> {
  const { bias = true, weightInit, biasInit, groups = 1, ...how } = options;
  const { layout = "NHWC" } = how;
  const groupsOf = (shape: Shape): number =>
    groups === "depthwise" ? shape[layout === "NHWC" ? shape.length - 1 : 1]! : groups;
  const name = `${kind}(${features}, ${JSON.stringify(window)})`;
  checkPositive(kind, "features", features);
  if (groups !== "depthwise") checkPositive(kind, "groups", groups);
  const convolve = (x: Tensor, weight: Tensor): Tensor => {
    const n = weight.ndim - 2;
    // Weights are stored HWIO; channels-first images go with OIHW, a view.
    const w =
      layout === "NHWC"
        ? weight
        : transpose(weight, [n + 1, n, ...Array.from({ length: n }, (_, i) => i)]);
    return operation(x, w, { ...how, groups: groupsOf(x.shape) });
  };
  const weightShape = (inputShape: Shape): Shape => {
    const n = inputShape.length - 2;
    const sizes =
      typeof window === "number" ? new Array<number>(Math.max(0, n)).fill(window) : window;
    if (n < 1 || sizes.length !== n) {
      throw new ShapeError(
        `${name}: inputShape ${showShape(inputShape)} must have ` +
          `${layout === "NHWC" ? "[batch, ...spatial, channels]" : "[batch, channels, ...spatial]"} ` +
          `(layout "${layout}") with as many spatial dimensions as the window`,
      );
    }
    sizes.forEach((k) => {
      checkPositive(name, "the window's size", k);
    });
    const channels = layout === "NHWC" ? inputShape[n + 1]! : inputShape[1]!;
    const parts = groupsOf(inputShape);
    if (channels % parts !== 0 || features % parts !== 0) {
      throw new ShapeError(
        `${name}: ${parts} groups must divide the ${channels} channels of inputShape ` +
          `${showShape(inputShape)} (layout "${layout}") and the ${features} features`,
      );
    }
    return [...sizes, channels / parts, features];
  };
  return {
    name,
    init(key, inputShape) {
      const shape = weightShape(inputShape);
      const output = shapeOf(convolve, inputShape, shape);
      const uniform = symmetricUniform(1 / Math.sqrt(Math.max(1, fans(shape).fanIn)));
      const weight = (weightInit ?? uniform)(random.foldIn(key, 0), shape);
      return {
        params: bias
          ? { weight, bias: (biasInit ?? uniform)(random.foldIn(key, 1), [features]) }
          : { weight },
        state: null,
        outputShape: output,
      };
    },
    apply(params, state, x) {
      const y = convolve(x, params.weight);
      if (!params.bias) return [y, state];
      const wide = layout === "NHWC" ? [features] : [features, ...x.shape.slice(2).map(() => 1)];
      return [y.add(reshape(params.bias, wide)), state];
    },
  };
}

/**
 * Convolution with `features` output channels over windows of the given size (a number for every
 * spatial dimension, or one for each); 1 to 3 spatial dimensions, by the input's rank. Options as
 * `conv`'s: strides, padding ("VALID"), dilation, groups (a number or "depthwise"), layout ("NHWC").
 *
 * ```ts
 * const layer = conv(16, 3, { padding: "SAME", strides: 2 });
 * const { params, outputShape } = layer.init(random.key(0), [8, 32, 32, 3]);
 * outputShape; // [8, 16, 16, 16]
 * params.weight.shape; // [3, 3, 3, 16]
 * ```
 */
export function conv(
  features: number,
  window: number | readonly number[],
  options?: ConvOptions & { readonly bias?: true },
): Layer<ConvParams, null>;
export function conv(
  features: number,
  window: number | readonly number[],
  options: ConvOptions & { readonly bias: false },
): Layer<{ readonly weight: Tensor }, null>;
export function conv(
  features: number,
  window: number | readonly number[],
  options: ConvOptions = {},
): Layer<ConvParams, null> | Layer<{ readonly weight: Tensor }, null> {
  return convolving("conv", convolution, features, window, options) as Layer<ConvParams, null>;
}

/**
 * Transposed convolution, as the function `convTranspose` (lax.conv_transpose): "SAME" gives an output
 * of size · stride. Its weight is [...window, in / groups, out].
 *
 * ```ts
 * const layer = convTranspose(3, 2, { strides: 2 });
 * layer.init(random.key(0), [8, 16, 16, 4]).outputShape; // [8, 32, 32, 3]
 * ```
 */
export function convTranspose(
  features: number,
  window: number | readonly number[],
  options?: ConvOptions & { readonly bias?: true },
): Layer<ConvParams, null>;
export function convTranspose(
  features: number,
  window: number | readonly number[],
  options: ConvOptions & { readonly bias: false },
): Layer<{ readonly weight: Tensor }, null>;
export function convTranspose(
  features: number,
  window: number | readonly number[],
  options: ConvOptions = {},
): Layer<ConvParams, null> | Layer<{ readonly weight: Tensor }, null> {
  const layer = convolving("convTranspose", transposed, features, window, options);
  return layer as Layer<ConvParams, null>;
}
