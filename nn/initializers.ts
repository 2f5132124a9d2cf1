/**
 * Initializers: functions from a key and a shape to a tensor, with the names and formulas of
 * jax.nn.initializers. Weights are [..., in, out]: fan-in is the size of the second axis from the
 * end, fan-out of the last, both times the size of the axes before (a convolution's window).
 */
import { DawngradError, full, mul, random, type Tensor } from "../src/index.js";
import { type Shape, showShape } from "./layer.js";

export type Initializer = (key: Tensor, shape: Shape) => Tensor;

/** All zeros. */
export const zeros: Initializer = (_key, shape) => full(shape, 0, { dtype: "float32" });

/** All ones. */
export const ones: Initializer = (_key, shape) => full(shape, 1, { dtype: "float32" });

/** The same value everywhere. */
export const constant =
  (value: number): Initializer =>
  (_key, shape) =>
    full(shape, value, { dtype: "float32" });

/** Uniform in [0, scale) (jax.nn.initializers.uniform). */
export const uniform =
  (scale = 1e-2): Initializer =>
  (key, shape) =>
    mul(random.uniform(key, shape), scale);

/** Uniform in [-bound, bound). */
export const symmetricUniform =
  (bound: number): Initializer =>
  (key, shape) =>
    random.uniform(key, shape, { minval: -bound, maxval: bound });

/** Normal with the given standard deviation. */
export const normal =
  (stddev = 1e-2): Initializer =>
  (key, shape) =>
    mul(random.normal(key, shape), stddev);

/** `stddev` times a normal truncated to [lower, upper]. */
export const truncatedNormal =
  (stddev = 1e-2, lower = -2, upper = 2): Initializer =>
  (key, shape) =>
    mul(random.truncatedNormal(key, lower, upper, shape), stddev);

/** Fan-in and fan-out of a weight of shape [..., in, out]. */
export function fans(shape: Shape): { readonly fanIn: number; readonly fanOut: number } {
  if (shape.length < 2) {
    throw new DawngradError(
      `initializers: fan-in and fan-out need a weight of at least two axes [..., in, out], got ` +
        `${showShape(shape)}; for a bias use zeros or symmetricUniform`,
    );
  }
  const window = shape.slice(0, -2).reduce((n, d) => n * d, 1);
  return { fanIn: shape.at(-2)! * window, fanOut: shape.at(-1)! * window };
}

/** Standard deviation of a standard normal truncated to ±2. */
const truncatedDeviation = 0.8796256610342398;

/** Variance scale/fan, where fan is that of the mode (jax.nn.initializers.variance_scaling). */
export function varianceScaling(
  scale: number,
  mode: "fanIn" | "fanOut" | "fanAverage",
  distribution: "truncatedNormal" | "normal" | "uniform",
): Initializer {
  return (key, shape) => {
    const { fanIn, fanOut } = fans(shape);
    const fan = { fanIn, fanOut, fanAverage: (fanIn + fanOut) / 2 }[mode];
    const variance = scale / Math.max(1, fan);
    switch (distribution) {
      case "truncatedNormal":
        return truncatedNormal(Math.sqrt(variance) / truncatedDeviation)(key, shape);
      case "normal":
        return normal(Math.sqrt(variance))(key, shape);
      case "uniform":
        return symmetricUniform(Math.sqrt(3 * variance))(key, shape);
    }
  };
}

/** Variance 2/(in + out), uniform (Glorot & Bengio 2010). */
export const glorotUniform = (): Initializer => varianceScaling(1, "fanAverage", "uniform");
/** Variance 2/(in + out), truncated normal. */
export const glorotNormal = (): Initializer => varianceScaling(1, "fanAverage", "truncatedNormal");
/** Variance 1/in, uniform (LeCun et al. 1998). */
export const lecunUniform = (): Initializer => varianceScaling(1, "fanIn", "uniform");
/** Variance 1/in, truncated normal. */
export const lecunNormal = (): Initializer => varianceScaling(1, "fanIn", "truncatedNormal");
/** Variance 2/in, uniform (He et al. 2015). */
export const heUniform = (): Initializer => varianceScaling(2, "fanIn", "uniform");
/** Variance 2/in, truncated normal. */
export const heNormal = (): Initializer => varianceScaling(2, "fanIn", "truncatedNormal");
