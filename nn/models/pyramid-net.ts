/** Deep pyramidal residual networks (Han, Kim & Kim 2017) for CIFAR, of basic blocks. */
import {
  add,
  avgPool,
  DawngradError,
  globalAvgPool,
  pad,
  relu,
  type Tensor,
} from "../../src/index.js";
import { type BatchNormState, batchNorm } from "../batch-norm.js";
import { chain, composite } from "../composite.js";
import { type DenseParams, dense } from "../dense.js";
import { checkPositive, type Layer, shapeOf } from "../layer.js";
import type { ScaleAndBias } from "../layer-norm.js";
import { serial } from "../structure.js";
import { convolution, type Weight } from "./convolution.js";

/** Parameters of a block. */
export interface PyramidBlockParams {
  readonly bn1: ScaleAndBias;
  readonly conv1: Weight;
  readonly bn2: ScaleAndBias;
  readonly conv2: Weight;
  readonly bn3: ScaleAndBias;
}

/** State of a block. */
export interface PyramidBlockState {
  readonly bn1: BatchNormState;
  readonly conv1: null;
  readonly bn2: BatchNormState;
  readonly conv2: null;
  readonly bn3: BatchNormState;
}

export interface PyramidNetParams {
  readonly conv1: Weight;
  readonly bn1: ScaleAndBias;
  readonly layer1: readonly PyramidBlockParams[];
  readonly layer2: readonly PyramidBlockParams[];
  readonly layer3: readonly PyramidBlockParams[];
  readonly bnFinal: ScaleAndBias;
  readonly fc: DenseParams;
}

export interface PyramidNetState {
  readonly conv1: null;
  readonly bn1: BatchNormState;
  readonly layer1: readonly PyramidBlockState[];
  readonly layer2: readonly PyramidBlockState[];
  readonly layer3: readonly PyramidBlockState[];
  readonly bnFinal: BatchNormState;
  readonly fc: null;
}

export interface PyramidNetOptions {
  /** Number of layers, 6n + 2. Default 110. */
  readonly depth?: number;
  /** Channels added over the whole network. Default 270. */
  readonly alpha?: number;
  /** Number of outputs. Default 10. */
  readonly classes?: number;
  /** Channels of the stem. Default 16. */
  readonly base?: number;
}

/** The shortcut has no parameters: the mean of 2×2 where the image halves, zeros for new channels. */
function block(
  inputs: number,
  features: number,
  strides: number,
): Layer<PyramidBlockParams, PyramidBlockState> {
  const parts = {
    bn1: batchNorm(),
    conv1: convolution(features, 3, strides),
    bn2: batchNorm(),
    conv2: convolution(features, 3),
    bn3: batchNorm(),
  };
  const shortcut = (x: Tensor): Tensor =>
    pad(strides === 1 ? x : avgPool(x, strides), [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, features - inputs],
    ]);
  return composite(`pyramid(${inputs}, ${features})`, parts, {
    init: chain(["bn1", "conv1", "bn2", "conv2", "bn3"] as const).init,
    apply(part, x) {
      const start = part("bn2", part("conv1", part("bn1", x)));
      return add(part("bn3", part("conv2", relu(start))), shortcut(x));
    },
  });
}

/**
 * PyramidNet-depth with widening factor α: the k-th of N blocks has round(base + k·α/N) channels.
 * Depth 110 has 3,904,446 parameters with α = 84, and 28,485,477 with α = 270 and 10 classes.
 *
 * @throws DawngradError when the depth is not 6n + 2.
 *
 * ```ts
 * const model = pyramidNet({ depth: 8, alpha: 6, base: 4 });
 * const { params } = model.init(random.key(0), [2, 16, 16, 3]);
 * params.layer3[0]?.conv2.weight.shape; // [3, 3, 10, 10]
 * ```
 */
export function pyramidNet(
  options: PyramidNetOptions = {},
): Layer<PyramidNetParams, PyramidNetState> {
  const { depth = 110, alpha = 270, classes = 10, base = 16 } = options;
  const blocks = (depth - 2) / 6;
  if (!Number.isInteger(blocks) || blocks < 1) {
    throw new DawngradError(`pyramidNet: depth is ${depth}; give 6n + 2, such as 110 or 272`);
  }
  if (!(alpha >= 0)) throw new DawngradError(`pyramidNet: alpha is ${alpha}; give a number >= 0`);
  checkPositive("pyramidNet", "classes", classes);
  checkPositive("pyramidNet", "base", base);
  const featuresOf = (k: number): number => Math.round(base + (k * alpha) / (3 * blocks));
  const group = (i: number) =>
    serial(
      Array.from({ length: blocks }, (_, j) => {
        const k = i * blocks + j;
        return block(featuresOf(k), featuresOf(k + 1), i > 0 && j === 0 ? 2 : 1);
      }),
    );
  const parts = {
    conv1: convolution(base, 3),
    bn1: batchNorm(),
    layer1: group(0),
    layer2: group(1),
    layer3: group(2),
    bnFinal: batchNorm(),
    fc: dense(classes),
  };
  const body = chain(["conv1", "bn1", "layer1", "layer2", "layer3", "bnFinal"] as const);
  return composite(`pyramidNet(${depth}, ${alpha})`, parts, {
    init: (part, shape) =>
      part(
        "fc",
        shapeOf((x) => globalAvgPool(x), body.init(part, shape)),
      ),
    apply: (part, x, how) => part("fc", globalAvgPool(relu(body.apply(part, x, how)))),
  });
}
