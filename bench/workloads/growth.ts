/** How cost grows with the batch and with the width of the layers. */
import { nearLosses } from "../harness/check.js";
import type { Context, Workload } from "../harness/context.js";
import { figure, withRange } from "../harness/format.js";
import type { Table } from "../harness/results.js";
import { alternate, pairedRatio } from "../harness/timing.js";
import { hostLosses } from "../host/family.js";
import { ourTrainer } from "../libraries/dawngrad.js";
import { torchTrainer } from "../libraries/torch.js";
import { alpha, beta, type Method, rho } from "../models/family.js";
import { mlp, sizes } from "../models/mlp.js";
import type { Model } from "../models/model.js";

const batchTitle = "growth with the batch";
const widthTitle = "growth with the width";
const compared: readonly Method[] = ["sgd", "cr-sam", "cr-sam-sequential"];

async function rowOf(context: Context, model: Model, first: string): Promise<string[]> {
  const trainers = [];
  for (const method of compared) {
    const trainer = ourTrainer(model, method, method);
    nearLosses(await trainer.losses(2), hostLosses(model, method, 2));
    trainers.push(trainer);
  }
  const { torch1 } = context.peers;
  const torch = torch1 && (await torchTrainer(torch1, model, "sgd", { rho, alpha, beta }));
  if (torch) nearLosses(await torch.losses(2), hostLosses(model, "sgd", 2));
  const all = torch ? [...trainers, torch] : trainers;
  const timings = await alternate(all, context.timing);
  for (const c of all) await c.dispose?.();
  const [sgd, vmapped, sequential, theirs] = timings;
  context.log(`  ${first}: SGD ${sgd!.ms.median.toFixed(2)} ms`);
  return [
    first,
    withRange(sgd!.ms),
    withRange(vmapped!.ms),
    figure(pairedRatio(vmapped!.samples, sgd!.samples).median),
    figure(pairedRatio(vmapped!.samples, sequential!.samples).median),
    theirs ? figure(theirs.ms.median) : "—",
    theirs ? figure(pairedRatio(sgd!.samples, theirs.samples).median) : "—",
  ];
}

async function growthTable(
  context: Context,
  title: string,
  what: string,
  models: readonly (readonly [string, Model])[],
): Promise<Table> {
  context.log(`${title} …`);
  const rows = [];
  for (const [first, model] of models) rows.push(await rowOf(context, model, first));
  return {
    kind: "table",
    title,
    head: [
      what,
      "SGD step, ms",
      "CR-SAM step, ms",
      "CR-SAM / SGD",
      "± as one vmap / as two passes",
      "PyTorch 1 thread SGD, ms",
      "dawngrad / PyTorch",
    ],
    rows,
    notes: ["Checked: the losses of two steps against float64 on the host."],
  };
}

export const growth: Workload = {
  name: "growth",
  titles: () => [batchTitle, widthTitle],
  async run(context) {
    const parts: Table[] = [];
    const batches = context.quick ? [16, 64] : [16, 32, 64, 128, 256, 512];
    const widths = context.quick ? [64, 128] : [64, 128, 256, 512, 1024];
    if (context.wants(batchTitle)) {
      const title = `MLP ${sizes.join("-")}: the batch`;
      const models = batches.map((b) => [String(b), mlp(b)] as const);
      parts.push(await growthTable(context, title, "batch", models));
    }
    if (context.wants(widthTitle)) {
      const title = "MLP 784-w-w-10, batch 128: the width";
      const models = widths.map((w) => [String(w), mlp(128, [784, w, w, 10])] as const);
      parts.push(await growthTable(context, title, "width", models));
    }
    return { title: "How cost grows: batch and width", parts };
  },
};
