/** Host time of a step: until the call returns, the device idle before it. */
import { block, type Tensor } from "dawngrad";
import { currentGpu } from "../../src/device/index.js";
import { counters } from "../../src/runtime/index.js";
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

interface HostTimes {
  /** Milliseconds of calls that found the device idle, having waited for it. */
  readonly idle: number[];
  /** Of calls in a row, which the device is still busy with. */
  readonly inARow: number[];
  /** Of as many dispatches of an empty shader, encoded and submitted without dawngrad, the device idle. */
  readonly bare: number[];
}

async function measure(model: Model, calls: number): Promise<HostTimes> {
  const step = jittedStep(model, "sgd");
  let { params, velocity, x, y } = start(model);
  const losses: Tensor[] = [];
  const call = (): number => {
    const from = performance.now();
    const [loss, nextParams, nextVelocity] = step(params, velocity, x, y);
    const ms = performance.now() - from;
    [params, velocity] = [nextParams, nextVelocity];
    if (losses.length < 3) losses.push(loss);
    else loss.dispose();
    return ms;
  };
  const before = counters.dispatches;
  call();
  const bareCall = emptyDispatches(counters.dispatches - before);
  for (let i = 0; i < 4; i++) call();
  const times: HostTimes = { idle: [], inARow: [], bare: [] };
  for (let i = 0; i < calls; i++) {
    await block([params, velocity]);
    times.idle.push(call());
    await block([params, velocity]);
    times.bare.push(bareCall());
  }
  for (let i = 0; i < calls; i++) {
    // A queue as long as a training loop's.
    if (i % 10 === 0) {
      await block([params, velocity]);
      call();
    }
    times.inARow.push(call());
  }
  const found = await Promise.all(losses.map((l) => l.item()));
  nearLosses(found, hostLosses(model, "sgd", 3));
  for (const t of [...losses, ...params, ...velocity, x, y]) t.dispose();
  return times;
}

/** A function that encodes and submits `count` dispatches that do nothing, and tells the milliseconds. */
function emptyDispatches(count: number): () => number {
  const { device, pipelines, pool, submit } = boundGpu();
  const { pipeline, layout } = pipelines.get({
    label: "empty",
    layout: [{ type: "storage" }],
    wgsl: `@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(8) fn main() { x[0] = 1u; }`,
  });
  const resource = { buffer: pool.acquire(16, "empty"), size: 16 };
  const group = device.createBindGroup({ layout, entries: [{ binding: 0, resource }] });
  return () => {
    const from = performance.now();
    const encoder = device.createCommandEncoder({ label: "empty" });
    const pass = encoder.beginComputePass({ label: "empty" });
    for (let i = 0; i < count; i++) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(1, 1, 1);
    }
    pass.end();
    submit([encoder.finish()]);
    return performance.now() - from;
  };
}

function boundGpu() {
  const gpu = currentGpu(title);
  const { device, pipelines, pool } = gpu;
  const submit = (commands: GPUCommandBuffer[]): void => {
    gpu.submit(commands, "empty");
  };
  return { device, pipelines, pool, submit };
}

export const hostTime: Workload = {
  name: "host-time",
  titles: () => [title],
  async run(context) {
    context.log(`${title} …`);
    const rows = [];
    for (const model of [mlp(context.quick ? 16 : 128), cnn(context.quick ? 8 : 128)]) {
      const times = await measure(model, context.quick ? 20 : 100);
      const ms = spread(times.idle, 0.1);
      context.figures.set(`${model.name}: host ms`, ms.median);
      const others = [spread(times.bare, 0.1), spread(times.inARow, 0.1)];
      const shown = [ms, ...others].map(withRange);
      context.log(`  ${model.name}: ${shown.join(", ")} ms`);
      rows.push([model.name, ...shown]);
    }
    return {
      title: "Host time",
      parts: [
        {
          kind: "table",
          title: "Host time of a replayed step",
          head: ["step", "ms", "of it Dawn's own, ms", "in a row, ms"],
          rows,
          notes: [
            "From the call until it returns with the work submitted: the median of the first hundred calls, with the tenth and ninetieth. The device is idle before, and the host has waited for it.",
            "Dawn's own: as many dispatches of an empty shader, encoded and submitted without dawngrad, in turn with the others. Least that a call can take.",
            "In a row: calls that wait for nothing, as a training loop makes them. They take a fraction: a host that has slept finds its caches taken by the driver's threads.",
          ],
        },
      ],
    };
  },
};
