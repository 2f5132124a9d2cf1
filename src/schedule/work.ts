/** How much one dispatch computes and moves. */

import type { Schedule } from "./schedule.js";
import { type GroupSummary, summarise } from "./summary.js";

export function workOf({ defs, cuts, dispatches }: Schedule, index: number): GroupSummary {
  const { groups, kernels } = dispatches[index]!;
  const parts = groups.map((g, j) => summarise(g, defs, cuts, kernels[j]!.stores));
  // Of a kernel in several dispatches, this one's share.
  const share = kernels[0]!.size / groups[0]!.size;
  const sum = (f: (p: GroupSummary) => number) =>
    Math.round(share * parts.reduce((n, p) => n + f(p), 0));
  return {
    flops: sum((p) => p.flops),
    bytesRead: sum((p) => p.bytesRead),
    bytesWritten: sum((p) => p.bytesWritten),
    fused: parts.flatMap((p) => p.fused),
  };
}
