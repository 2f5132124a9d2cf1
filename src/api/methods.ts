/** The operations as methods of Tensor: declared here for the types, installed on the prototype. */
import type { Shape } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { Tensor } from "../trace/tensor.js";
import type { NestedArray } from "./concrete.js";
import * as activations from "./ops/activations.js";
import * as arithmetic from "./ops/arithmetic.js";
import * as cast from "./ops/cast.js";
import * as comparison from "./ops/comparison.js";
import type { CumulativeOptions, PositionOptions } from "./ops/cumulative.js";
import * as cumulative from "./ops/cumulative.js";
import * as exponential from "./ops/exponential.js";
import type { Index } from "./ops/indexing.js";
import * as indexing from "./ops/indexing.js";
import * as join from "./ops/join.js";
import * as linalg from "./ops/linalg.js";
import * as logic from "./ops/logic.js";
import type { DiagonalOptions } from "./ops/matrix.js";
import * as matrix from "./ops/matrix.js";
import type {
  AxisArgument,
  NormOptions,
  ReduceOptions,
  SumOptions,
  VarianceOptions,
} from "./ops/reductions.js";
import * as reductions from "./ops/reductions.js";
import * as rounding from "./ops/rounding.js";
import * as shape from "./ops/shape.js";
import type { SortOptions } from "./ops/sorting.js";
import * as sorting from "./ops/sorting.js";
import * as special from "./ops/special.js";
import * as trigonometric from "./ops/trigonometric.js";

declare module "../trace/tensor.js" {
  interface Tensor {
    /**
     * The values, flat and row-major, once computed: Float32Array, Int32Array, Uint32Array, or for
     * bool Uint8Array.
     */
    data(): Promise<Float32Array | Int32Array | Uint32Array | Uint8Array>;
    /** The value of a tensor with one element, a number (bool: 1 or 0). */
    item(): Promise<number>;
    /** The values as nested lists; a number (bool: a boolean) for a scalar. */
    toArray(): Promise<NestedArray>;
    /** Give the memory back now; later use throws DisposedError. */
    dispose(): void;
    [Symbol.dispose](): void;

    /** Axes reversed. */
    readonly T: Tensor;
    /** The entries along the first axis: `const [a, b] = random.split(key)`. */
    [Symbol.iterator](): IterableIterator<Tensor>;

    /** x + y, broadcast together. */
    add(y: TensorLike): Tensor;
    /** x - y. */
    sub(y: TensorLike): Tensor;
    /** x · y, element by element. */
    mul(y: TensorLike): Tensor;
    /** x / y, always float32. */
    div(y: TensorLike): Tensor;
    /** x / y rounded down. */
    floorDivide(y: TensorLike): Tensor;
    /** Remainder with the sign of y. */
    mod(y: TensorLike): Tensor;
    /** x to the power y. */
    pow(y: TensorLike): Tensor;
    /** -x. */
    neg(): Tensor;
    /** |x|. */
    abs(): Tensor;
    /** -1, 0 or 1. */
    sign(): Tensor;
    /** x · x. */
    square(): Tensor;
    /** 1 / x. */
    reciprocal(): Tensor;
    /** The larger of x and y. */
    maximum(y: TensorLike): Tensor;
    /** The smaller of x and y. */
    minimum(y: TensorLike): Tensor;
    /** x held within bounds. */
    clip(lo: TensorLike | null, hi: TensorLike | null): Tensor;
    /** Rounded down. */
    floor(): Tensor;
    /** Rounded up. */
    ceil(): Tensor;
    /** Rounded, halves to even. */
    round(): Tensor;
    /** The integer part. */
    trunc(): Tensor;
    /** e to the power x. */
    exp(): Tensor;
    /** e^x - 1. */
    expm1(): Tensor;
    /** Natural logarithm. */
    log(): Tensor;
    /** log(1 + x). */
    log1p(): Tensor;
    /** Square root. */
    sqrt(): Tensor;
    /** 1 / √x. */
    rsqrt(): Tensor;
    /** Sine. */
    sin(): Tensor;
    /** Cosine. */
    cos(): Tensor;
    /** Tangent. */
    tan(): Tensor;
    /** Hyperbolic tangent. */
    tanh(): Tensor;
    /** Error function. */
    erf(): Tensor;
    /** 1 / (1 + e^-x). */
    sigmoid(): Tensor;
    /** x where positive, else 0. */
    relu(): Tensor;
    /** e^x / Σ e^x along an axis, the last by default. */
    softmax(axis?: number | readonly number[]): Tensor;
    /** log softmax along an axis, the last by default. */
    logSoftmax(axis?: number | readonly number[]): Tensor;
    /** log Σ e^x over axes. */
    logsumexp(axis?: AxisArgument, options?: ReduceOptions): Tensor;
    /** x = y. */
    equal(y: TensorLike): Tensor;
    /** x ≠ y. */
    notEqual(y: TensorLike): Tensor;
    /** x < y. */
    less(y: TensorLike): Tensor;
    /** x ≤ y. */
    lessEqual(y: TensorLike): Tensor;
    /** x > y. */
    greater(y: TensorLike): Tensor;
    /** x ≥ y. */
    greaterEqual(y: TensorLike): Tensor;
    /** Where x is NaN. */
    isnan(): Tensor;
    /** Where x is finite. */
    isfinite(): Tensor;
    /** x and y, as truth values. */
    logicalAnd(y: TensorLike): Tensor;
    /** x or y, as truth values. */
    logicalOr(y: TensorLike): Tensor;
    /** Not x, as a truth value. */
    logicalNot(): Tensor;
    /** Converted to another dtype by value. */
    astype(dtype: DType): Tensor;
    /** Sum over axes. */
    sum(axis?: AxisArgument, options?: SumOptions): Tensor;
    /** Product over axes. */
    prod(axis?: AxisArgument, options?: SumOptions): Tensor;
    /** Mean over axes. */
    mean(axis?: AxisArgument, options?: ReduceOptions): Tensor;
    /** Largest element over axes. */
    max(axis?: AxisArgument, options?: ReduceOptions): Tensor;
    /** Smallest element over axes. */
    min(axis?: AxisArgument, options?: ReduceOptions): Tensor;
    /** Variance over axes. */
    var(axis?: AxisArgument, options?: VarianceOptions): Tensor;
    /** Standard deviation over axes. */
    std(axis?: AxisArgument, options?: VarianceOptions): Tensor;
    /** Whether any element is true. */
    any(axis?: AxisArgument, options?: ReduceOptions): Tensor;
    /** Whether all elements are true. */
    all(axis?: AxisArgument, options?: ReduceOptions): Tensor;
    /** Euclidean norm, or another; gradient 0 at 0. */
    norm(options?: NormOptions): Tensor;
    /** Position of the largest element. */
    argmax(axis?: number | null, options?: PositionOptions): Tensor;
    /** Position of the smallest element. */
    argmin(axis?: number | null, options?: PositionOptions): Tensor;
    /** Running sums. */
    cumsum(axis?: number | null, options?: CumulativeOptions): Tensor;
    /** Running products. */
    cumprod(axis?: number | null, options?: CumulativeOptions): Tensor;
    /** The same elements in another shape; one size may be -1. */
    reshape(shape: Shape | number): Tensor;
    /** All elements along one axis. */
    ravel(): Tensor;
    /** All elements along one axis. */
    flatten(): Tensor;
    /** Axes permuted, reversed by default. */
    transpose(axes?: readonly number[]): Tensor;
    /** Axes of size 1 removed. */
    squeeze(axis?: number | readonly number[]): Tensor;
    /** New axes of size 1. */
    expandDims(axis: number | readonly number[]): Tensor;
    /** Axes moved to other positions. */
    moveaxis(source: number | readonly number[], destination: number | readonly number[]): Tensor;
    /** Two axes exchanged. */
    swapaxes(axis1: number, axis2: number): Tensor;
    /** Repeated to a shape, without copying. */
    broadcastTo(shape: Shape): Tensor;
    /** A static slice (lax.slice). */
    slice(start: readonly number[], limit: readonly number[], strides?: readonly number[]): Tensor;
    /** numpy's index notation: `x.at(0, [1, 3], "...")` is `x[0, 1:3, ...]`. */
    at(...entries: readonly Index[]): Tensor;
    /** Elements at positions along an axis. */
    take(indices: TensorLike, axis?: number | null): Tensor;
    /** Each element repeated. */
    repeat(repeats: number | readonly number[], axis?: number): Tensor;
    /** Ascending along an axis. */
    sort(axis?: number | null, options?: SortOptions): Tensor;
    /** Positions that sort an axis. */
    argsort(axis?: number | null, options?: SortOptions): Tensor;
    /** numpy.dot. */
    dot(y: TensorLike): Tensor;
    /** Matrix product; leading axes are stacks. */
    matmul(y: TensorLike): Tensor;
    /** The diagonal of two axes. */
    diagonal(options?: DiagonalOptions): Tensor;
  }
}

/** Every method is the free function of its name with the tensor as its first argument. */
const methods = {
  add: arithmetic.add,
  sub: arithmetic.sub,
  mul: arithmetic.mul,
  div: arithmetic.div,
  floorDivide: arithmetic.floorDivide,
  mod: arithmetic.mod,
  pow: arithmetic.pow,
  neg: arithmetic.neg,
  abs: arithmetic.abs,
  sign: arithmetic.sign,
  square: arithmetic.square,
  reciprocal: arithmetic.reciprocal,
  maximum: arithmetic.maximum,
  minimum: arithmetic.minimum,
  clip: arithmetic.clip,
  floor: rounding.floor,
  ceil: rounding.ceil,
  round: rounding.round,
  trunc: rounding.trunc,
  exp: exponential.exp,
  expm1: exponential.expm1,
  log: exponential.log,
  log1p: exponential.log1p,
  sqrt: exponential.sqrt,
  rsqrt: exponential.rsqrt,
  sin: trigonometric.sin,
  cos: trigonometric.cos,
  tan: trigonometric.tan,
  tanh: trigonometric.tanh,
  erf: special.erf,
  sigmoid: activations.sigmoid,
  relu: activations.relu,
  softmax: activations.softmax,
  logSoftmax: activations.logSoftmax,
  logsumexp: activations.logsumexp,
  equal: comparison.equal,
  notEqual: comparison.notEqual,
  less: comparison.less,
  lessEqual: comparison.lessEqual,
  greater: comparison.greater,
  greaterEqual: comparison.greaterEqual,
  isnan: comparison.isnan,
  isfinite: comparison.isfinite,
  logicalAnd: logic.logicalAnd,
  logicalOr: logic.logicalOr,
  logicalNot: logic.logicalNot,
  astype: cast.astype,
  sum: reductions.sum,
  prod: reductions.prod,
  mean: reductions.mean,
  max: reductions.max,
  min: reductions.min,
  var: reductions.variance,
  std: reductions.std,
  any: reductions.any,
  all: reductions.all,
  norm: reductions.norm,
  argmax: cumulative.argmax,
  argmin: cumulative.argmin,
  cumsum: cumulative.cumsum,
  cumprod: cumulative.cumprod,
  reshape: shape.reshape,
  ravel: shape.ravel,
  flatten: shape.flatten,
  transpose: shape.transpose,
  squeeze: shape.squeeze,
  expandDims: shape.expandDims,
  moveaxis: shape.moveaxis,
  swapaxes: shape.swapaxes,
  broadcastTo: shape.broadcastTo,
  slice: shape.slice,
  at: indexing.index,
  take: indexing.take,
  repeat: join.repeat,
  sort: sorting.sort,
  argsort: sorting.argsort,
  dot: linalg.dot,
  matmul: linalg.matmul,
  diagonal: matrix.diagonal,
} as const;

for (const [name, f] of Object.entries(methods)) {
  const free = f as (x: Tensor, ...rest: unknown[]) => Tensor;
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]): Tensor {
      return free(this, ...rest);
    },
    writable: true,
    configurable: true,
  });
}

Object.defineProperty(Tensor.prototype, "T", {
  get(this: Tensor): Tensor {
    return shape.transpose(this);
  },
  configurable: true,
});

Object.defineProperty(Tensor.prototype, Symbol.iterator, {
  value(this: Tensor): IterableIterator<Tensor> {
    return join.unstack(this)[Symbol.iterator]();
  },
  writable: true,
  configurable: true,
});
