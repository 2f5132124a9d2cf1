/** dawngrad's public root: tensors, operations, transforms, the device. */
import "./core/ambient.js";
import "./api/methods.js";

export {
  type GradOf,
  type GradOptions,
  grad,
  jvp,
  linearize,
  stopGradient,
  valueAndGrad,
  vjp,
} from "./api/autodiff.js";
export { checkFinite, FiniteCheck } from "./api/check-finite.js";
export {
  type CheckpointOptions,
  type CheckpointPolicy,
  checkpoint,
  checkpointName,
  checkpointPolicies,
  remat,
} from "./api/checkpoint.js";
export {
  type AllGatherOptions,
  type AxisName,
  allGather,
  allToAll,
  axisIndex,
  axisSize,
  type Gathered,
  type PsumScatterOptions,
  pmax,
  pmean,
  pmin,
  ppermute,
  pshuffle,
  psum,
  psumScatter,
} from "./api/collectives.js";
export { type NestedArray, tidy } from "./api/concrete.js";
export * from "./api/control/index.js";
export { switchCase as switch } from "./api/control/index.js";
export {
  type ArgumentRule,
  type CustomJvp,
  type CustomJvpOptions,
  customJvp,
} from "./api/custom-jvp.js";
export { type CustomVjp, type CustomVjpOptions, customVjp } from "./api/custom-vjp.js";
export * as debug from "./api/debug.js";
export {
  block,
  type DeviceInfo,
  deviceInfo,
  hideDawnWarnings,
  type InitOptions,
  init,
  kernelChoices,
  type MemoryStats,
  memoryStats,
  restoreKernelChoices,
} from "./api/device.js";
export { evalShape } from "./api/eval-shape.js";
export { type Explanation, explain } from "./api/explain.js";
export { makeGraph } from "./api/graph.js";
export {
  hessian,
  hvp,
  type JacobianOf,
  type JacobianOptions,
  jacfwd,
  jacrev,
} from "./api/jacobian.js";
export { jet } from "./api/jet.js";
export { type JitOptions, type Jitted, jit } from "./api/jit.js";
export { linearTranspose } from "./api/linear-transpose.js";
export * from "./api/ops/index.js";
export { type ChromeTrace, type Profile, type ProfiledKernel, profile } from "./api/profile.js";
export * as random from "./api/random.js";
export * as tree from "./api/tree.js";
export { type Axes, type VmapOptions, vmap } from "./api/vmap.js";
export type { Shape } from "./core/aval.js";
export type { DType } from "./core/dtype.js";
export * from "./core/errors.js";
export type { Graph } from "./ir/graph.js";
export { submitBudget } from "./runtime/index.js";
export { ShapeDtypeStruct } from "./trace/shape-dtype.js";
export { isTensor, Tensor, type TensorLike } from "./trace/tensor.js";
