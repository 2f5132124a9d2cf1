/** The parameters of cond. */
import type { Graph } from "../ir/graph.js";

/**
 * Inputs: index (int32, clamped), operands…. Every branch takes the operands and gives outputs of the
 * same avals.
 */
export interface CondParams {
  readonly branches: readonly Graph[];
}
