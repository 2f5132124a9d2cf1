/**
 * A concrete array within a graph, for functions that are traced when no input can be added any more
 * (the rules of custom derivatives). Before a graph runs, `hoistHeld` makes inputs of them.
 */
import type { Aval } from "../core/aval.js";
import { DawngradError } from "../core/errors.js";
import type { Primitive } from "../ir/primitive.js";

export interface HeldParams {
  /** A function, so that two of them are equal only when they hold the same array. */
  readonly held: () => unknown;
  readonly aval: Aval;
}

const outlived = (): never => {
  throw new DawngradError("internal: a held array was not made an input");
};

export const heldP: Primitive<HeldParams> = {
  name: "held",
  kind: "opaque",
  aval: (_, params) => [params.aval],
  ref: outlived,
  lower: outlived,
  batch: outlived,
  error: { ulp: 0 },
};
