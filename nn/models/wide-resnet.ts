/** Wide residual networks (Zagoruyko & Komodakis 2016) for CIFAR. */
import { add, DawngradError, globalAvgPool, relu } from "../../src/index.js";
import { type BatchNormState, batchNorm } from "../batch-norm.js";
import { chain, composite } from "../composite.js";
import { type DenseParams, dense } from "../dense.js";
import { zeros } from "../initializers.js";
import { checkPositive, type Layer, shapeOf } from "../layer.js";
import type { ScaleAndBias } from "../layer-norm.js";
import { dropout, serial } from "../structure.js";
import { convolution, type Weight } from "./convolution.js";

/** Parameters of a block. */
export interface WideBlockParams {
  readonly bn1: ScaleAndBias;
  readonly conv1: Weight;
  readonly bn2: ScaleAndBias;
  readonly conv2: Weight;
  /** A 1×1 convolution where the block changes the shape. */
  readonly shortcut?: Weight;
}

/** State of a block. */
export interface WideBlockState {
  readonly bn1: BatchNormState;
  readonly conv1: null;
  readonly bn2: BatchNormState;
  readonly conv2: null;
  readonly shortcut?: null;
}

export interface WideResnetParams {
  readonly conv1: Weight;
  readonly layer1: readonly WideBlockParams[];
  readonly layer2: readonly WideBlockParams[];
  readonly layer3: readonly WideBlockParams[];
  readonly bn: ScaleAndBias;
  readonly fc: DenseParams;
}

export interface WideResnetState {
  readonly conv1: null;
  readonly layer1: readonly WideBlockState[];
  readonly layer2: readonly WideBlockState[];
  readonly layer3: readonly WideBlockState[];
  readonly bn: BatchNormState;
  readonly fc: null;
}

export interface WideResnetOptions {
  /** Number of convolutions, 6n + 4. Default 28. */
  readonly depth?: number;
  /** How many times wider than a ResNet. Default 10. */
  readonly width?: number;
  /** Number of outputs. Default 10. */
  readonly classes?: number;
  /** Rate of dropout between the convolutions of a block. Default 0. */
  readonly dropout?: number;
  /** Channels of the stem, and of the first group where the width is 1. Default 16. */
  readonly base?: number;
}

function block(
  inputs: number,
  features: number,
  strides: number,
  rate: number,
): Layer<WideBlockParams, WideBlockState> {
  const main = {
    bn1: batchNorm(),
    conv1: convolution(features, 3, strides),
    bn2: batchNorm(),
    dropout: dropout(rate),
    conv2: convolution(features, 3),
  };
  const changes = inputs !== features || strides !== 1;
  const shortcut = convolution(features, 1, strides);
  const layer = composite(`wide(${inputs}, ${features})`, changes ? { ...main, shortcut } : main, {
    init(part, shape) {
      const out = chain(["bn1", "conv1", "bn2", "dropout", "conv2"] as const).init(part, shape);
      if (changes) part("shortcut" as never, shape);
      return out;
    },
    apply(part, x) {
      const start = relu(part("bn1", x));
      const inner = part("dropout", relu(part("bn2", part("conv1", start))));
      return add(part("conv2", inner), changes ? part("shortcut" as never, start) : x);
    },
  });
  return layer as unknown as Layer<WideBlockParams, WideBlockState>;
}

/**
 * WRN-depth-width: pre-activation blocks in three groups of 16·width, 32·width and 64·width channels.
 * WRN-28-10, the default, has 36,479,194 parameters with 10 classes.
 *
 * @throws DawngradError when the depth is not 6n + 4.
 *
 * ```ts
 * const model = wideResnet({ depth: 10, width: 1, base: 4 });
 * model.init(random.key(0), [2, 16, 16, 3]).outputShape; // [2, 10]
 * ```
 */
export function wideResnet(
  options: WideResnetOptions = {},
): Layer<WideResnetParams, WideResnetState> {
  const { depth = 28, width = 10, classes = 10, base = 16, dropout: rate = 0 } = options;
  const blocks = (depth - 4) / 6;
  if (!Number.isInteger(blocks) || blocks < 1) {
    throw new DawngradError(`wideResnet: depth is ${depth}; give 6n + 4, such as 16, 28 or 40`);
  }
  checkPositive("wideResnet", "width", width);
  checkPositive("wideResnet", "classes", classes);
  checkPositive("wideResnet", "base", base);
  let inputs = base;
  const group = (i: number) => {
    const features = base * width * 2 ** i;
    return serial(
      Array.from({ length: blocks }, (_, j) => {
        const made = block(inputs, features, i > 0 && j === 0 ? 2 : 1, rate);
        inputs = features;
        return made;
      }),
    );
  };
  const parts = {
    conv1: convolution(base, 3),
    layer1: group(0),
    layer2: group(1),
    layer3: group(2),
    bn: batchNorm(),
    fc: dense(classes, { biasInit: zeros }),
  };
  const body = chain(["conv1", "layer1", "layer2", "layer3", "bn"] as const);
  return composite(`wideResnet(${depth}, ${width})`, parts, {
    init: (part, shape) =>
      part(
        "fc",
        shapeOf((x) => globalAvgPool(x), body.init(part, shape)),
      ),
    apply: (part, x, how) => part("fc", globalAvgPool(relu(body.apply(part, x, how)))),
  });
}
