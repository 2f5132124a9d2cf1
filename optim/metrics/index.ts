/** Measurements of trained models: asynchronous, they return numbers. */
export { type GradientNorms, gradientNorm, gradientNorms } from "./gradient-norm.js";
export {
  type Estimate,
  hutchinsonTrace,
  type NormalizedTrace,
  normalizedHessianTrace,
  type TraceOptions as ProbeOptions,
} from "./hessian-trace.js";
