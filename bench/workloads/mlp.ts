/** Training steps of the MLP 784-512-256-10. */
import type { Workload } from "../harness/context.js";
import { mlp as model } from "../models/mlp.js";
import { familySteps, trainingStep } from "./training.js";

const batches = (quick: boolean): readonly number[] => (quick ? [16] : [128, 16]);

export const mlp: Workload = {
  name: "mlp",
  titles: ({ quick }) =>
    batches(quick).flatMap((b) => [
      `${model(b).name}: SGD step`,
      `${model(b).name}: the family's steps`,
    ]),
  async run(context) {
    const parts = [];
    for (const batch of batches(context.quick)) {
      const m = model(batch);
      if (context.wants(`${m.name}: SGD step`)) parts.push(await trainingStep(context, m));
      if (context.wants(`${m.name}: the family's steps`)) parts.push(await familySteps(context, m));
    }
    return { title: "MLP training", parts };
  },
};
