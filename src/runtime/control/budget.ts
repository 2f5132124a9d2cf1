/**
 * How much one submission may hold. A driver that computes on the CPU does nothing else until a
 * submission is done, and a system may reset a GPU that seems to hang: long loops are submitted in parts.
 */
import type { Gpu } from "../../device/index.js";

let chosen: number | null | undefined;

/** Dispatches of one submission on a software adapter. */
const softwareDispatches = 4096;

/**
 * The most dispatches that one submission of a program with loops holds: longer ones are split between
 * rounds. `null` puts no bound; `undefined` restores the default, which bounds software adapters only.
 *
 * ```ts
 * submitBudget(512);
 * submitBudget(undefined);
 * ```
 */
export function submitBudget(dispatches: number | null | undefined): void {
  if (typeof dispatches === "number" && !(Number.isInteger(dispatches) && dispatches > 0)) {
    throw new RangeError(
      `submitBudget: ${dispatches} is not a positive whole number, null or undefined`,
    );
  }
  chosen = dispatches;
}

export const budgetOf = (gpu: Gpu): number =>
  (chosen === undefined ? (gpu.software ? softwareDispatches : null) : chosen) ??
  Number.POSITIVE_INFINITY;
