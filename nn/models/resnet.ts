/** Residual networks (He et al. 2016) as torchvision builds them, for ImageNet and for CIFAR. */
import { add, globalAvgPool, maxPool, relu, type Tensor } from "../../src/index.js";
import { type BatchNormState, batchNorm } from "../batch-norm.js";
import { chain, composite } from "../composite.js";
import { type DenseParams, dense } from "../dense.js";
import { ones, zeros } from "../initializers.js";
import { type AnyLayer, checkPositive, type Layer, shapeOf } from "../layer.js";
import type { ScaleAndBias } from "../layer-norm.js";
import { serial } from "../structure.js";
import { convolution, type Weight } from "./convolution.js";

/** Parameters of a residual block; conv3 and bn3 are the bottleneck's. */
export interface ResnetBlockParams {
  readonly conv1: Weight;
  readonly bn1: ScaleAndBias;
  readonly conv2: Weight;
  readonly bn2: ScaleAndBias;
  readonly conv3?: Weight;
  readonly bn3?: ScaleAndBias;
  /** Where the block changes the shape: a 1×1 convolution and its batch norm. */
  readonly downsample?: readonly [Weight, ScaleAndBias];
}

/** State of a residual block: the running statistics of its batch norms. */
export interface ResnetBlockState {
  readonly conv1: null;
  readonly bn1: BatchNormState;
  readonly conv2: null;
  readonly bn2: BatchNormState;
  readonly conv3?: null;
  readonly bn3?: BatchNormState;
  readonly downsample?: readonly [null, BatchNormState];
}

/** Parameters of a ResNet, by torchvision's names. */
export interface ResnetParams {
  readonly conv1: Weight;
  readonly bn1: ScaleAndBias;
  readonly layer1: readonly ResnetBlockParams[];
  readonly layer2: readonly ResnetBlockParams[];
  readonly layer3: readonly ResnetBlockParams[];
  readonly layer4: readonly ResnetBlockParams[];
  readonly fc: DenseParams;
}

/** State of a ResNet. */
export interface ResnetState {
  readonly conv1: null;
  readonly bn1: BatchNormState;
  readonly layer1: readonly ResnetBlockState[];
  readonly layer2: readonly ResnetBlockState[];
  readonly layer3: readonly ResnetBlockState[];
  readonly layer4: readonly ResnetBlockState[];
  readonly fc: null;
}

export interface ResnetOptions {
  /** Number of outputs. Default 1000. */
  readonly classes?: number;
  /**
   * "imagenet" (default): 7×7 convolution of stride 2, batch norm, ReLU, 3×3 max-pooling of stride 2.
   * "cifar": 3×3 convolution of stride 1, batch norm, ReLU.
   */
  readonly stem?: "imagenet" | "cifar";
  /** Channels of the first group of blocks; the others have 2, 4 and 8 times as many. Default 64. */
  readonly width?: number;
  /** Start each block as the identity: the weight of its last batch norm is 0 (Goyal et al. 2017). */
  readonly zeroInitResidual?: boolean;
}

export interface ResnetShape {
  /** Blocks of two 3×3 convolutions, or of 1×1, 3×3 and 1×1 with 4 times the channels at the end. */
  readonly block: "basic" | "bottleneck";
  /** Blocks in each of the four groups. */
  readonly layers: readonly [number, number, number, number];
}

function block(
  kind: ResnetShape["block"],
  inputs: number,
  features: number,
  strides: number,
  zeroInitResidual: boolean,
): Layer<ResnetBlockParams, ResnetBlockState> {
  const outputs = kind === "basic" ? features : 4 * features;
  const lastNorm = batchNorm({ weightInit: zeroInitResidual ? zeros : ones });
  // The stride is the 3×3 convolution's ("ResNet v1.5").
  const main: Readonly<Record<string, AnyLayer>> =
    kind === "basic"
      ? {
          conv1: convolution(features, 3, strides),
          bn1: batchNorm(),
          conv2: convolution(features, 3),
          bn2: lastNorm,
        }
      : {
          conv1: convolution(features, 1),
          bn1: batchNorm(),
          conv2: convolution(features, 3, strides),
          bn2: batchNorm(),
          conv3: convolution(outputs, 1),
          bn3: lastNorm,
        };
  const changes = strides !== 1 || inputs !== outputs;
  const downsample = serial([convolution(outputs, 1, strides), batchNorm()]);
  const parts = changes ? { ...main, downsample } : main;
  const names = Object.keys(main);
  const layer = composite(`${kind}(${inputs}, ${features})`, parts, {
    init(part, shape) {
      const out = chain(names).init(part, shape);
      if (changes) part("downsample", shape);
      return out;
    },
    apply(part, x) {
      let y = x;
      for (const name of names) {
        y = part(name, y);
        if (name.startsWith("bn") && name !== names.at(-1)) y = relu(y);
      }
      return relu(add(y, changes ? part("downsample", x) : x));
    },
  });
  return layer as unknown as Layer<ResnetBlockParams, ResnetBlockState>;
}

/**
 * A residual network with any numbers of blocks: a stem, four groups of blocks of which all but the
 * first halve the image, the mean over the image, and a dense layer `fc`.
 *
 * ```ts
 * const model = resnet({ block: "basic", layers: [1, 1, 1, 1], width: 8, classes: 10, stem: "cifar" });
 * const { params, outputShape } = model.init(random.key(0), [2, 16, 16, 3]);
 * outputShape; // [2, 10]
 * params.layer2[0]?.conv1.weight.shape; // [3, 3, 8, 16]
 * ```
 */
export function resnet(options: ResnetShape & ResnetOptions): Layer<ResnetParams, ResnetState> {
  const { block: kind, layers, classes = 1000, stem = "imagenet", width = 64 } = options;
  const name = `resnet(${kind}, ${layers.join("-")})`;
  checkPositive("resnet", "classes", classes);
  checkPositive("resnet", "width", width);
  for (const n of layers) checkPositive("resnet", "the number of blocks", n);
  let inputs = width;
  const group = (i: number) => {
    const features = width * 2 ** i;
    return serial(
      Array.from({ length: layers[i]! }, (_, j) => {
        const strides = i > 0 && j === 0 ? 2 : 1;
        const made = block(kind, inputs, features, strides, options.zeroInitResidual ?? false);
        inputs = kind === "basic" ? features : 4 * features;
        return made;
      }),
    );
  };
  const parts = {
    conv1: stem === "imagenet" ? convolution(width, 7, 2) : convolution(width, 3),
    bn1: batchNorm(),
    layer1: group(0),
    layer2: group(1),
    layer3: group(2),
    layer4: group(3),
    fc: dense(classes),
  };
  const groups = chain(["layer1", "layer2", "layer3", "layer4"] as const);
  const shrink = (x: Tensor): Tensor =>
    stem === "imagenet" ? maxPool(x, 3, { strides: 2, padding: 1 }) : x;
  return composite(name, parts, {
    init(part, shape) {
      const start = part("bn1", part("conv1", shape));
      return part(
        "fc",
        shapeOf((x) => globalAvgPool(x), groups.init(part, shapeOf(shrink, start))),
      );
    },
    apply(part, x, options) {
      const start = shrink(relu(part("bn1", part("conv1", x))));
      return part("fc", globalAvgPool(groups.apply(part, start, options)));
    },
  });
}

const preset =
  (block: ResnetShape["block"], layers: ResnetShape["layers"]) =>
  (options: ResnetOptions = {}): Layer<ResnetParams, ResnetState> =>
    resnet({ ...options, block, layers });

/** ResNet-18: 11,689,512 parameters with 1000 classes; 11,173,962 with the CIFAR stem and 10. */
export const resnet18 = preset("basic", [2, 2, 2, 2]);
/** ResNet-34: 21,797,672 parameters with 1000 classes. */
export const resnet34 = preset("basic", [3, 4, 6, 3]);
/** ResNet-50: 25,557,032 parameters with 1000 classes. */
export const resnet50 = preset("bottleneck", [3, 4, 6, 3]);
/** ResNet-101: 44,549,160 parameters with 1000 classes. */
export const resnet101 = preset("bottleneck", [3, 4, 23, 3]);
