/** A copy of a value: what puts a value that exists somewhere else too into a place of its own. */
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";

const copyP: Primitive<{ readonly to: number }> = {
  name: "copy",
  kind: "elementwise",
  aval: ([x]) => [x!],
  ref: ([x]) => [x!],
  batch: ({ inputs, params }) => [bind1(copyP, inputs, params)],
  emit: ({ args }) => [args[0]!],
  error: { ulp: 0 },
};

/** Copies to different places are different equations. */
export const copyTo = (x: Atom, to: number): Atom => bind1(copyP, [x], { to });
