/** Choosing between tensors element by element. */
import { broadcastShapes } from "../../core/aval.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { asBool } from "./atoms.js";
import { broadcastAtom, promote, toAtom } from "./promote.js";

function choose(name: string, cond: TensorLike, x: TensorLike, y: TensorLike): Tensor {
  return operation(name, (trace) => {
    const c = asBool(toAtom(cond, trace));
    const { atoms, weak } = promote([x, y], trace);
    const [a, b] = atoms as [Atom, Atom];
    const shape = broadcastShapes(name, c.aval.shape, a.aval.shape, b.aval.shape);
    const wide = (v: Atom) => broadcastAtom(v, shape);
    return tracerOf(trace, prims.select(wide(c), wide(a), wide(b)), weak);
  });
}

/**
 * `x` where the condition holds, else `y`, all broadcast together (numpy.where).
 *
 * The gradient goes to the branch taken. A branch not taken still takes part in differentiation: where
 * its derivative is infinite (a square root at 0), 0 times infinity is NaN. Guard the inside too:
 * `where(x.greater(0), sqrt(where(x.greater(0), x, 1)), 0)`.
 *
 * ```ts
 * await where(array([true, false]), array([1, 2]), 0).toArray(); // [1, 0]
 * ```
 */
export const where = (cond: TensorLike, x: TensorLike, y: TensorLike): Tensor =>
  choose("where", cond, x, y);

/**
 * As `where` (lax.select): `onTrue` where `pred` holds, else `onFalse`.
 *
 * ```ts
 * await select(array([true, false]), array([1, 2]), array([3, 4])).toArray(); // [1, 4]
 * ```
 */
export const select = (pred: TensorLike, onTrue: TensorLike, onFalse: TensorLike): Tensor =>
  choose("select", pred, onTrue, onFalse);
