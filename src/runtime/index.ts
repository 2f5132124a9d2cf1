/** Arrays on the device, and programs that make new ones from them. */
export { blockArrays, ConcreteArray, fromHost } from "./array.js";
export { type CompileOptions, compile, targetOf, warmup } from "./compile.js";
export { submitBudget } from "./control/budget.js";
export { type Counters, counters } from "./counters.js";
export { deliver, effectsDone, enqueue } from "./effects.js";
export {
  type ExplainedKernel,
  type Explanation,
  explainProgram,
  explainSchedule,
} from "./explain.js";
export type { RunInput } from "./feed.js";
export { type MemoryStats, memoryStats } from "./memory.js";
export { type KernelTime, type TimedRun, timedRun } from "./profile.js";
export { type LaneChunks, type Program, run } from "./program.js";
