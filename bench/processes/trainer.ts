/** The library that a process of its own is to measure, by its name on the command line. */
import { init } from "dawngrad";
import type { Trainer } from "../harness/contestant.js";
import { ourTrainer } from "../libraries/dawngrad.js";
import { jaxTrainer, loadJax } from "../libraries/jax.js";
import { loadTfjs, tfjsTrainer } from "../libraries/tfjs.js";
import type { Method } from "../models/family.js";
import type { Model } from "../models/model.js";

/** "sgd", "cr-sam", … for dawngrad's methods; "jax-js" and "tfjs" for the others' SGD. */
export async function opened(name: string): Promise<(model: Model) => Trainer> {
  await init();
  if (name === "jax-js") {
    const jax = await loadJax("webgpu");
    return (model) => jaxTrainer(jax, model);
  }
  if (name === "tfjs") {
    const tf = await loadTfjs();
    return (model) => tfjsTrainer(tf, model);
  }
  return (model) => ourTrainer(model, name as Method);
}
