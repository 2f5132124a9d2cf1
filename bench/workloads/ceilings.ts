/** What the adapter itself can do, measured by shaders that do nothing else. */
import { currentGpu } from "../../src/device/index.js";
import { near } from "../harness/check.js";
import type { Workload } from "../harness/context.js";
import { figure, rate, withRange } from "../harness/format.js";
import { alternate, type Timing } from "../harness/timing.js";
import { filled, places, type Values } from "../harness/values.js";
import {
  copyText,
  fmaConstants,
  fmaFlops,
  fmaResult,
  fmaText,
  fmaThreads,
  perThread,
  readText,
} from "../kernels/ceilings.js";
import { rawContestant } from "../kernels/raw.js";

const title = "the adapter's ceilings";
const arithmetic = "multiply-add in registers";
const copying = "streaming copy";
const reading = "streaming read";

export const ceilings: Workload = {
  name: "ceilings",
  titles: () => [title],
  async run(context) {
    context.log(`${title} …`);
    const numbers = context.quick ? 2 ** 20 : 2 ** 24;
    const constants: Values = {
      shape: [fmaConstants.length],
      data: Float32Array.from(fmaConstants),
    };
    const fma = rawContestant({
      name: arithmetic,
      inputs: { constants },
      made: { result: [fmaThreads * 4] },
      passes: [{ wgsl: fmaText, grid: [fmaThreads / 64, 1], buffers: ["constants", "result"] }],
      outputs: ["result"],
    });
    const from = filled([numbers], 2);
    const lanes = currentGpu(title).subgroupSize || 64;
    const groups = numbers / 4 / (lanes * perThread);
    const stream = (name: string, wgsl: string, size: number) =>
      rawContestant({
        name,
        inputs: { from },
        made: { to: [size] },
        passes: [{ wgsl, grid: [groups, 1], buffers: ["from", "to"] }],
        outputs: ["to"],
      });
    const copy = stream(copying, copyText(lanes), numbers);
    const read = stream(reading, readText(lanes), numbers / perThread);
    for (const v of (await fma.outputs())[0]!) near("a chain's end", v, fmaResult, 0);
    const [copied] = await copy.outputs();
    for (const i of places(numbers, 1001)) near(`copy ${i}`, copied![i]!, from.data[i]!, 0);
    const [sums] = await read.outputs();
    let [found, all, absolute] = [0, 0, 0];
    for (const v of sums!) found += v;
    for (const v of from.data) {
      all += v;
      absolute += Math.abs(v);
    }
    near("the sum of what was read", found, all, perThread * 2 ** -24 * absolute);
    const timings = await alternate([fma, copy, read], context.timing);
    for (const contestant of [fma, copy, read]) contestant.dispose?.();
    const [compute, both, only] = timings as [Timing, Timing, Timing];
    context.figures.set("ceiling GF/s", fmaFlops / compute.ms.median / 1e6);
    context.figures.set("ceiling GB/s", (8 * numbers) / both.ms.median / 1e6);
    context.figures.set("ceiling GB/s read", (4 * numbers) / only.ms.median / 1e6);
    const rows = [
      [arithmetic, withRange(compute.ms), rate(compute.ms.median, fmaFlops)],
      [copying, withRange(both.ms), rate(both.ms.median, undefined, 8 * numbers)],
      [reading, withRange(only.ms), rate(only.ms.median, undefined, 4 * numbers)],
    ];
    for (const r of rows) context.log(`  ${r.join(", ")}`);
    return {
      title: "The adapter's own ceilings",
      parts: [
        {
          kind: "table",
          title: "Shaders that only compute, or only move",
          head: ["kernel", "ms", "rate"],
          rows,
          notes: [
            `Chains of multiply-adds on four-vectors in registers (${figure(fmaFlops / 1e9)} GFLOP); a copy of ${numbers} numbers, read once and written once; and their sums, read once.`,
            "Checked: every chain's end exactly, the copy in 1001 places, the sum of what was read.",
            "lavapipe loads and stores each number of each lane behind a branch of its own, so a shader that only reads is far slower than memory: `npm run bench -- --only ceilings` measures it, and no kernel that reads from storage buffers gets past it.",
          ],
        },
      ],
    };
  },
};
