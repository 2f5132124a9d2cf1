/** Batch normalisation. */
import {
  add,
  DawngradError,
  type Layout,
  mean,
  mul,
  reshape,
  rsqrt,
  ShapeError,
  square,
  stopGradient,
  sub,
  type Tensor,
} from "../src/index.js";
import { type Initializer, ones, zeros } from "./initializers.js";
import { type Layer, type Shape, showShape } from "./layer.js";
import type { ScaleAndBias } from "./layer-norm.js";

export interface BatchNormState {
  /** [channels] */
  readonly runningMean: Tensor;
  /** [channels]: the unbiased estimate. */
  readonly runningVar: Tensor;
}

export interface BatchNormOptions {
  /** Share of the batch in the running statistics. Default 0.1. */
  readonly momentum?: number;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Where the channels are: last in "NHWC" (default), second in "NCHW". */
  readonly layout?: Layout;
  /** Start of the weight. Default ones; zeros make a residual block start as the identity. */
  readonly weightInit?: Initializer;
}

/** The axis of the channels in an input of this shape. */
export function channelAxis(name: string, shape: Shape, layout: Layout): number {
  if (shape.length < 2) {
    throw new ShapeError(
      `${name}: the input ${showShape(shape)} needs a batch axis and a channel axis ` +
        `(layout "${layout}": channels ${layout === "NHWC" ? "last" : "second"})`,
    );
  }
  return layout === "NHWC" ? shape.length - 1 : 1;
}

/**
 * The distances d of a channel's elements from one of them, s, with the mean and biased variance that they
 * give in one pass over the data (and one over its gradient): E[d] and E[d²] − E[d]² (Chan, Golub & LeVeque,
 * "Algorithms for computing the sample variance", 1983). Where s lies k deviations from the mean (at most
 * √n, seldom above 3), the error is (1 + k²) units in the last place, however far from zero the mean lies.
 */
function distances(x: Tensor, axes: readonly number[], wide: Shape) {
  const start = wide.map(() => 0);
  const origin = stopGradient(x.slice(start, wide));
  const distance = sub(x, origin);
  const shift = mean(distance, axes);
  const variance = sub(mean(square(distance), axes), square(shift));
  return { origin: reshape(origin, shift.shape), distance, shift, variance };
}

/**
 * Normalises each channel over the batch and all spatial dimensions (Ioffe & Szegedy 2015):
 * (x − mean)/√(variance + eps)·weight + bias. In training the statistics are the batch's (with the
 * biased variance) and the next state has running ← (1 − momentum)·running + momentum·batch, where the
 * variance kept is the unbiased one, all as PyTorch; otherwise they are the running ones and the state
 * stays. Gradients flow through the batch's statistics, none into the state. Who evaluates the loss at
 * perturbed parameters drops the state that it returns.
 *
 * ```ts
 * const layer = batchNorm();
 * const { params, state } = layer.init(random.key(0), [4, 8, 8, 3]);
 * const x = random.normal(random.key(1), [4, 8, 8, 3]);
 * const [y, next] = layer.apply(params, state, x, { train: true });
 * y.shape; // [4, 8, 8, 3]
 * next.runningVar.shape; // [3]
 * ```
 */
export function batchNorm({
  momentum = 0.1,
  eps = 1e-5,
  layout = "NHWC",
  weightInit = ones,
}: BatchNormOptions = {}): Layer<ScaleAndBias, BatchNormState> {
  const name = "batchNorm";
  if (!(momentum >= 0 && momentum <= 1)) {
    throw new DawngradError(`${name}: momentum is ${momentum}; give a number from 0 to 1`);
  }
  return {
    name,
    init(key, inputShape) {
      const channels = [inputShape[channelAxis(name, inputShape, layout)]!];
      return {
        params: { weight: weightInit(key, channels), bias: zeros(key, channels) },
        state: { runningMean: zeros(key, channels), runningVar: ones(key, channels) },
        outputShape: inputShape,
      };
    },
    apply(params, state, x, { train = false } = {}) {
      const axis = channelAxis(name, x.shape, layout);
      if (x.shape[axis] !== params.weight.shape[0]) {
        throw new ShapeError(
          `${name}: the input ${showShape(x.shape)} has ${x.shape[axis]} channels at axis ${axis} ` +
            `(layout "${layout}") but the parameters ${params.weight.shape[0]}; init the layer with this ` +
            "inputShape, or give the layout",
        );
      }
      const wide = x.shape.map((n, a) => (a === axis ? n : 1));
      const spread = (v: Tensor): Tensor => reshape(v, wide);
      const { weight, bias } = params;
      const scaleFor = (variance: Tensor): Tensor => mul(weight, rsqrt(variance.add(eps)));
      if (!train) {
        const centred = sub(x, spread(state.runningMean));
        return [add(mul(centred, spread(scaleFor(state.runningVar))), spread(bias)), state];
      }
      const others = x.shape.map((_, a) => a).filter((a) => a !== axis);
      const count = others.reduce((n, a) => n * x.shape[a]!, 1);
      if (count < 2) {
        throw new ShapeError(
          `${name}: the input ${showShape(x.shape)} has ${count} value(s) a channel: training needs at ` +
            "least 2 for a variance; take a larger batch, or apply without { train: true }",
        );
      }
      const { origin, distance, shift, variance } = distances(x, others, wide);
      const scale = scaleFor(variance);
      const follow = (running: Tensor, batch: Tensor): Tensor =>
        running.mul(1 - momentum).add(stopGradient(batch).mul(momentum));
      return [
        add(mul(distance, spread(scale)), spread(sub(bias, mul(shift, scale)))),
        {
          runningMean: follow(state.runningMean, add(origin, shift)),
          runningVar: follow(state.runningVar, variance.mul(count / (count - 1))),
        },
      ];
    },
  };
}
