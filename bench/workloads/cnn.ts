/** Training steps of the small convolutional model. */
import type { Workload } from "../harness/context.js";
import { cnn as model } from "../models/cnn.js";
import { familySteps, trainingStep } from "./training.js";

const batchOf = (quick: boolean): number => (quick ? 8 : 128);

export const cnn: Workload = {
  name: "cnn",
  titles: ({ quick }) => {
    const { name } = model(batchOf(quick));
    return [`${name}: SGD step`, `${name}: the family's steps`];
  },
  async run(context) {
    const m = model(batchOf(context.quick));
    const parts = [];
    if (context.wants(`${m.name}: SGD step`)) parts.push(await trainingStep(context, m));
    if (context.wants(`${m.name}: the family's steps`)) parts.push(await familySteps(context, m));
    return {
      title: "CNN training",
      text: "1×28×28, convolution 3×3 to 16, pool 2, convolution 3×3 to 32, pool 2, dense to 10.",
      parts,
    };
  },
};
