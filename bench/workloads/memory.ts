/** Peak memory of training, and that it stands still. */
import { memoryStats } from "dawngrad";
import { nearLosses } from "../harness/check.js";
import type { Context, Workload } from "../harness/context.js";
import { megabytes } from "../harness/format.js";
import { runProcess } from "../harness/process.js";
import type { Table } from "../harness/results.js";
import { hostLosses } from "../host/family.js";
import { ourTrainer } from "../libraries/dawngrad.js";
import { cnn } from "../models/cnn.js";
import type { Method } from "../models/family.js";
import { mlp } from "../models/mlp.js";

const peakTitle = "peak memory";
const flatTitle = "memory over many steps";

const names = ["sgd", "sam", "cr-sam", "cr-sam-sequential", "jax-js", "tfjs"] as const;

async function peaks(context: Context): Promise<Table> {
  const rows: string[][] = [];
  const kinds = context.quick ? (["mlp"] as const) : (["mlp", "cnn"] as const);
  for (const kind of kinds) {
    const model = kind === "mlp" ? mlp(128) : cnn(128);
    for (const name of names) {
      if (name === "jax-js" && !context.peers.jaxWebgpu) continue;
      if (name === "tfjs" && !context.peers.tfjs) continue;
      const peer = name === "jax-js" || name === "tfjs";
      const method: Method = peer ? "sgd" : name;
      const show = peer ? `${name} webgpu, sgd` : `dawngrad, ${name}`;
      try {
        const { grown, peakBytes, losses } = await runProcess<{
          grown: number;
          peakBytes: number;
          losses: number[];
        }>("processes/peak-memory.ts", [name, kind, context.quick ? "10" : "50"]);
        nearLosses(losses, hostLosses(model, method, 3));
        context.log(`  ${model.name}, ${show}: ${megabytes(grown)}`);
        rows.push([model.name, show, megabytes(grown), peer ? "—" : megabytes(peakBytes)]);
      } catch (error) {
        rows.push([model.name, show, "—", String(error).split("\n")[0]!]);
      }
    }
  }
  return {
    kind: "table",
    title: "Peak memory of training",
    head: ["model", "library and step", "growth of the process", "of which device buffers"],
    rows,
    notes: [
      "A process of its own, 50 steps. On a software adapter the device's memory is the process's, compiled shaders included.",
      "Checked: the losses of three steps against float64 on the host.",
    ],
  };
}

async function flat(context: Context): Promise<Table> {
  const trainer = ourTrainer(mlp(16), "sgd");
  nearLosses(await trainer.losses(3), hostLosses(mlp(16), "sgd", 3));
  const rows: string[][] = [];
  let made = 3;
  for (const until of context.quick ? [10, 100] : [10, 100, 1000]) {
    const ms = await trainer.time(until - made);
    made = until;
    const { liveTensors, liveBytes, peakBytes } = memoryStats();
    rows.push([
      String(until),
      String(liveTensors),
      megabytes(liveBytes),
      megabytes(peakBytes),
      ms.toFixed(2),
    ]);
  }
  await trainer.dispose?.();
  return {
    kind: "table",
    title: "Many steps, not awaited in between (MLP, batch 16, state donated)",
    head: ["after step", "live tensors", "live bytes", "most so far in this process", "ms a step"],
    rows,
    notes: [],
  };
}

export const memory: Workload = {
  name: "memory",
  titles: () => [peakTitle, flatTitle],
  async run(context) {
    const parts: Table[] = [];
    for (const [title, make] of [
      [peakTitle, peaks],
      [flatTitle, flat],
    ] as const) {
      if (!context.wants(title)) continue;
      context.log(`${title} …`);
      parts.push(await make(context));
    }
    return { title: "Memory", parts };
  },
};
