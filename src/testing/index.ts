/** dawngrad/testing: property tests of derivatives and programs. Needs the package fast-check. */
export * as arbitraries from "./arbitraries.js";
export { type CheckGradsOptions, checkGrads, checkGraphGrads } from "./check-grads.js";
export { HostArray, hostArray } from "./host-array.js";
export { decodeProgram, type ProgramCode, type RandomProgram, type Step } from "./program.js";
export { type Hosted, type HostedArgs, reference } from "./reference.js";
