/** What a variable is a mere reshape of: the same elements in the same order. */
import { sizeOf } from "../core/aval.js";
import { type Atom, Var } from "../ir/graph.js";
import { idxFlatten, idxUnflatten } from "../ir/index-expr.js";
import type { Defs } from "./defs.js";
import { pointOf } from "./kernel.js";
import { viewOf } from "./walk.js";

export function sameElements(defs: Defs, x: Atom): Atom {
  let at = x;
  while (at instanceof Var) {
    const eqn = defs.of(at)?.eqn;
    if (eqn?.prim.kind !== "view" || sizeOf(at.aval.shape) === 0) break;
    const point = pointOf(sizeOf(at.aval.shape));
    const e = viewOf(defs, eqn, idxUnflatten(point, at.aval.shape));
    if (e.kind !== "element") break;
    const from = eqn.inputs[e.operand]!;
    if (sizeOf(from.aval.shape) !== sizeOf(at.aval.shape)) break;
    if (idxFlatten(e.index, from.aval.shape).key !== point.key) break;
    at = from;
  }
  return at;
}
