/** Host time of a step: until the call returns, the device idle before it. */
import { block } from "dawngrad";
import { nearLosses } from "../harness/check.js";
import type { Workload } from "../harness/context.js";
import { withRange } from "../harness/format.js";
import { spread } from "../harness/timing.js";
import { hostLosses } from "../host/family.js";
import { jittedStep, start } from "../libraries/dawngrad.js";
import { cnn } from "../models/cnn.js";
import { mlp } from "../models/mlp.js";
import type { Model } from "../models/model.js";

const title = "host time per step";

async function measure(model: Model, calls: number): Promise<number[]> {
  const step = jittedStep(model, "sgd");
  let { params, velocity, x, y } = start(model);
  const times: number[] = [];
  const losses: number[] = [];
  for (let i = 0; i < calls + 5; i++) {
    await block([params, velocity]);
    const from = performance.now();
    const [loss, nextParams, nextVelocity] = step(params, velocity, x, y);
    times.push(performance.now() - from);
    [params, velocity] = [nextParams, nextVelocity];
    if (losses.length < 3) losses.push(await loss.item());
    loss.dispose();
  }
  nearLosses(losses, hostLosses(model, "sgd", 3));
  for (const t of [...params, ...velocity, x, y]) t.dispose();
  return times.slice(5);
}

export const hostTime: Workload = {
  name: "host-time",
  titles: () => [title],
  async run(context) {
    context.log(`${title} …`);
    const rows = [];
    for (const model of [mlp(context.quick ? 16 : 128), cnn(context.quick ? 8 : 128)]) {
      const ms = spread(await measure(model, context.quick ? 20 : 100), 0.1);
      context.figures.set(`${model.name}: host ms`, ms.median);
      context.log(`  ${model.name}: ${ms.median.toFixed(3)} ms`);
      rows.push([model.name, withRange(ms)]);
    }
    return {
      title: "Host time",
      parts: [
        {
          kind: "table",
          title: "Host time of a replayed step",
          head: ["step", "ms, median (tenth to ninetieth of a hundred calls)"],
          rows,
          notes: [
            "From the call until it returns with the work submitted, the device idle before.",
          ],
        },
      ],
    };
  },
};
