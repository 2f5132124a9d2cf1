/** What a program does on the device, told from the schedule and the shaders that run. */
import { type Group, type Schedule, summarise } from "../schedule/index.js";
import type { Shader } from "../wgsl/index.js";
import { storageBytes } from "./array.js";
import { ControlExecutable, type Runnable } from "./control/executable.js";
import type { Program } from "./program.js";

export interface ExplainedKernel {
  readonly name: string;
  readonly workgroups: readonly [x: number, y: number, z: number];
  readonly flops: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** The primitives that the kernel computes, by name. */
  readonly fused: readonly string[];
  /** Its shader. Kernels of equal text share a pipeline. */
  readonly wgsl: string;
  /** How often it runs, in a program with loops: a whileLoop's rounds count once. */
  readonly times?: number;
}

export interface Explanation {
  readonly dispatches: number;
  readonly submits: number;
  readonly kernels: readonly ExplainedKernel[];
  /** Copies of arrays between buffers, beside those of state that is not yet where it belongs. */
  readonly copies: number;
  /** Bytes of inputs, results and intermediates at once. */
  readonly peakBytes: number;
  /** Loops, outer ones before those within. `dispatches` counts all rounds of those whose number is known. */
  readonly loops?: readonly ExplainedLoop[];
  /** Milliseconds from the function to its final graph: trace and transforms. */
  readonly traceMs: number;
  /** Milliseconds from the graph to kernels in order with their memory planned. */
  readonly scheduleMs: number;
  /** Milliseconds that writing the kernels' shaders took. */
  readonly textMs: number;
  /**
   * Milliseconds that compiling the shaders has taken so far: 0 before the first run or warmup. Some
   * drivers put compilation off until a shader first runs, and that time is not seen here.
   */
  readonly compileMs: number;
}

export interface ExplainedLoop {
  /** Rounds; null where only the run knows (whileLoop). */
  readonly rounds: number | null;
  /** Dispatches of one round, loops of known length within counted in full. */
  readonly dispatchesPerRound: number;
}

/** What one run of a program does. */
export function explainProgram(program: Program): Explanation {
  const { executable } = program;
  const { scheduleMs, textMs, compileMs } = executable;
  const plan =
    executable instanceof ControlExecutable
      ? explainControl(executable)
      : explainSchedule(executable.schedule, executable.shaders);
  return { ...plan, traceMs: program.traceMs, scheduleMs, textMs, compileMs };
}

type Plan = Omit<Explanation, "traceMs" | "scheduleMs" | "textMs" | "compileMs">;

/** The dispatches of one straight schedule. */
function kernelsOf(s: Schedule, shaders: readonly Shader[]): ExplainedKernel[] {
  const { defs, cuts } = s;
  return s.dispatches.map((d, i): ExplainedKernel => {
    const parts = d.groups.map((g: Group, j) => summarise(g, defs, cuts, d.kernels[j]!.stores));
    const sum = (f: (p: (typeof parts)[number]) => number) => parts.reduce((n, p) => n + f(p), 0);
    return {
      name: nameOf(d.groups),
      workgroups: shaders[i]!.workgroups,
      flops: sum((p) => p.flops),
      bytesRead: sum((p) => p.bytesRead),
      bytesWritten: sum((p) => p.bytesWritten),
      fused: parts.flatMap((p) => p.fused),
      wgsl: shaders[i]!.wgsl,
    };
  });
}

export function explainSchedule(s: Schedule, shaders: readonly Shader[]): Plan {
  const { defs, cuts, plan } = s;
  const kernels = kernelsOf(s, shaders);
  const inputs = defs.graph.inputs
    .filter((v, i) => i < defs.inputCount && !cuts.isScalar(v))
    .reduce((n, v) => n + storageBytes(v.aval), 0);
  const results = plan.results
    .filter((r) => r.donor === undefined)
    .reduce((n, r) => n + storageBytes(r.variable.aval), 0);
  const arena = plan.arena.reduce((n, bytes) => n + bytes, 0);
  const copies = plan.before.length + plan.after.length;
  return {
    dispatches: kernels.length,
    submits: kernels.length + copies > 0 ? 1 : 0,
    kernels,
    copies,
    peakBytes: inputs + results + arena,
  };
}

function explainControl({ schedule, stages, arena }: ControlExecutable): Plan {
  const loops: ExplainedLoop[] = [];
  const kernels: ExplainedKernel[] = [];
  /** Dispatches of some stages, once; `times` is how often they run. */
  const visit = (list: readonly Runnable[], times: number): { all: number; least: number } => {
    let all = 0;
    let least = 0;
    for (const stage of list) {
      if (stage.kind === "steps") {
        const [first] = stage.steps;
        if (!first) continue;
        const shaders = stage.steps.map((step) => step.shader);
        kernels.push(...kernelsOf(first.segment.schedule, shaders).map((k) => ({ ...k, times })));
        all += stage.steps.length;
        least += stage.steps.length;
        continue;
      }
      const rounds = stage.kind === "loop" ? stage.length : null;
      const at = loops.length;
      loops.push({ rounds, dispatchesPerRound: 0 });
      const round = visit(stage.body, times * (rounds ?? 1));
      loops[at] = { rounds, dispatchesPerRound: round.all };
      all += round.all * (rounds ?? 1);
      least += round.least * (rounds ?? 0);
    }
    return { all, least };
  };
  const { least } = visit(stages, 1);
  const bytes = (list: readonly number[]) => list.reduce((n, x) => n + x, 0);
  const arrays = schedule.inputs.map((a, i) => (schedule.hostScalars[i] ? 0 : storageBytes(a)));
  return {
    dispatches: least,
    submits: least > 0 ? 1 : 0,
    kernels,
    copies: 0,
    peakBytes:
      bytes(arrays) +
      bytes(schedule.outputs.map(storageBytes)) +
      bytes(schedule.frames) +
      bytes(schedule.flags) * 4 +
      bytes(arena),
    loops,
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
