/** checkpointName: a value under a name, by which a checkpoint's policy can save it. */
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";

export interface NameParams {
  readonly checkpointName: string;
}

export const checkpointNameP: Primitive<NameParams> = {
  name: "checkpointName",
  kind: "opaque",
  wrapper: true,
  renames: true,
  aval: ([x]) => [x!],
  ref: ([x]) => [x!],
  lower: ([x]) => [x!],
  jvp: ({ tangents: [t], params }) => [checkpointName(t!, params)],
  transpose: ({ cotangents: [ct] }) => [ct!],
  batch: ({ inputs: [x], params }) => [checkpointName(x!, params)],
  error: { ulp: 0 },
};

export const checkpointName = (x: Atom, params: NameParams): Atom =>
  bind1(checkpointNameP, [x], params);
