/** WGSL from scheduled kernels. */
export type { ContractVariant } from "./contract-tiles.js";
export {
  type Choices,
  type EmitOptions,
  emitDispatch,
  placeOf,
  type Shader,
  tilesOf,
} from "./dispatch.js";
export type { Lanes } from "./loop.js";
export type { ModuleBinding, Word } from "./module.js";
export { wordOf } from "./text.js";
