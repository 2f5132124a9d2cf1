/** A model's training step in every library, and the sharpness family's steps. */
import { explain } from "dawngrad";
import { nearLosses } from "../harness/check.js";
import { compare, type Entry } from "../harness/compare.js";
import type { Contestant, Trainer } from "../harness/contestant.js";
import type { Context } from "../harness/context.js";
import { figure, withRange } from "../harness/format.js";
import type { Comparison, Table } from "../harness/results.js";
import { alternate, pairedRatio } from "../harness/timing.js";
import { hostLosses } from "../host/family.js";
import { ourTrainer, start } from "../libraries/dawngrad.js";
import { jaxTrainer } from "../libraries/jax.js";
import { tfjsTrainer } from "../libraries/tfjs.js";
import { type Torch, torchTrainer } from "../libraries/torch.js";
import { alpha, beta, type Method, methods, rho, stepOf } from "../models/family.js";
import type { Model } from "../models/model.js";

/** Losses that are compared: the second needs a right gradient, the third right momentum. */
export const checkedSteps = 3;

const checked = `the losses of the first ${checkedSteps} steps against float64 on the host`;

async function holdLosses(trainer: Trainer, model: Model, method: Method): Promise<void> {
  nearLosses(await trainer.losses(checkedSteps), hostLosses(model, method, checkedSteps));
}

const torchOf = (torch: Torch, model: Model, method: Exclude<Method, "cr-sam-sequential">) =>
  torchTrainer(torch, model, method, { rho, alpha, beta });

/** SGD with momentum in every library. */
export function trainingStep(context: Context, model: Model): Promise<Comparison> {
  const { jaxWebgpu, jaxWasm, tfjs, torch1, torch2 } = context.peers;
  const entries: Entry[] = [
    { name: "dawngrad", make: () => ourTrainer(model, "sgd") },
    ...[jaxWebgpu, jaxWasm].flatMap((jax) =>
      jax ? [{ name: jax.name, make: () => jaxTrainer(jax, model) }] : [],
    ),
    ...(tfjs ? [{ name: tfjs.name, make: () => tfjsTrainer(tfjs, model) }] : []),
    ...[torch1, torch2].flatMap((torch) =>
      torch ? [{ name: torch.name, make: () => torchOf(torch, model, "sgd") }] : [],
    ),
  ];
  return compare(context, `${model.name}: SGD step`, entries, {
    check: (c) => holdLosses(c as Trainer, model, "sgd"),
    checked,
  });
}

const label: Readonly<Record<Method, string>> = {
  sgd: "SGD",
  sam: "SAM",
  "cr-sam": "CR-SAM, ± as one vmap",
  "cr-sam-sequential": "CR-SAM, ± as two passes",
};

/** The family's steps against each other, and against PyTorch's on one thread. */
export async function familySteps(context: Context, model: Model): Promise<Table> {
  const title = `${model.name}: the family's steps`;
  context.log(`${title} …`);
  const { torch1 } = context.peers;
  const trainers: { method: Method; trainer: Contestant }[] = [];
  const theirs = new Map<Method, Contestant>();
  for (const method of methods) {
    const trainer = ourTrainer(model, method, method);
    await holdLosses(trainer, model, method);
    trainers.push({ method, trainer });
    if (torch1 && method !== "cr-sam-sequential") {
      const other = await torchOf(torch1, model, method);
      await holdLosses(other, model, method);
      theirs.set(method, { ...other, name: `PyTorch ${method}` });
    }
  }
  const all = [...trainers.map((t) => t.trainer), ...theirs.values()];
  const timings = await alternate(all, context.timing);
  for (const c of all) await c.dispose?.();
  const timingOf = (c: Contestant) => timings.find((t) => t.name === c.name)!;
  const sgd = timings[0]!;
  const rows = trainers.map(({ method, trainer }) => {
    const t = timingOf(trainer);
    const { params, velocity, x, y } = start(model);
    const plan = explain(stepOf(model, method), { donateArgnums: [0, 1] })(params, velocity, x, y);
    for (const tensor of [...params, ...velocity, x, y]) tensor.dispose();
    const other = theirs.get(method === "cr-sam-sequential" ? "cr-sam" : method);
    const torch = other && timingOf(other);
    const overSgd = pairedRatio(t.samples, sgd.samples);
    context.figures.set(`${model.name} ${method}: dispatches`, plan.dispatches);
    context.figures.set(`${model.name} ${method}: over SGD`, overSgd.median);
    const total = (f: (k: (typeof plan.kernels)[number]) => number) =>
      figure(plan.kernels.reduce((n, k) => n + f(k), 0) / 1e6);
    context.log(`  ${label[method]}: ${t.ms.median.toFixed(2)} ms, ${plan.dispatches} dispatches`);
    return [
      label[method],
      withRange(t.ms),
      withRange(overSgd),
      String(plan.dispatches),
      String(plan.submits),
      total((k) => k.flops),
      total((k) => k.bytesRead + k.bytesWritten),
      torch ? figure(torch.ms.median) : "—",
      torch ? figure(pairedRatio(t.samples, torch.samples).median) : "—",
    ];
  });
  const [vmapped, sequential] = (["cr-sam", "cr-sam-sequential"] as const).map((m) =>
    timingOf(trainers.find((t) => t.method === m)!.trainer),
  );
  const lanes = pairedRatio(vmapped!.samples, sequential!.samples);
  context.figures.set(`${model.name}: vmapped over sequential`, lanes.median);
  context.log(`  vmapped over sequential: ${lanes.median.toFixed(3)}`);
  return {
    kind: "table",
    title,
    head: [
      "step",
      "ms",
      "relative to SGD",
      "dispatches",
      "submissions",
      "million operations",
      "MB moved",
      "PyTorch 1 thread, ms",
      "dawngrad / PyTorch",
    ],
    rows,
    notes: [
      `CR-SAM with ± as one vmap over CR-SAM with ± as two passes: ${withRange(lanes)}.`,
      `Checked: ${checked}.`,
    ],
  };
}
