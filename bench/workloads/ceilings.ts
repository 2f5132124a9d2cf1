/** What the adapter itself can do, measured by shaders that do nothing else. */
import { near } from "../harness/check.js";
import type { Workload } from "../harness/context.js";
import { figure, rate, withRange } from "../harness/format.js";
import { alternate } from "../harness/timing.js";
import { filled, places, type Values } from "../harness/values.js";
import {
  copyPerThread,
  copyText,
  fmaConstants,
  fmaFlops,
  fmaResult,
  fmaText,
  fmaThreads,
} from "../kernels/ceilings.js";
import { rawContestant } from "../kernels/raw.js";

const title = "the adapter's ceilings";
const arithmetic = "multiply-add in registers";
const streaming = "streaming copy";

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
    const copy = rawContestant({
      name: streaming,
      inputs: { from },
      made: { to: [numbers] },
      passes: [
        {
          wgsl: copyText,
          grid: [numbers / 4 / (64 * copyPerThread), 1],
          buffers: ["from", "to"],
        },
      ],
      outputs: ["to"],
    });
    for (const v of (await fma.outputs())[0]!) near("a chain's end", v, fmaResult, 0);
    const [copied] = await copy.outputs();
    for (const i of places(numbers, 1001)) near(`copy ${i}`, copied![i]!, from.data[i]!, 0);
    const timings = await alternate([fma, copy], context.timing);
    fma.dispose?.();
    copy.dispose?.();
    const [compute, memory] = timings as [(typeof timings)[0], (typeof timings)[0]];
    context.figures.set("ceiling GF/s", fmaFlops / compute.ms.median / 1e6);
    context.figures.set("ceiling GB/s", (8 * numbers) / memory.ms.median / 1e6);
    const rows = [
      [arithmetic, withRange(compute.ms), rate(compute.ms.median, fmaFlops)],
      [streaming, withRange(memory.ms), rate(memory.ms.median, undefined, 8 * numbers)],
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
            `Chains of multiply-adds on four-vectors in registers (${figure(fmaFlops / 1e9)} GFLOP); a copy of ${numbers} numbers, read once and written once.`,
            "Checked: every chain's end exactly, the copy in 1001 places.",
          ],
        },
      ],
    };
  },
};
