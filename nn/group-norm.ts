/** Group normalisation. */
import {
  add,
  type Layout,
  mean,
  mul,
  reshape,
  rsqrt,
  ShapeError,
  square,
  sub,
  type Tensor,
} from "../src/index.js";
import { channelAxis } from "./batch-norm.js";
import { ones, zeros } from "./initializers.js";
import { checkPositive, type Layer, type Shape, showShape } from "./layer.js";
import type { ScaleAndBias } from "./layer-norm.js";

export interface GroupNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Where the channels are: last in "NHWC" (default), second in "NCHW". */
  readonly layout?: Layout;
}

/**
 * Normalises each example over groups of channels and all spatial dimensions (Wu & He 2018), with the
 * biased variance; weight and bias are [channels]. One group is layer normalisation over the whole
 * example, as many groups as channels instance normalisation.
 *
 * ```ts
 * const layer = groupNorm(2);
 * const { params } = layer.init(random.key(0), [4, 8, 8, 6]);
 * params.weight.shape; // [6]
 * ```
 */
export function groupNorm(
  groups: number,
  { eps = 1e-5, layout = "NHWC" }: GroupNormOptions = {},
): Layer<ScaleAndBias, null> {
  const name = `groupNorm(${groups})`;
  checkPositive("groupNorm", "groups", groups);
  const channelsOf = (shape: Shape): number => {
    const axis = channelAxis(name, shape, layout);
    if (shape[axis]! % groups !== 0) {
      throw new ShapeError(
        `${name}: the input ${showShape(shape)} has ${shape[axis]} channels at axis ${axis} (layout ` +
          `"${layout}"), which ${groups} groups do not divide`,
      );
    }
    return axis;
  };
  return {
    name,
    init(key, inputShape) {
      const channels = [inputShape[channelsOf(inputShape)]!];
      return {
        params: { weight: ones(key, channels), bias: zeros(key, channels) },
        state: null,
        outputShape: inputShape,
      };
    },
    apply(params, state, x) {
      const axis = channelsOf(x.shape);
      const channels = x.shape[axis]!;
      if (channels !== params.weight.shape[0]) {
        throw new ShapeError(
          `${name}: the input ${showShape(x.shape)} has ${channels} channels at axis ${axis} (layout ` +
            `"${layout}") but the parameters ${params.weight.shape[0]}; init the layer with this inputShape`,
        );
      }
      // [batch, …, groups, channels / groups, …]: a group's axis stays, the rest of an example is reduced.
      const split = [
        ...x.shape.slice(0, axis),
        groups,
        channels / groups,
        ...x.shape.slice(axis + 1),
      ];
      const reduced = split.map((_, a) => a).filter((a) => a !== 0 && a !== axis);
      const grouped = reshape(x, split);
      const centred = sub(grouped, mean(grouped, reduced, { keepdims: true }));
      const variance = mean(square(centred), reduced, { keepdims: true });
      const wide = x.shape.map((n, a) => (a === axis ? n : 1));
      const spread = (v: Tensor): Tensor => reshape(v, wide);
      const y = reshape(mul(centred, rsqrt(variance.add(eps))), x.shape);
      return [add(mul(y, spread(params.weight)), spread(params.bias)), state];
    },
  };
}
