/** The device as users see it: init, deviceInfo, memoryStats, block. */
import { flatten } from "../core/tree.js";
import { currentGpu } from "../device/index.js";
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

/**
 * Which variant of each kernel the programs of this process use, by kernel: what `warmup` measured, what
 * was measured before (a cache on disk), or what the rule says. Save it with a checkpoint; with
 * `restoreKernelChoices` a later run rounds exactly as this one.
 *
 * ```ts
 * const choices = kernelChoices();
 * restoreKernelChoices(choices);
 * ```
 */
export const kernelChoices = (): Record<string, string> =>
  currentGpu("kernelChoices").choices.all();

/**
 * Programs that are compiled from now on use these variants, whatever is measured. Call it after `init`
 * and before the first use of a function: a compiled program keeps what it has. Kernels of another adapter
 * or version are ignored.
 *
 * @throws DawngradError where a choice is not a name.
 */
export const restoreKernelChoices = (choices: Readonly<Record<string, string>>): void =>
  currentGpu("restoreKernelChoices").choices.restore(choices);
