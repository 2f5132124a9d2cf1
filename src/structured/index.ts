/** Primitives that carry sub-graphs, and the strict functions that build with them. */
import type { Primitive } from "../ir/primitive.js";
import { checkpointP } from "./checkpoint.js";
import { condP } from "./cond.js";
import { scanP } from "./scan.js";
import { whileP } from "./while.js";

export { type CheckpointParams, checkpointP } from "./checkpoint.js";
export type { CheckpointPolicy } from "./checkpoint-policy.js";
export { cond } from "./cond.js";
export { type CustomJvpParams, customJvpP } from "./custom-jvp.js";
export { type CustomVjpParams, customVjpP } from "./custom-vjp.js";
export { scan } from "./scan.js";
export type { ScanParams } from "./scan-params.js";
export { unrolledScan } from "./unroll.js";
export { type WhileParams, whileLoop } from "./while.js";

export const structuredPrimitives: readonly Primitive[] = [
  scanP,
  condP,
  whileP,
  checkpointP,
] as Primitive[];
