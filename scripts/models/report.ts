/** docs/models.md from what was recorded. */
import { entryOf, type ModelName, modelNames } from "./catalogue.js";
import type { MethodPlan, Plan } from "./plan.js";
import type { Run } from "./run.js";

export type Recorded = {
  readonly [name in ModelName]?: { readonly plan?: Plan; readonly run?: Run };
};

const mega = (bytes: number): string => `${Math.round(bytes / 2 ** 20).toLocaleString("en")} MiB`;
const giga = (flops: number): string => (flops / 1e9).toPrecision(3);
const seconds = (s: number): string => `${s < 10 ? s.toFixed(2) : s.toFixed(0)} s`;
const relative = (x: number, y: number): string => Math.abs(x / y - 1).toExponential(0);

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function sizes(recorded: Recorded): string {
  const rows = modelNames.flatMap((name) => {
    const plan = recorded[name]?.plan;
    if (!plan) return [];
    const { sgd, sam, "cr-sam": crSam } = plan.methods;
    const { title, inputShape } = entryOf(name);
    return [
      [
        title,
        inputShape.join("×"),
        plan.parameters.toLocaleString("en"),
        giga(plan.forwardFlops),
        [sgd, sam, crSam].map((m) => m.dispatches).join(" / "),
        [sgd, sam, crSam].map((m) => m.shaders).join(" / "),
        [sgd, sam, crSam].map((m) => Math.round(m.peakBytes / 2 ** 20)).join(" / "),
        `\`npm run models -- ${name}\``,
      ],
    ];
  });
  const head = ["model", "image", "parameters", "forward GFLOP", "dispatches", "shaders"];
  return table([...head, "peak MiB", "command"], rows);
}

function runs(recorded: Recorded): string {
  const rows = modelNames.flatMap((name) => {
    const { run, plan } = recorded[name] ?? {};
    if (!run) return [];
    const flops = plan && plan.batch === run.batch ? plan.methods["cr-sam"].flops : undefined;
    return [
      [
        entryOf(name).title,
        String(run.batch),
        seconds(run.stepSeconds),
        flops ? (flops / run.stepSeconds / 1e9).toFixed(0) : "–",
        `${seconds(run.warmupSeconds)} + ${seconds(run.firstSeconds)}`,
        mega(run.peakBytes),
        run.first.loss.toFixed(4),
        run.torch
          ? `${(["loss", "Lp", "Lm"] as const).map((k) => relative(run.first[k], run.torch![k])).join(", ")}`
          : "–",
        run.torch ? run.torch.gradient.toExponential(1) : "–",
        `\`npm run models -- ${name} --run\``,
      ],
    ];
  });
  const head = ["model", "batch", "step", "GFLOP/s", "compiling, first step", "peak", "loss"];
  return table([...head, "L0, L₊, L₋ off PyTorch's", "gradient off", "command"], rows);
}

const compiling = ({ traceMs, scheduleMs, textMs, dispatches }: MethodPlan): string =>
  `ResNet-101's CR-SAM step, ${dispatches} dispatches, was traced in ${seconds(traceMs / 1000)} and scheduled in ` +
  `${seconds(scheduleMs / 1000)}; its\nshaders' text took ${seconds(textMs / 1000)} more.\n\n`;

export function report(recorded: Recorded): string {
  const first = Object.values(recorded).find((r) => r.plan)?.plan;
  const deepest = recorded.resnet101?.plan?.methods["cr-sam"];
  const ran = Object.values(recorded).find((r) => r.run)?.run;
  return `# Models at their published size

Written by \`npm run models\` from docs/results/models.json; \`npm run models -- MODEL\` measures a row again.

## What a step costs

By the programs themselves, traced and scheduled without running them, for ${first?.device ?? "–"} and a batch
of ${first?.batch ?? "–"}: dispatches and planned peak memory are of one training step of SGD / SAM / CR-SAM (weights,
optimizer state, batch and intermediates), floating-point operations of the forward pass on one image
(a multiplication and an addition are two). The base optimizer is SGD with momentum, of transformers AdamW.
Parameter counts are compared with the published ones in \`test/nn/models.test.ts\`.

${sizes(recorded)}

${deepest ? compiling(deepest) : ""}## Steps that were run

CR-SAM steps (ρ 0.1, α 0.1, β 0.01) at full size on ${ran?.device ?? "–"} with two cores; the time is the fastest of
the steps after the first. The first compiles: lavapipe turns each shader into machine code when it first
runs, and keeps it on disk for later processes. PyTorch takes the same weights and images
(\`scripts/models/check.py\`, float64): relative differences of the losses at w, w + ρv and w − ρv, and
‖g − g'‖/‖g'‖ of the step's gradient over all parameters.

Two images are few for batch norm: deep networks of that size amplify rounding. PyTorch's own float32 step is off
its float64 step by about 5% of the gradient for ResNet-18 and 80% for ResNet-50
(\`python3 scripts/models/float32.py resnet18 resnet50\`). The first loss and the networks without batch norm show
what the kernels are worth, and so does the [parity](results.md#parity-with-pytorch) of reduced configurations.

${runs(recorded)}
`;
}
