/** `npm run bench -- --profile`: a training step of each model, kernel by kernel. */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { deviceInfo, type Profile, profile, type Tensor } from "dawngrad";
import { figure, table } from "./harness/format.js";
import { median } from "./harness/timing.js";
import { start } from "./libraries/dawngrad.js";
import { cnn } from "./models/cnn.js";
import { type Method, stepOf } from "./models/family.js";
import { mlp } from "./models/mlp.js";
import type { Model } from "./models/model.js";

const runs = 7;
const folder = fileURLToPath(new URL("results/", import.meta.url));
type Result = [Tensor, readonly Tensor[], readonly Tensor[]];

async function profileStep(model: Model, method: Method): Promise<string[]> {
  const title = `${model.name} ${method}`;
  const step = profile(stepOf(model, method), { donateArgnums: [0, 1], name: title });
  let { params, velocity, x, y } = start(model);
  const profiles: Profile<Result>[] = [];
  // The first two compile and lay out the state.
  for (let i = 0; i < runs + 2; i++) {
    const p = await step(params, velocity, x, y);
    [, params, velocity] = p.result;
    p.result[0].dispose();
    if (i >= 2) profiles.push(p);
  }
  for (const t of [...params, ...velocity, x, y]) t.dispose();
  const [first] = profiles;
  mkdirSync(folder, { recursive: true });
  const file = `${folder}${title.replaceAll(/[^\w.-]+/g, "-")}.trace.json`;
  writeFileSync(file, JSON.stringify(profiles.at(-1)!.trace));
  const whole = `whole step ${figure(median(profiles.map((p) => p.totalMs)))} ms`;
  if (first!.clock === "none") {
    return [`## ${title}: ${whole}`, "", "The adapter has no timestamp queries.", ""];
  }
  const times = first!.kernels.map((_, i) => median(profiles.map((p) => p.kernels[i]!.ms!)));
  const rows = first!.kernels.map((k, i) => {
    const ms = times[i]!;
    const moved = k.bytesRead + k.bytesWritten;
    const fused = [...new Set(k.fused)].join(" ");
    return [
      String(i),
      k.name,
      figure(ms),
      ms > 0 ? figure(k.flops / ms / 1e6) : "—",
      ms > 0 ? figure(moved / ms / 1e6) : "—",
      k.workgroups.join("×"),
      fused.length > 60 ? `${fused.slice(0, 59)}…` : fused,
    ];
  });
  const kernels = `kernels ${figure(times.reduce((a, b) => a + b, 0))} ms`;
  return [
    `## ${title}: ${whole}, ${kernels} (medians of ${runs})`,
    "",
    ...table(["", "kernel", "ms", "GF/s", "GB/s", "workgroups", "computes"], rows),
    "",
    `Trace: ${file}`,
    "",
  ];
}

/** Print where the time of each model's steps goes, and write their traces. */
export async function profileModels(quick: boolean, only: readonly string[]): Promise<void> {
  console.log(`# ${deviceInfo().description}\n`);
  const models = quick ? [mlp(16)] : [mlp(128), mlp(16), cnn(128)];
  for (const model of models) {
    for (const method of ["sgd", "cr-sam"] as const) {
      const title = `${model.name} ${method}`.toLowerCase();
      if (only.length > 0 && !only.some((part) => title.includes(part.toLowerCase()))) continue;
      console.log((await profileStep(model, method)).join("\n"));
    }
  }
}
