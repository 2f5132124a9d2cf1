/** Every primitive: the strict functions that build with them, and the table of their records. */
import type { Primitive } from "../ir/primitive.js";
import { dotGeneralP } from "./dot.js";
import { elementwisePrimitives } from "./elementwise-table.js";
import { reducePrimitives } from "./reduce.js";
import { viewPrimitives } from "./view.js";

export { dotGeneral } from "./dot.js";
export * from "./elementwise.js";
export { reduceAnd, reduceMax, reduceMin, reduceOr, reduceProd, reduceSum } from "./reduce.js";
export * from "./view.js";

/** The table from which passes' tests are derived: a new primitive is tested because it is here. */
export const primitives: readonly Primitive[] = [
  ...elementwisePrimitives,
  ...viewPrimitives,
  ...reducePrimitives,
  dotGeneralP as Primitive,
];
