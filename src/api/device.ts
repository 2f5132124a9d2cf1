/** The device as users see it: init, deviceInfo, memoryStats, block. */
import { flatten } from "../core/tree.js";
import { blockArrays } from "../runtime/index.js";
import { ConcreteTensor } from "./concrete.js";

export {
  type DeviceInfo,
  deviceInfo,
  hideDawnWarnings,
  type InitOptions,
  init,
} from "../device/index.js";
export { type MemoryStats, memoryStats } from "../runtime/index.js";

/**
 * Wait until the tensors of a tree are computed (jax.block_until_ready); returns the tree. Errors of
 * the device (out of memory, device lost) reject here or in the next `data()`.
 *
 * ```ts
 * const y = await block(array([1, 2]).add(1));
 * await y.toArray(); // [2, 3]
 * ```
 */
export async function block<T>(tree: T): Promise<T> {
  const arrays = flatten(tree)[0].flatMap((x) => {
    const array = x instanceof ConcreteTensor ? x.pending() : undefined;
    return array ? [array] : [];
  });
  await blockArrays(arrays);
  return tree;
}
