/** What the rules of customJvp and customVjp return, checked against the function's own results. */
import { avalsEqual, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { flatten } from "../core/tree.js";
import type { Tensor } from "../trace/tensor.js";
import { asTensor, isTensorLike, type TracedCall } from "./arguments.js";

export const listOf = (x: number | readonly number[] | undefined): readonly number[] =>
  x === undefined ? [] : typeof x === "number" ? [x] : x;

/** Values of a tree as tensors that agree with the function's own output, or an error. */
export function matchOutputs(op: string, what: string, tree: unknown, call: TracedCall): Tensor[] {
  const [leaves, def] = flatten(tree);
  if (!def.equals(call.outDef)) {
    throw new ShapeError(
      `${op}: ${what} of '${call.label}' has the structure ${def}, but the function returns ${call.outDef}`,
    );
  }
  return leaves.map((x, i) => {
    const want = call.graph.outputs[i]!.aval;
    const got = isTensorLike(x) ? asTensor(x) : undefined;
    if (!got || !avalsEqual(got.aval, want)) {
      throw new ShapeError(
        `${op}: ${what} of '${call.label}' is ${got ? showAval(got.aval) : typeof x} at ` +
          `"${def.paths()[i] || "(root)"}", but the function returns ${showAval(want)}`,
      );
    }
    return got;
  });
}

/** A rule's result that must be a list of two. */
export const pairOf = (op: string, what: string, x: unknown): readonly [unknown, unknown] => {
  if (Array.isArray(x) && x.length === 2) return x as unknown as readonly [unknown, unknown];
  throw new ShapeError(
    `${op}: ${what} must return a list of two, but it returned ${flatten(x)[1]}`,
  );
};
