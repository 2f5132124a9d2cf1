/** The sharpness-aware family: transforms of gradient functions. */
export { type AeSamAux, type AeSamOptions, type AeSamState, aeSam } from "./ae-sam.js";
export type { SharpnessTransform, WithInner } from "./aux.js";
export { type CrSamAux, type CrSamOptions, crSam } from "./cr-sam.js";
export { type EsamOptions, esam } from "./esam.js";
export { type GnpOptions, gnp } from "./gnp.js";
export {
  type GsamOptions,
  gsam,
  type RhoOfLearningRateOptions,
  rhoOfLearningRate,
} from "./gsam.js";
export {
  type LookSam,
  type LookSamAux,
  type LookSamOptions,
  type LookSamState,
  lookSam,
} from "./look-sam.js";
export type { PerturbOptions } from "./perturb.js";
export { type RSamOptions, rSam } from "./r-sam.js";
export type { Negative } from "./regulariser.js";
export { type IndexedBatch, type SafAux, type SafOptions, type SafState, saf } from "./saf.js";
export { type SamOptions, sam } from "./sam.js";
export { type Ssam, type SsamOptions, type SsamState, ssam } from "./ssam.js";
export type { StatefulGradFn, StatefulStep } from "./stateful.js";
export type { Floors, RegulariserOptions } from "./three-point.js";
export type { SamAux } from "./two-point.js";
export { type WeightDecayOptions, withWeightDecay } from "./weight-decay.js";
export { type WsamAux, type WsamOptions, wsam } from "./wsam.js";
