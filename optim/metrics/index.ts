/** Measurements of trained models: asynchronous, they return numbers. */
export {
  type ApproximationOptions,
  type ApproximationRatio,
  approximationRatio,
} from "./approximation-ratio.js";
export { gradientDirection, randomDirections } from "./directions.js";
export { type EigenOptions, type Eigenvalues, topEigenvalues } from "./eigenvalues.js";
export { type GradientNorms, gradientNorm, gradientNorms } from "./gradient-norm.js";
export {
  type Estimate,
  hutchinsonTrace,
  type NormalizedTrace,
  normalizedHessianTrace,
  type TraceOptions as ProbeOptions,
} from "./hessian-trace.js";
export { type LandscapeOptions, type LossLandscape, lossLandscape } from "./loss-landscape.js";
export { type DataObjective, type LossOfParams, type Objective, overData } from "./objective.js";
export { perLayer } from "./per-layer.js";
export {
  type DensityOptions,
  type SpectralDensity,
  spectralDensity,
} from "./spectral-density.js";
