/** The parameters of scan. */
import { type Aval, aval } from "../core/aval.js";
import type { Graph } from "../ir/graph.js";

/**
 * Inputs: init…, xs… (stacked along axis 0), consts…. Outputs: the last carry…, ys… (stacked).
 * `body`: (carry…, x…, consts…) -> (carry…, y…).
 */
export interface ScanParams {
  readonly body: Graph;
  /** Number of carried values. */
  readonly carry: number;
  /** Number of stacked inputs. */
  readonly xs: number;
  readonly length: number;
  /** From the last slice to the first. */
  readonly reverse: boolean;
}

export const stacked = (a: Aval, length: number): Aval => aval([length, ...a.shape], a.dtype);
