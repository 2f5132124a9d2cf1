/** Loops and branches: a GRU by scan against the loop written out, and how rounds and branches are run. */
import { explain } from "dawngrad";
import { near } from "../harness/check.js";
import { compare, type Entry } from "../harness/compare.js";
import type { Context, Workload } from "../harness/context.js";
import { figure, withRange } from "../harness/format.js";
import type { Comparison, Table } from "../harness/results.js";
import { alternate, pairedRatio } from "../harness/timing.js";
import { roundsContestant, type Strategy } from "../kernels/rounds.js";
import { ours, tensor } from "../libraries/dawngrad.js";
import { jaxContestant } from "../libraries/jax.js";
import { chunked, type Gru, gru, hostGru, jaxUnrolled, looped } from "../models/gru.js";
import { branchContestant } from "./branches.js";

const lengthOf = (quick: boolean): number => (quick ? 5 : 50);
const gruTitle = (length: number): string => `GRU of 64 units, ${length} steps: value and gradient`;
const lengthTitle = "GRU of 64 units: what the length costs";
const roundsTitle = "whileLoop: rounds that may be over";
const branchTitle = "cond: one branch, or both and a selection";

/** Holds the value to float64, and the gradients to its central difference in one direction. */
function hold({ inputs, length }: Gru, [value, ...grads]: readonly Float32Array[]): void {
  const at = (h: number): number => {
    const moved = inputs.map(({ data }, i) =>
      i < 3 ? Float64Array.from(data, (x, j) => x + h * Math.cos(3 * j + i)) : data,
    );
    return hostGru(moved, length);
  };
  near("the loss", value![0]!, at(0), 1e-5 * at(0));
  const slope = grads.reduce(
    (total, g, i) => g.reduce((s, x, j) => s + x * Math.cos(3 * j + i), total),
    0,
  );
  const size = grads.reduce((total, g) => g.reduce((s, x) => s + Math.abs(x), total), 0);
  near("the slope", slope, (at(1e-6) - at(-1e-6)) / 2e-6, 1e-5 * size);
}

function compareGru(context: Context): Promise<Comparison> {
  const model = gru(lengthOf(context.quick));
  const { jaxWebgpu, jaxWasm } = context.peers;
  const entries: Entry[] = [
    { name: "dawngrad", make: () => ours(looped, model.inputs) },
    ...[jaxWebgpu, jaxWasm].flatMap((jax) =>
      jax
        ? [
            {
              name: jax.name,
              make: () => jaxContestant(jax, jaxUnrolled(jax, model.length), model.inputs),
            },
          ]
        : [],
    ),
  ];
  return compare(context, gruTitle(model.length), entries, {
    check: async (c) => hold(model, await c.outputs()),
    checked: "the loss against float64 on the host, the gradient against its central difference",
  });
}

/** What preparing a GRU's gradient takes, and what it holds, by its length. */
function byLength(context: Context): Table {
  context.log(`${lengthTitle} …`);
  const rows = (context.quick ? [16, 64] : [64, 256, 1024]).map((length) => {
    const inputs = gru(length).inputs.map(tensor);
    const plan = explain(looped)(...inputs);
    const less = explain(chunked)(...inputs);
    for (const x of inputs) x.dispose();
    context.log(`  ${length}: ${plan.traceMs.toFixed(0)} ms`);
    return [
      String(length),
      String(plan.kernels.length),
      figure(plan.traceMs),
      String(plan.dispatches),
      ...[plan, less].map((p) => figure(p.peakBytes / 2 ** 20)),
    ];
  });
  return {
    kind: "table",
    title: lengthTitle,
    head: [
      "steps",
      "kernels",
      "trace and schedule, ms",
      "dispatches",
      "peak, MiB",
      "peak with √n checkpoints of √n steps, MiB",
    ],
    rows,
    notes: ["As explain tells. The first row's time includes the compiler's own warming up."],
  };
}

/** The cost of rounds by each way to end a loop that only the device sees the end of. */
async function compareRounds(context: Context): Promise<Table> {
  context.log(`${roundsTitle} …`);
  const rounds = 64;
  const sizes = context.quick ? [2 ** 10] : [2 ** 10, 2 ** 16, 2 ** 20];
  const strategies: readonly Strategy[] = ["guarded", "indirect", "asked"];
  const rows = [];
  for (const size of sizes) {
    for (const active of [true, false]) {
      const all = strategies.map((s) => roundsContestant(s, size, rounds, active));
      const timings = await alternate(all, context.timing);
      for (const c of all) await c.dispose?.();
      const us = timings.map((t) => figure((t.ms.median * 1000) / rounds));
      const over = timings.map((t) => figure(pairedRatio(t.samples, timings[0]!.samples).median));
      context.log(`  ${size}, ${active ? "active" : "over"}: ${us.join(", ")} µs a round`);
      rows.push([
        String(size),
        active ? "take place" : "are over",
        ...us,
        `${over[1]}×`,
        `${over[2]}×`,
      ]);
    }
  }
  return {
    kind: "table",
    title: roundsTitle,
    head: [
      "numbers",
      "rounds",
      "guarded, µs a round",
      "indirect, µs a round",
      "asked, µs a round",
      "indirect / guarded",
      "asked / guarded",
    ],
    rows,
    notes: [
      `A round is a test and one kernel over so many numbers; ${rounds} rounds and one answer read by the host (asked: one a round).`,
    ],
  };
}

async function compareBranches(context: Context): Promise<Table> {
  context.log(`${branchTitle} …`);
  const sizes = context.quick ? [16] : [16, 32, 64, 128];
  const rows = [];
  for (const n of sizes) {
    const all = [await branchContestant(n, "branch"), await branchContestant(n, "select")];
    const timings = await alternate(all, context.timing);
    for (const c of all) await c.dispose?.();
    const ratio = pairedRatio(timings[1]!.samples, timings[0]!.samples);
    context.log(`  ${n}: select / branch ${figure(ratio.median)}`);
    rows.push([
      `${n}×${n}`,
      figure(4 * n ** 3),
      ...timings.map((t) => withRange(t.ms)),
      withRange(ratio),
    ]);
  }
  return {
    kind: "table",
    title: branchTitle,
    head: ["product", "operations of both", "one branch, ms", "both, ms", "both / one branch"],
    rows,
    notes: [
      "cond with a product of matrices in either branch. Checked: the result against the branch by itself.",
    ],
  };
}

export const loops: Workload = {
  name: "loops",
  titles: ({ quick }) => [gruTitle(lengthOf(quick)), lengthTitle, roundsTitle, branchTitle],
  async run(context) {
    const parts: (Comparison | Table)[] = [];
    if (context.wants(gruTitle(lengthOf(context.quick)))) parts.push(await compareGru(context));
    if (context.wants(lengthTitle)) parts.push(byLength(context));
    if (context.wants(roundsTitle)) parts.push(await compareRounds(context));
    if (context.wants(branchTitle)) parts.push(await compareBranches(context));
    return { title: "Loops and branches", parts };
  },
};
