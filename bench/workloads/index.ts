/** Everything that `npm run bench` measures, in the report's order. */
import type { Workload } from "../harness/context.js";
import { ceilings } from "./ceilings.js";
import { cnn } from "./cnn.js";
import { conv } from "./conv.js";
import { crossEntropy } from "./cross-entropy.js";
import { elementwise } from "./elementwise.js";
import { firstStep } from "./first-step.js";
import { growth } from "./growth.js";
import { hostTime } from "./host-time.js";
import { lanes } from "./lanes.js";
import { loops } from "./loops.js";
import { matmul } from "./matmul.js";
import { memory } from "./memory.js";
import { mlp } from "./mlp.js";
import { sums } from "./sums.js";
import { swiftshader } from "./swiftshader.js";

export const workloads: readonly Workload[] = [
  matmul,
  conv,
  elementwise,
  sums,
  crossEntropy,
  mlp,
  cnn,
  loops,
  hostTime,
  firstStep,
  memory,
  growth,
  lanes,
  swiftshader,
  ceilings,
];
