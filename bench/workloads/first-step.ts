/** The first step of a process: with empty shader caches, and with what that left behind. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deviceInfo } from "dawngrad";
import { nearLosses } from "../harness/check.js";
import type { Context, Workload } from "../harness/context.js";
import { withRange } from "../harness/format.js";
import { runProcess } from "../harness/process.js";
import { spread } from "../harness/timing.js";
import { hostLosses } from "../host/family.js";
import { mlp } from "../models/mlp.js";

const title = "first step";

interface Times {
  readonly cold: number[];
  readonly warm: number[];
}

/** Seconds of a first step with new caches, and of a second process's with the same caches. */
async function measure(name: string, repeats: number): Promise<Times> {
  const times: Times = { cold: [], warm: [] };
  for (let i = 0; i < repeats; i++) {
    const folder = mkdtempSync(join(tmpdir(), "dawngrad-bench-"));
    // SwiftShader is unpacked into the cache folder, which is no part of a step.
    const lavapipe = deviceInfo().driver === "lavapipe";
    const env = { MESA_SHADER_CACHE_DIR: folder, ...(lavapipe && { XDG_CACHE_HOME: folder }) };
    for (const list of [times.cold, times.warm]) {
      const { ms, loss } = await runProcess<{ ms: number; loss: number }>(
        "processes/first-step.ts",
        [name],
        env,
      );
      nearLosses([loss], hostLosses(mlp(128), "sgd", 1));
      list.push(ms / 1000);
    }
    rmSync(folder, { recursive: true, force: true });
  }
  return times;
}

async function rowOf(context: Context, name: string, show: string): Promise<string[]> {
  try {
    const times = await measure(name, context.quick || name !== "sgd" ? 1 : 3);
    const [cold, warm] = [spread(times.cold, 0), spread(times.warm, 0)];
    context.figures.set(`first step ${name}: cold`, cold.median);
    context.figures.set(`first step ${name}: warm`, warm.median);
    context.log(`  ${show}: cold ${cold.median.toFixed(2)} s, warm ${warm.median.toFixed(2)} s`);
    return [show, withRange(cold), withRange(warm)];
  } catch (error) {
    return [show, "—", String(error).split("\n")[0]!];
  }
}

export const firstStep: Workload = {
  name: "first-step",
  titles: () => [title],
  async run(context) {
    context.log(`${title} …`);
    const rows = [await rowOf(context, "sgd", "dawngrad")];
    if (context.peers.jaxWebgpu) rows.push(await rowOf(context, "jax-js", "jax-js webgpu"));
    if (context.peers.tfjs) rows.push(await rowOf(context, "tfjs", "tfjs webgpu"));
    return {
      title: "The first step of a process",
      text: "MLP 784-512-256-10, batch 128, SGD: from the arrays on the host to the loss, trace, compilation and all, after import and choice of the adapter.",
      parts: [
        {
          kind: "table",
          title: "Seconds to the first loss",
          head: ["library", "empty caches", "second process"],
          rows,
          notes: [
            "lavapipe compiles each shader when it first runs, one after the other. Most of that goes into loads and stores, which it writes out lane by lane: some 10 ms for a number and 25 to 40 ms for a vector, where a multiply-add of vectors takes half a millisecond. Ten shaders of eight vector loads and more are three to five seconds.",
            "Checked: the loss against float64 on the host.",
          ],
        },
      ],
    };
  },
};
