/** The numpy surface: every operation, by numpy's names in camelCase. */
export * from "./activations.js";
export * from "./activations-more.js";
export * from "./arithmetic.js";
export { flip, type PadOptions, type PadWidths, pad, roll } from "./arrange.js";
export {
  type ArrayData,
  type ArrayOptions,
  array,
  asarray,
  full,
  type NestedList,
  type NumericTypedArray,
} from "./array.js";
export * from "./cast.js";
export * from "./comparison.js";
export { type ConvOptions, type ConvTransposeOptions, conv, convTranspose } from "./conv.js";
export {
  arange,
  type DtypeOption,
  eye,
  fullLike,
  identity,
  iota,
  linspace,
  ones,
  onesLike,
  zeros,
  zerosLike,
} from "./creation.js";
export * from "./cumulative.js";
export * from "./einsum.js";
export {
  cbrt,
  exp,
  exp2,
  expm1,
  log,
  log1p,
  log2,
  log10,
  logaddexp,
  rsqrt,
  sqrt,
} from "./exponential.js";
export {
  dynamicSlice,
  dynamicUpdateSlice,
  type GatherOptions,
  gather,
  type Index,
  type IndexRange,
  index,
  scatterAdd,
  take,
  takeAlongAxis,
} from "./indexing.js";
export * from "./join.js";
export {
  dot,
  dotGeneral,
  inner,
  kron,
  matmul,
  outer,
  tensordot,
  vdot,
} from "./linalg.js";
export * from "./logic.js";
export { type DiagonalOptions, diag, diagonal, trace, tri, tril, triu } from "./matrix.js";
export * from "./nan.js";
export {
  type AvgPoolOptions,
  avgPool,
  globalAvgPool,
  maxPool,
  type PoolOptions,
  type ReduceWindowOptions,
  reduceWindow,
  type WindowReduction,
} from "./pooling.js";
export {
  type AverageOptions,
  type AxisArgument,
  all,
  any,
  average,
  countNonzero,
  max,
  mean,
  min,
  type NormOptions,
  norm,
  prod,
  ptp,
  type ReduceOptions,
  type SumOptions,
  std,
  sum,
  type VarianceOptions,
  variance,
  variance as var,
} from "./reductions.js";
export * from "./rounding.js";
export * from "./sequences.js";
export {
  broadcastArrays,
  broadcastTo,
  expandDims,
  flatten,
  moveaxis,
  ravel,
  reshape,
  slice,
  squeeze,
  swapaxes,
  transpose,
} from "./shape.js";
export { argsort, median, type SortOptions, searchsorted, sort, topK } from "./sorting.js";
export type { Layout, Padding, PerDimension } from "./spatial.js";
export * from "./special.js";
export * from "./special-more.js";
export * from "./statistics.js";
export * from "./trigonometric.js";
export * from "./where.js";
