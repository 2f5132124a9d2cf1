/** A plain convolutional network. */
import { DawngradError, maxPool, relu, type Tensor } from "../../src/index.js";
import { composite } from "../composite.js";
import { type ConvParams, conv } from "../conv.js";
import { type DenseParams, dense } from "../dense.js";
import { checkPositive, type Layer, shapeOf } from "../layer.js";
import { flattened, serial } from "../structure.js";

export interface CnnParams {
  readonly convs: readonly ConvParams[];
  readonly fc: DenseParams;
}

/** There is nothing to keep. */
export interface CnnState {
  readonly convs: readonly null[];
  readonly fc: null;
}

export interface CnnOptions {
  /** Channels of each convolution. Default [32, 64]. */
  readonly channels?: readonly number[];
  /** Side of the convolutions' windows. Default 3. */
  readonly window?: number;
  /** Number of outputs. Default 10. */
  readonly classes?: number;
}

/**
 * Convolutions that keep the image's size, each followed by ReLU and max-pooling by 2, then one dense
 * layer.
 *
 * ```ts
 * const model = cnn({ channels: [8, 16] });
 * const { params, outputShape } = model.init(random.key(0), [4, 28, 28, 1]);
 * outputShape; // [4, 10]
 * params.fc.weight.shape; // [784, 10]
 * ```
 */
export function cnn(options: CnnOptions = {}): Layer<CnnParams, CnnState> {
  const { channels = [32, 64], window = 3, classes = 10 } = options;
  if (channels.length === 0)
    throw new DawngradError("cnn: give the channels of at least one layer");
  checkPositive("cnn", "classes", classes);
  const then = (x: Tensor): Tensor => maxPool(relu(x), 2);
  const convs = channels.map((n) => {
    const layer = conv(n, window, { padding: "SAME" });
    return {
      name: layer.name,
      init(key, shape) {
        const made = layer.init(key, shape);
        return { ...made, outputShape: shapeOf(then, made.outputShape) };
      },
      apply: (params, state, x) => [then(layer.apply(params, state, x)[0]), state],
    } satisfies Layer<ConvParams, null>;
  });
  const parts = { convs: serial(convs), fc: dense(classes) };
  return composite(`cnn(${channels.join(", ")})`, parts, {
    init: (part, shape) => part("fc", shapeOf(flattened, part("convs", shape))),
    apply: (part, x) => part("fc", flattened(part("convs", x))),
  });
}
