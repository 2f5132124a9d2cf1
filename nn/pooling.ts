/** Pooling layers. */
import {
  type AvgPoolOptions,
  avgPool as average,
  globalAvgPool as globalAverage,
  type Layout,
  maxPool as maximum,
  type PerDimension,
  type PoolOptions,
  type Tensor,
} from "../src/index.js";
import { type Layer, shapeOf, stateless } from "./layer.js";

const pooling = (name: string, f: (x: Tensor) => Tensor): Layer<null, null> =>
  stateless(name, f, (inputShape) => shapeOf(f, inputShape));

/**
 * Largest element of each window; options as the function `maxPool`'s: strides (the window), padding
 * ("VALID"), dilation, layout ("NHWC").
 *
 * ```ts
 * maxPool(2).init(random.key(0), [8, 28, 28, 16]).outputShape; // [8, 14, 14, 16]
 * ```
 */
export const maxPool = (window: PerDimension, options: PoolOptions = {}): Layer<null, null> =>
  pooling(`maxPool(${JSON.stringify(window)})`, (x) => maximum(x, window, options));

/**
 * Mean of each window; options as the function `avgPool`'s.
 *
 * ```ts
 * avgPool(2).init(random.key(0), [8, 28, 28, 16]).outputShape; // [8, 14, 14, 16]
 * ```
 */
export const avgPool = (window: PerDimension, options: AvgPoolOptions = {}): Layer<null, null> =>
  pooling(`avgPool(${JSON.stringify(window)})`, (x) => average(x, window, options));

/**
 * Mean over all spatial dimensions: [batch, ...spatial, channels] to [batch, channels].
 *
 * ```ts
 * globalAvgPool().init(random.key(0), [8, 7, 7, 32]).outputShape; // [8, 32]
 * ```
 */
export const globalAvgPool = (options: { readonly layout?: Layout } = {}): Layer<null, null> =>
  pooling("globalAvgPool", (x) => globalAverage(x, options));
