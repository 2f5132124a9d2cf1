/** Scheduling: graphs to fused kernels, in order, with their memory planned. */
export { Analyser, type Analysis, analyse, type Storage } from "./analyse.js";
export type { ContractParams, MatrixSizes } from "./contraction.js";
export {
  type ControlSchedule,
  controlKey,
  hasControl,
  type Loop,
  type Segment,
  type Stage,
  scheduleControl,
  type While,
} from "./control/index.js";
export { Defs } from "./defs.js";
export type { Group } from "./group.js";
export type { StateBlock, StateMember } from "./homes.js";
export type { ContractKernel, InnerLoop, Kernel, LoopKernel } from "./kernel.js";
export { expand } from "./lower.js";
export {
  bufferBytes,
  bufferKey,
  bufferOf,
  type Copy,
  type Location,
  type Plan,
  type ResultSlot,
} from "./plan.js";
export {
  type Dispatch,
  type Output,
  type Schedule,
  type ScheduleOptions,
  schedule,
} from "./schedule.js";
export { countsTooFar, largestArrays, TooLargeError } from "./sizes.js";
export type { GroupSummary } from "./summary.js";
export { minimalTarget, type Target } from "./target.js";
export { workOf } from "./work.js";
