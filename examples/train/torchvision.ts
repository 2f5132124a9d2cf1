/** Weights in torchvision's names and layouts (a state dict saved as safetensors) for a model of ours. */
import { DataError, type Tensor, transpose, tree } from "dawngrad";
import { loadSafetensors } from "dawngrad/data";
import type { Weights } from "./train-state.js";

/** layer1.0.bn1.runningMean -> layer1.0.bn1.running_mean */
const nameOf = (path: string): string =>
  path.replaceAll("runningMean", "running_mean").replaceAll("runningVar", "running_var");

/** torch stores convolutions OIHW and dense layers [out, in]; here they are HWIO and [in, out]. */
function inOurLayout(x: Tensor): Tensor {
  if (x.ndim === 4) return transpose(x, [2, 3, 1, 0]);
  return x.ndim === 2 ? transpose(x) : x;
}

/**
 * The weights of `path` in the structure of `like`, for models whose parameters have torchvision's
 * names. Throws a DataError that names the first tensor that is missing, left over or of another shape.
 */
export async function loadTorchvision(path: string, like: Weights): Promise<Weights> {
  const stored = await loadSafetensors(path);
  const [leaves, def] = tree.flatten(like as never);
  const paths = def.paths();
  const unused = new Set(Object.keys(stored).filter((n) => !n.endsWith("num_batches_tracked")));
  const found = (leaves as readonly Tensor[]).map((leaf, i) => {
    // Leaves are params.… and state.…
    const name = nameOf(paths[i]!.replace(/^(params|state)\./, ""));
    const tensor = stored[name];
    if (tensor === undefined) {
      throw new DataError(
        `${path}: expected a tensor "${name}" of the model, found none of that name`,
      );
    }
    unused.delete(name);
    const ours = inOurLayout(tensor);
    if (ours.shape.join() !== leaf.shape.join()) {
      throw new DataError(
        `${path}: expected "${name}" to fit [${leaf.shape.join(",")}], found [${tensor.shape.join(",")}] ` +
          "in torch's layout; is it another model, or another number of classes?",
      );
    }
    return ours;
  });
  const [extra] = unused;
  if (extra !== undefined) {
    throw new DataError(`${path}: expected only tensors of the model, found "${extra}" as well`);
  }
  return def.unflatten(found) as Weights;
}
