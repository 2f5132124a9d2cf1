/** Activation functions and their relatives, stable at large inputs. */
import { checkShape, normalizeAxes, normalizeAxis } from "../../core/aval.js";
import type { DType } from "../../core/dtype.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { asFloat, isBool, like } from "./atoms.js";
import { logAddExp } from "./exponential.js";
import { elementwise, toAtom } from "./promote.js";
import {
  type AxisArgument,
  kept,
  type ReduceOptions,
  requireElements,
  spread,
} from "./reductions.js";

const FLOAT = { float: true } as const;

/**
 * 1 / (1 + e^-x) (jax.nn.sigmoid).
 *
 * ```ts
 * await sigmoid(array([0, 100])).toArray(); // [0.5, 1]
 * ```
 */
export const sigmoid = (x: TensorLike): Tensor =>
  elementwise("sigmoid", [x], prims.logistic, FLOAT);

/**
 * x where it is positive, else 0 (jax.nn.relu). Its derivative at 0 is 0.
 *
 * ```ts
 * await relu(array([-1, 2])).toArray(); // [0, 2]
 * ```
 */
export const relu = (x: TensorLike): Tensor =>
  elementwise("relu", [x], (a) => {
    if (a.aval.dtype === "float32") return prims.relu(a);
    return isBool(a) || a.aval.dtype === "uint32" ? a : prims.max(a, like(a, 0));
  });

/**
 * x held within [0, 6] (jax.nn.relu6).
 *
 * ```ts
 * await relu6(array([-1, 2, 9])).toArray(); // [0, 2, 6]
 * ```
 */
export const relu6 = (x: TensorLike): Tensor =>
  elementwise("relu6", [x], (a) => prims.clamp(like(a, 0), a, like(a, 6)));

/**
 * x · sigmoid(x) (jax.nn.silu, also called swish).
 *
 * ```ts
 * await silu(array([0, 1])).toArray(); // [0, 0.731059]
 * ```
 */
export const silu = (x: TensorLike): Tensor =>
  elementwise("silu", [x], (a) => prims.mul(a, prims.logistic(a)), FLOAT);

/**
 * As `silu` (jax.nn.swish).
 *
 * ```ts
 * await swish(array([0, 1])).toArray(); // [0, 0.731059]
 * ```
 */
export const swish = (x: TensorLike): Tensor =>
  elementwise("swish", [x], (a) => prims.mul(a, prims.logistic(a)), FLOAT);

/**
 * log sigmoid(x), stable where sigmoid vanishes (jax.nn.log_sigmoid).
 *
 * ```ts
 * await logSigmoid(array([0, -100])).toArray(); // [-0.693147, -100]
 * ```
 */
export const logSigmoid = (x: TensorLike): Tensor =>
  elementwise("logSigmoid", [x], (a) => prims.neg(softPlus(prims.neg(a))), FLOAT);

const softPlus = (a: Atom): Atom => logAddExp(a, like(a, 0));

/**
 * log(1 + e^x), a smooth relu (jax.nn.softplus).
 *
 * ```ts
 * await softplus(array([0, 100])).toArray(); // [0.693147, 100]
 * ```
 */
export const softplus = (x: TensorLike): Tensor => elementwise("softplus", [x], softPlus, FLOAT);

/**
 * x / (1 + |x|) (jax.nn.soft_sign).
 *
 * ```ts
 * await softsign(array([1, -3])).toArray(); // [0.5, -0.75]
 * ```
 */
export const softsign = (x: TensorLike): Tensor =>
  elementwise("softsign", [x], (a) => prims.div(a, prims.add(prims.abs(a), like(a, 1))), FLOAT);

/**
 * x · tanh(softplus(x)) (jax.nn.mish).
 *
 * ```ts
 * await mish(array([0, 1])).toArray(); // [0, 0.865098]
 * ```
 */
export const mish = (x: TensorLike): Tensor =>
  elementwise("mish", [x], (a) => prims.mul(a, prims.tanh(softPlus(a))), FLOAT);

/**
 * x held within [-1, 1] (jax.nn.hard_tanh).
 *
 * ```ts
 * await hardTanh(array([-2, 0.5])).toArray(); // [-1, 0.5]
 * ```
 */
export const hardTanh = (x: TensorLike): Tensor =>
  elementwise("hardTanh", [x], (a) => prims.clamp(like(a, -1), a, like(a, 1)));

/**
 * x where positive, else `slope` · x (jax.nn.leaky_relu).
 *
 * ```ts
 * await leakyRelu(array([-1, 2]), 0.1).toArray(); // [-0.1, 2]
 * ```
 */
export const leakyRelu = (x: TensorLike, slope: TensorLike = 0.01): Tensor =>
  elementwise(
    "leakyRelu",
    [x, slope],
    (a, s) => prims.select(prims.ge(a, like(a, 0)), a, prims.mul(a, s)),
    FLOAT,
  );

/** e^x - 1 for x ≤ 0; where x is positive the exponential sees 0, so that it cannot overflow. */
function exponentialBelow(a: Atom): Atom {
  const zero = like(a, 0);
  return prims.expm1(prims.select(prims.gt(a, zero), zero, a));
}

/**
 * x where positive, else `alpha` (e^x - 1) (jax.nn.elu).
 *
 * ```ts
 * await elu(array([-1, 2])).toArray(); // [-0.632121, 2]
 * ```
 */
export const elu = (x: TensorLike, alpha: TensorLike = 1): Tensor =>
  elementwise(
    "elu",
    [x, alpha],
    (a, s) => prims.select(prims.gt(a, like(a, 0)), a, prims.mul(s, exponentialBelow(a))),
    FLOAT,
  );

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/**
 * Scaled elu of self-normalising networks (jax.nn.selu).
 *
 * ```ts
 * await selu(array([-1, 1])).toArray(); // [-1.11133, 1.0507]
 * ```
 */
export const selu = (x: TensorLike): Tensor =>
  elementwise(
    "selu",
    [x],
    (a) => {
      const below = prims.mul(like(a, SELU_ALPHA), exponentialBelow(a));
      return prims.mul(like(a, SELU_SCALE), prims.select(prims.gt(a, like(a, 0)), a, below));
    },
    FLOAT,
  );

export interface GeluOptions {
  /** The tanh approximation, as JAX by default; false is exact, by erf. */
  readonly approximate?: boolean;
}

/**
 * x · Φ(x) with the normal distribution's Φ (jax.nn.gelu); the tanh approximation unless told.
 *
 * ```ts
 * await gelu(array([1])).toArray(); // [0.841192]
 * await gelu(array([1]), { approximate: false }).toArray(); // [0.841345]
 * ```
 */
export const gelu = (x: TensorLike, options: GeluOptions = {}): Tensor =>
  elementwise(
    "gelu",
    [x],
    (a) => {
      const half = like(a, 0.5);
      const one = like(a, 1);
      if (options.approximate ?? true) {
        const cubic = prims.mul(like(a, 0.044715), prims.mul(a, prims.mul(a, a)));
        const inner = prims.mul(like(a, Math.sqrt(2 / Math.PI)), prims.add(a, cubic));
        return prims.mul(a, prims.mul(half, prims.add(one, prims.tanh(inner))));
      }
      const phi = prims.mul(half, prims.erfc(prims.mul(a, like(a, -Math.SQRT1_2))));
      return prims.mul(a, phi);
    },
    FLOAT,
  );

/** The largest element along axes, as a constant, with what is not finite taken as 0: a safe shift. */
function shiftOf(op: string, a: Atom, axes: readonly number[]): Atom {
  requireElements(op, a, axes);
  const top = prims.stopGradient(prims.reduceMax(a, axes));
  return prims.select(prims.isFinite(top), top, like(top, 0));
}

const along = (
  name: string,
  x: TensorLike,
  axis: AxisArgument | undefined,
  f: (a: Atom, axes: number[]) => Atom,
): Tensor =>
  operation(name, (trace) => {
    const a = asFloat(toAtom(x, trace));
    return tracerOf(trace, f(a, normalizeAxes(name, axis, a.aval.shape.length)));
  });

/**
 * log Σ e^x over axes without overflow (jax.nn.logsumexp).
 *
 * ```ts
 * await logsumexp(array([1000, 1000])).item(); // 1000.69
 * ```
 */
export const logsumexp = (
  x: TensorLike,
  axis?: AxisArgument,
  options: ReduceOptions = {},
): Tensor =>
  along("logsumexp", x, axis, (a, axes) => {
    const shift = shiftOf("logsumexp", a, axes);
    const total = prims.reduceSum(prims.exp(prims.sub(a, spread(shift, a, axes))), axes);
    return kept(prims.add(prims.log(total), shift), a, axes, options.keepdims ?? false);
  });

/**
 * e^x / Σ e^x along an axis (jax.nn.softmax).
 *
 * ```ts
 * await softmax(array([0, 0, 1000, 1000])).toArray(); // [0, 0, 0.5, 0.5]
 * ```
 */
export const softmax = (x: TensorLike, axis: number | readonly number[] = -1): Tensor =>
  along("softmax", x, axis, (a, axes) => {
    const e = prims.exp(prims.sub(a, spread(shiftOf("softmax", a, axes), a, axes)));
    return prims.div(e, spread(prims.reduceSum(e, axes), a, axes));
  });

/**
 * log softmax along an axis, without the logarithm of a vanishing number (jax.nn.log_softmax).
 *
 * ```ts
 * await logSoftmax(array([0, 1000])).toArray(); // [-1000, 0]
 * ```
 */
export const logSoftmax = (x: TensorLike, axis: number | readonly number[] = -1): Tensor =>
  along("logSoftmax", x, axis, (a, axes) => {
    const shifted = prims.sub(a, spread(shiftOf("logSoftmax", a, axes), a, axes));
    const total = prims.log(prims.reduceSum(prims.exp(shifted), axes));
    return prims.sub(shifted, spread(total, a, axes));
  });

/**
 * Zero mean and unit variance along axes (jax.nn.standardize): (x - mean) / √(var + epsilon).
 *
 * ```ts
 * await standardize(array([1, 3])).toArray(); // [-1, 1]
 * ```
 */
export const standardize = (
  x: TensorLike,
  axis: number | readonly number[] = -1,
  options: { readonly epsilon?: number } = {},
): Tensor =>
  along("standardize", x, axis, (a, axes) => {
    const count = axes.reduce((n, d) => n * a.aval.shape[d]!, 1);
    const mean = (v: Atom): Atom => {
      const total = prims.reduceSum(v, axes);
      return spread(prims.div(total, like(total, count)), a, axes);
    };
    const centred = prims.sub(a, mean(a));
    const variance = mean(prims.square(centred));
    const epsilon = like(variance, options.epsilon ?? 1e-5);
    return prims.mul(centred, prims.rsqrt(prims.add(variance, epsilon)));
  });

/**
 * A new axis that is 1 at the index and 0 elsewhere (jax.nn.one_hot); all 0 for an index out of range.
 * float32 unless `dtype` says otherwise; the new axis is last unless `axis` says otherwise.
 *
 * ```ts
 * await oneHot(array([0, 2], { dtype: "int32" }), 3).toArray(); // [[1, 0, 0], [0, 0, 1]]
 * ```
 */
export const oneHot = (
  x: TensorLike,
  classes: number,
  options: { readonly dtype?: DType; readonly axis?: number } = {},
): Tensor =>
  operation("oneHot", (trace) => {
    checkShape("oneHot", [classes]);
    let a = toAtom(x, trace);
    if (isTensor(x) && a.aval.dtype === "float32") {
      throw new DtypeError(
        'oneHot: indices must be integers, not float32; convert them with astype("int32")',
      );
    }
    if (a.aval.dtype !== "uint32") a = prims.convert(a, "int32");
    const { shape } = a.aval;
    const axis = normalizeAxis("oneHot", options.axis ?? -1, shape.length + 1);
    if (classes === 0) throw new ShapeError("oneHot: needs at least one class");
    const wide = [...shape.slice(0, axis), classes, ...shape.slice(axis)];
    const spreadIndices = prims.broadcastInDim(
      a,
      wide,
      shape.map((_, d) => (d < axis ? d : d + 1)),
    );
    const hit = prims.eq(spreadIndices, prims.iota(a.aval.dtype, wide, axis));
    return tracerOf(trace, prims.convert(hit, options.dtype ?? "float32"));
  });
