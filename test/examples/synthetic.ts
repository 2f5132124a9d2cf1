/** Results of an imaginary run, for the tests of what is made of them. */
import { labelsOf } from "../../examples/cr-sam-mnist/methods.js";
import { type Options, parseOptions } from "../../examples/cr-sam-mnist/options.js";
import type { Results, Run } from "../../examples/cr-sam-mnist/results.js";

export const defaultOptions = (...args: string[]): Options =>
  parseOptions(args, { out: () => {}, err: () => {} });

export function syntheticRun(method: Run["method"], seed: number, accuracy: number): Run {
  const distance = [-1, -0.5, 0, 0.5, 1];
  return {
    method,
    seed,
    epochs: [0, 1, 2].map((epoch) => ({
      trainLoss: 2 / (epoch + 1),
      monitorAccuracy: (accuracy * (epoch + 1)) / 3,
      monitorLoss: 1,
    })),
    testAccuracy: accuracy,
    testLoss: 1 - accuracy,
    curvature: { gradientNorm: 2, trace: 300, traceStandardError: 30, normalizedTrace: 150 + seed },
    landscape: { distance, loss: distance.map((t) => 1 + t * t) },
    msPerStep: 12.34,
  };
}

export function syntheticResults(runs: readonly Run[], ...args: string[]): Results {
  const options = defaultOptions(...args);
  const cost = { dispatches: 21, submits: 1, counted: { dispatches: 21, submits: 1 } };
  return {
    complete: true,
    device: "imaginary",
    data: { train: "MNIST train", test: "MNIST test", wrongLabels: 800 },
    options,
    labels: labelsOf(options),
    parameters: 109_386,
    stepsPerEpoch: 31,
    monitored: 2000,
    costs: Object.fromEntries(options.optimizers.map((m) => [m, cost])),
    agreement: null,
    runs,
  };
}
