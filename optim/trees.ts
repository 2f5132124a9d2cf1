/** Trees of tensors whose type the caller knows better than the compiler can. */
import { type Tensor, tree } from "../src/index.js";

/** Map over the corresponding leaves of trees of one structure. */
export const mapTrees = <T>(f: (...leaves: Tensor[]) => Tensor, ...trees: readonly unknown[]): T =>
  (tree.map as unknown as (g: typeof f, ...t: readonly unknown[]) => T)(f, ...trees);
