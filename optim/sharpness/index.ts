/** The sharpness-aware family: transforms of gradient functions. */
export type { SharpnessTransform, WithInner } from "./aux.js";
export { type CrSamAux, type CrSamOptions, crSam, type Floors } from "./cr-sam.js";
export type { Negative } from "./regulariser.js";
export {
  type GnpOptions,
  type GsamOptions,
  gnp,
  gsam,
  type SamAux,
  type SamOptions,
  sam,
} from "./sam.js";
