/** dawngrad/optim: optimizers, schedules, gradient functions and the sharpness-aware family. */
export { type AccumulateOptions, accumulate } from "./accumulate.js";
export { chain, identity, type Mask, masked } from "./combinators.js";
export {
  type AuxOf,
  type GradFn,
  type GradResult,
  gradientOf,
  type LossFn,
  type LossResult,
} from "./gradient.js";
export * from "./metrics/index.js";
export {
  type AdamOptions,
  type AdamwOptions,
  adam,
  adamw,
  type LionOptions,
  lion,
  type RmspropOptions,
  rmsprop,
  type SgdOptions,
  sgd,
} from "./optimizers.js";
export * from "./schedules.js";
export * from "./sharpness/index.js";
export {
  applyUpdates,
  type Coefficient,
  type OptimizerState,
  type Transformation,
} from "./transformation.js";
export {
  addDecayedWeights,
  clip,
  clipByGlobalNorm,
  ema,
  scale,
  scaleByAdam,
  scaleByLearningRate,
  scaleByLion,
  scaleByRms,
  scaleBySchedule,
  trace,
} from "./transforms.js";
