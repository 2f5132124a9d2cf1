/** What a program does on the device, told from the schedule and the shaders that run. */
import { type Group, type Schedule, summarise } from "../schedule/index.js";
import type { Shader } from "../wgsl/index.js";
import { storageBytes } from "./array.js";
import type { Program } from "./program.js";

export interface ExplainedKernel {
  readonly name: string;
  readonly workgroups: readonly [x: number, y: number, z: number];
  readonly flops: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** The primitives that the kernel computes, by name. */
  readonly fused: readonly string[];
}

export interface Explanation {
  readonly dispatches: number;
  readonly submits: number;
  readonly kernels: readonly ExplainedKernel[];
  /** Bytes of inputs, results and intermediates at once. */
  readonly peakBytes: number;
}

/** What one run of a program does. */
export function explainProgram(program: Program): Explanation {
  const { schedule, shaders } = program.executable;
  return explainSchedule(schedule, shaders);
}

export function explainSchedule(s: Schedule, shaders: readonly Shader[]): Explanation {
  const { defs, cuts, plan } = s;
  const kernels = s.dispatches.map((d, i): ExplainedKernel => {
    const parts = d.groups.map((g: Group, j) => summarise(g, defs, cuts, d.kernels[j]!.stores));
    const sum = (f: (p: (typeof parts)[number]) => number) => parts.reduce((n, p) => n + f(p), 0);
    return {
      name: nameOf(d.groups),
      workgroups: shaders[i]!.workgroups,
      flops: sum((p) => p.flops),
      bytesRead: sum((p) => p.bytesRead),
      bytesWritten: sum((p) => p.bytesWritten),
      fused: parts.flatMap((p) => p.fused),
    };
  });
  const inputs = defs.graph.inputs
    .filter((v, i) => i < defs.inputCount && !cuts.isScalar(v))
    .reduce((n, v) => n + storageBytes(v.aval), 0);
  const results = plan.results
    .filter((r) => r.donor === undefined)
    .reduce((n, r) => n + storageBytes(r.variable.aval), 0);
  const arena = plan.arena.reduce((n, bytes) => n + bytes, 0);
  return {
    dispatches: kernels.length,
    submits: kernels.length > 0 ? 1 : 0,
    kernels,
    peakBytes: inputs + results + arena,
  };
}

/** A short name: the contraction, or what the segments compute. */
function nameOf(groups: readonly Group[]): string {
  const names = groups.map((g) => {
    if (g.kind === "contract") return "contract";
    return g.inner ? "rows" : g.loads > g.size * 64 ? "reduce" : "map";
  });
  const counts = new Map<string, number>();
  for (const n of names) counts.set(n, (counts.get(n) ?? 0) + 1);
  return [...counts].map(([n, count]) => (count > 1 ? `${n}×${count}` : n)).join("+");
}
