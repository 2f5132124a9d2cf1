/** Why an aim that was not reached is out of reach, and how one knows. */
import type { Aim } from "./report.js";

/** By the beginnings of an aim's work and of what it wants. */
const reasons: readonly (readonly [work: string, wanted: string, why: string])[] = [
  [
    "matmul A·B 512",
    "≥ 0.95",
    "The best text is written for this size: it has no guards of edges and one fixed shape. The generated kernel has the same tile; at 1024 there are more multiply-adds to a guard, and the two are equal.",
  ],
  [
    "CNN batch 128",
    "≤ 1.3× PyTorch",
    "PyTorch's convolution on one thread (oneDNN, AVX-512) computes more GF/s than this adapter's multiply-adds do without any memory: compare \"conv 3×3 forward\" with the ceilings.",
  ],
  [
    "elementwise chain",
    "≥ 10",
    "A shader that only copies is not faster: see the ceilings, measured in the same run.",
  ],
  [
    "row sums",
    "≥ 15",
    "A shader that only reads is not faster by much: see the ceilings. lavapipe loads every number of every lane behind a branch of its own.",
  ],
  ["column sums", "≥ 10", "As for row sums."],
  [
    "MLP 784-512-256-10 batch 16: CR-SAM, ±",
    "≤ 0.85",
    'It is set by what the step moves and computes: see "MB moved" and "million operations" of the family\'s steps. Less takes products that compute w ± ρv as they load.',
  ],
  [
    "MLP 784-512-256-10 batch 128: CR-SAM, ±",
    "≤ 0.95",
    'It is set by what the step moves and computes: see "million operations" of the family\'s steps, nearly equal for both.',
  ],
  [
    "MLP 784-512-256-10 batch 16: CR-SAM over",
    "less",
    'It computes more than three times what the SGD step does: see "million operations". Perturbing and combining the parameters counts where the batch is small.',
  ],
  [
    "MLP 784-512-256-10 batch 128: CR-SAM over",
    "less",
    'It computes more than three times what the SGD step does: see "million operations". Perturbing and combining the parameters comes on top of the three passes.',
  ],
  [
    "host time",
    "≤ 0.3",
    "Encoding and submitting the same dispatches without dawngrad takes the second column's time; most of the rest is a host that has slept and finds its caches taken by the driver's threads. In a row, as a training loop calls, it is reached.",
  ],
  [
    "first MLP step, empty",
    "≤ 3",
    "lavapipe compiles every shader when it first runs, one after the other: see the note of that section.",
  ],
  [
    "SwiftShader: matmul",
    "≥ 8",
    "Loads set the pace there, not arithmetic: see its streaming read, and the note on tiles.",
  ],
  ["SwiftShader: MLP", "≤ 40", "Most of it are products, at the pace of the one above."],
];

/** A line for each aim that was measured and missed. */
export function limitsText(aims: readonly Aim[]): string[] {
  const missed = aims.filter((a) => a.met === false);
  if (missed.length === 0) return [];
  const lines = missed.map((a) => {
    const why = reasons.find(
      ([work, want]) => a.work.startsWith(work) && a.wanted.startsWith(want),
    );
    return `- **${a.work}**, ${a.wanted}: ${why ? why[2] : "not explained yet."}`;
  });
  return ["What was not reached, and the limit:", "", ...lines, ""];
}
