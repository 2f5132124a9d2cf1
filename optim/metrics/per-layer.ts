/** Any metric for each layer by itself. */
import { type Tensor, tree } from "../../src/index.js";
import type { Objective } from "./objective.js";

/** The objective as a function of one leaf of the parameters, the others fixed. */
function onLeaf<P>(objective: Objective<P>, params: P, index: number): Objective<Tensor> {
  const [leaves, def] = tree.flatten(params);
  const put = (leaf: Tensor): P =>
    def.unflatten((leaves as Tensor[]).map((x, i) => (i === index ? leaf : x))) as P;
  if (typeof objective === "function") return (leaf) => objective(put(leaf));
  const { loss, batches } = objective;
  return { batches, loss: (leaf, batch) => loss(put(leaf), batch) };
}

/**
 * A metric of each leaf of the parameters, the others held fixed: `measure` is called with the objective
 * as a function of that leaf and with the leaf. Traces and eigenvalues are then those of the Hessian's
 * diagonal blocks. Keys of the result are the leaves' paths, in their order.
 *
 * ```ts
 * const loss = (p: { a: Tensor; b: Tensor }) => p.a.mul(p.a).sum().add(p.b.mul(3).sum());
 * const norms = await perLayer(loss, { a: array([3, 4]), b: array([1]) }, gradientNorm);
 * norms[".a"]; // 10
 * norms[".b"]; // 3
 * ```
 */
export async function perLayer<P, R>(
  objective: Objective<P>,
  params: P,
  measure: (objective: Objective<Tensor>, leaf: Tensor) => Promise<R>,
): Promise<Record<string, R>> {
  const [leaves, def] = tree.flatten(params);
  const paths = def.paths();
  const out: Record<string, R> = {};
  for (const [i, leaf] of (leaves as Tensor[]).entries()) {
    out[paths[i] || "(root)"] = await measure(onLeaf(objective, params, i), leaf);
  }
  return out;
}
