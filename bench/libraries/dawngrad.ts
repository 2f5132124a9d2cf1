/** dawngrad as a contestant. */
import { array, block, type Jitted, jit, type Tensor, tree } from "dawngrad";
import { type Contestant, type Trainer, timed } from "../harness/contestant.js";
import { type Values, zerosLike } from "../harness/values.js";
import { type Method, stepOf } from "../models/family.js";
import type { Model } from "../models/model.js";

export const tensor = (v: Values): Tensor => array(v.data, { shape: v.shape });

/** A jitted function of fixed inputs; calls are not awaited in between. */
export function ours(
  f: (...xs: Tensor[]) => readonly Tensor[],
  inputs: readonly Values[],
  name = "dawngrad",
): Contestant {
  const jitted = jit(f, { name: "bench" });
  const xs = inputs.map(tensor);
  return {
    name,
    time: (times) =>
      timed(times, async () => {
        let last: readonly Tensor[] = [];
        for (let i = 0; i < times; i++) {
          for (const x of last) x.dispose();
          last = jitted(...xs);
        }
        await block(last);
        for (const x of last) x.dispose();
      }),
    async outputs() {
      const out = jitted(...xs);
      const data = await Promise.all(out.map((x) => x.data() as Promise<Float32Array>));
      for (const x of out) x.dispose();
      return data;
    },
    dispose() {
      for (const x of xs) x.dispose();
    },
  };
}

export type Params = readonly Tensor[];
export type JittedStep = Jitted<
  [params: Params, velocity: Params, x: Tensor, y: Tensor],
  [Tensor, Params, Params]
>;

export const jittedStep = (model: Model, method: Method): JittedStep =>
  jit(stepOf(model, method), { donateArgnums: [0, 1], name: `${model.name} ${method}` });

export interface TrainingState {
  readonly params: Params;
  readonly velocity: Params;
  readonly x: Tensor;
  readonly y: Tensor;
}

/** The model's own parameters and batch on the device, and zero velocity. */
export const start = (model: Model): TrainingState => ({
  params: model.params.map(tensor),
  velocity: model.params.map((p) => tensor(zerosLike(p))),
  x: tensor(model.x),
  y: tensor(model.y),
});

/** Steps of a method on a fixed batch, state donated. */
export function ourTrainer(model: Model, method: Method, name = "dawngrad"): Trainer {
  const step = jittedStep(model, method);
  let { params, velocity, x, y } = start(model);
  const losses = async (steps: number): Promise<number[]> => {
    const found: Tensor[] = [];
    for (let i = 0; i < steps; i++) {
      const [loss, nextParams, nextVelocity] = step(params, velocity, x, y);
      [params, velocity] = [nextParams, nextVelocity];
      found.push(loss);
    }
    const values = await Promise.all(found.map((l) => l.item()));
    for (const l of found) l.dispose();
    return values;
  };
  return {
    name,
    losses,
    time: (times) =>
      timed(times, async () => {
        let last: Tensor | undefined;
        for (let i = 0; i < times; i++) {
          last?.dispose();
          [last, params, velocity] = step(params, velocity, x, y);
        }
        await last!.item();
        last!.dispose();
      }),
    outputs: async () => [Float32Array.from(await losses(1))],
    dispose() {
      for (const t of tree.leaves([params, velocity, x, y]) as Tensor[]) t.dispose();
    },
  };
}
