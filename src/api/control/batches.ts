/** Slices of a leading axis in batches, one after the other. */
import { flatten, flattenSame } from "../../core/tree.js";
import type { Tensor } from "../../trace/tensor.js";
import { argumentLeaves } from "../arguments.js";
import { concatenate } from "../ops/index.js";
import { scan } from "./scan.js";

export const oneByOne = (f: (x: unknown) => unknown, xs: unknown): unknown =>
  scan((_: null, x: unknown) => [null, f(x)] as const, null, xs)[1];

/** Leaves with their first axis in two, and back. */
const folded = (x: Tensor, sizes: readonly number[], axes: number): Tensor =>
  x.reshape([...sizes, ...x.shape.slice(axes)]);

/** `lanes` of batches of `size` slices; what remains is one more, smaller batch. */
export function inBatches(lanes: (x: unknown) => unknown, xs: unknown, size: number): unknown {
  const { leaves, def } = argumentLeaves("map", [xs]);
  const n = leaves[0]!.shape[0]!;
  const part = (from: number, to: number): Tensor[] =>
    leaves.map((x) => {
      const rest = x.shape.slice(1);
      return x.slice([from, ...rest.map(() => 0)], [to, ...rest]);
    });
  const tree = (list: readonly Tensor[]): unknown => (def.unflatten(list) as [unknown])[0];
  const rounds = Math.floor(n / size);
  const full = rounds * size;
  const parts: unknown[] = [];
  if (rounds > 0) {
    const chunks = part(0, full).map((x) => folded(x, [rounds, size], 1));
    const [outs, outDef] = flatten(oneByOne(lanes, tree(chunks)));
    parts.push(outDef.unflatten(outs.map((y) => folded(y as Tensor, [full], 2))));
  }
  if (full < n || rounds === 0) parts.push(lanes(tree(part(full, n))));
  if (parts.length === 1) return parts[0];
  const [lists, outDef] = flattenSame("map", parts);
  return outDef.unflatten(lists[0]!.map((_, i) => concatenate(lists.map((l) => l[i] as Tensor))));
}
