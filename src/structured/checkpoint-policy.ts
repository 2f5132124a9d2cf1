/** What a checkpoint saves of what it computed. */
import type { Eqn } from "../ir/graph.js";

/**
 * - `nothing`: everything is computed again, from the function's inputs.
 * - `everything`: nothing is computed again, as without checkpoint.
 * - `dots`: results of matrix products and convolutions are saved.
 * - `dotsWithNoBatchDims`: results of those that are no batches of products.
 * - `{ names }`: what `checkpointName` gave one of these names is saved.
 */
export type CheckpointPolicy =
  | "nothing"
  | "everything"
  | "dots"
  | "dotsWithNoBatchDims"
  | { readonly names: readonly string[] };

/** Are the outputs of an equation saved? Views never need to be: they cost nothing to make again. */
export function saves(policy: CheckpointPolicy, { prim, params }: Eqn): boolean {
  const name = (params as { readonly checkpointName?: string }).checkpointName;
  if (typeof policy === "object") {
    return name !== undefined && policy.names.includes(name);
  }
  switch (policy) {
    case "nothing":
      return false;
    case "everything":
      return prim.kind !== "view";
    case "dots":
      return isProduct(prim);
    case "dotsWithNoBatchDims": {
      const { batch } = params as { readonly batch?: readonly (readonly number[])[] };
      return isProduct(prim) && !batch?.some((axes) => axes.length > 0);
    }
  }
}

/** Contractions, and what is lowered to them. */
const isProduct = (prim: Eqn["prim"]): boolean => prim.kind === "contract" || prim.product === true;
