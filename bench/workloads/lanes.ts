/** How cost grows with the lanes of a vmap: losses and gradients at many points on a line. */
import { array, block, jit, type Tensor, tree, valueAndGrad, vmap } from "dawngrad";
import { near } from "../harness/check.js";
import { type Contestant, timed } from "../harness/contestant.js";
import type { Workload } from "../harness/context.js";
import { figure, withRange } from "../harness/format.js";
import { alternate, pairedRatio } from "../harness/timing.js";
import { filled, uniform, type Values } from "../harness/values.js";
import { tensor } from "../libraries/dawngrad.js";
import { mlp } from "../models/mlp.js";

const title = "growth with the lanes";
const model = mlp(16);
const next = uniform(5);
const direction: readonly Values[] = model.params.map((p) => filled(p.shape, 0.01, next));

/** Where lane `i` of `lanes` lies on the line w + s·v. */
const placeOf = (i: number, lanes: number): number => (lanes === 1 ? 1 : (2 * i) / (lanes - 1) - 1);

type Params = readonly Tensor[];

/** Losses at every place, and the mean of their gradients. */
function points(w: Params, v: Params, places: Tensor, x: Tensor, y: Tensor): [Tensor, Params] {
  const at = (s: Tensor) =>
    valueAndGrad((p: Params) => model.loss(p, x, y))(
      tree.map((a, b) => a.add(b.mul(s)), w, v) as Params,
    );
  const [losses, grads] = vmap(at)(places);
  return [losses, tree.map((g) => g.mean(0), grads) as Params];
}

async function contestant(lanes: number): Promise<Contestant> {
  const jitted = jit(points, { name: `${lanes} lanes` });
  const w = model.params.map(tensor);
  const v = direction.map(tensor);
  const places = array(Float32Array.from({ length: lanes }, (_, i) => placeOf(i, lanes)));
  const [x, y] = [tensor(model.x), tensor(model.y)];
  const call = () => jitted(w, v, places, x, y);
  const release = ([losses, grads]: ReturnType<typeof call>): void => {
    for (const t of [losses, ...grads]) t.dispose();
  };
  const first = call();
  const losses = await first[0].data();
  release(first);
  for (const i of new Set([0, lanes - 1])) {
    const s = placeOf(i, lanes);
    const moved = model.params.map((p, k) =>
      Float64Array.from(p.data, (a, j) => a + s * direction[k]!.data[j]!),
    );
    const { loss } = model.host(moved);
    near(`the loss of lane ${i}`, losses[i] as number, loss, 2e-4 * Math.abs(loss));
  }
  return {
    name: String(lanes),
    time: (times) =>
      timed(times, async () => {
        let last: ReturnType<typeof call> | undefined;
        for (let i = 0; i < times; i++) {
          if (last) release(last);
          last = call();
        }
        await block(last);
        release(last!);
      }),
    outputs: async () => [],
    dispose() {
      for (const t of [...w, ...v, places, x, y]) t.dispose();
    },
  };
}

export const lanes: Workload = {
  name: "lanes",
  titles: () => [title],
  async run(context) {
    context.log(`${title} …`);
    const counts = context.quick ? [1, 2, 4] : [1, 2, 4, 8, 16, 32, 64];
    const contestants: Contestant[] = [];
    const notes: string[] = [];
    for (const count of counts) {
      try {
        contestants.push(await contestant(count));
      } catch (error) {
        notes.push(`${count} lanes: ${String(error).split("\n")[0]}`);
        context.log(`  ${notes.at(-1)}`);
      }
    }
    const timings = await alternate(contestants, context.timing);
    for (const c of contestants) await c.dispose?.();
    const rows = timings.map((t) => {
      const count = Number(t.name);
      const over = pairedRatio(t.samples, timings[0]!.samples).median;
      context.log(`  ${count} lanes: ${t.ms.median.toFixed(2)} ms`);
      return [t.name, withRange(t.ms), figure(t.ms.median / count), figure(over / count)];
    });
    notes.push("Checked: the losses of the first and the last lane against float64 on the host.");
    return {
      title: "How cost grows: lanes",
      text: "Loss and gradient of the MLP 784-512-256-10, batch 16, at w + s·v for every s of a vector, as one vmap.",
      parts: [
        {
          kind: "table",
          title: "Lanes",
          head: ["lanes", "ms", "ms a lane", "relative to as many calls with one lane"],
          rows,
          notes,
        },
      ],
    };
  },
};
