/** Weights that others trained: state dicts of torchvision and timm, saved as safetensors. */
import { DataError } from "dawngrad";
import { loadSafetensors } from "dawngrad/data";
import { fromStateDict } from "dawngrad/nn";
import { type ModelName, namesOf } from "./models.js";
import type { Weights } from "./train-state.js";

/**
 * The weights of `path` in the structure of `like`, by any of the names that the model's weights may have.
 * Throws a DataError that names the file and the tensors that are missing, left over or of another shape.
 */
export async function loadStateDict(
  path: string,
  model: ModelName,
  like: Weights,
): Promise<Weights> {
  const dict = await loadSafetensors(path);
  const complaints: string[] = [];
  for (const names of namesOf(model)) {
    try {
      return fromStateDict(dict, like, { names });
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      complaints.push(error.message);
    }
  }
  // The names that fit best leave the shortest list.
  const best = complaints.sort((a, b) => a.length - b.length)[0]!;
  throw new DataError(`${path}: expected the weights of ${model}: ${best}`);
}
