/** What a program does on the device, told from the schedule and the shaders that run. */
import { showAval } from "../core/aval.js";
import { formatBytes } from "../device/index.js";
import { type Dispatch, type Group, type Schedule, workOf } from "../schedule/index.js";
import type { Shader } from "../wgsl/index.js";
import { storageBytes } from "./array.js";
import { SubmitClock, submitMs } from "./control/budget.js";
import { ControlExecutable, type ControlStep, type Runnable } from "./control/executable.js";
import { type Sink, Walk, whileRounds } from "./control/walk.js";
import type { LaneChunks, Program } from "./program.js";

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
  /** Of a kernel that touches an array larger than the adapter binds at once: it takes several dispatches. */
  readonly part?: ExplainedPart;
  /** How often it runs, in a program with loops: for a whileLoop as few times as can be. */
  readonly times?: number;
}

export interface ExplainedPart {
  /** Which of the kernel's dispatches this is, from 0. */
  readonly index: number;
  /** How many there are: parts of its outermost axis, the lanes of a vmapped function. */
  readonly count: number;
  /** Bindings through which it sees such arrays, where one is not enough (transposes, index arrays). */
  readonly bindings: number;
  /** What made it so, in words. */
  readonly why: string;
}

export interface Explanation {
  /** Of a program with a whileLoop: the least, where it is over in the rounds that are encoded first. */
  readonly dispatches: number;
  /** More than one where a loop takes longer than `submitBudget`; the least, like `dispatches`. */
  readonly submits: number;
  readonly kernels: readonly ExplainedKernel[];
  /** Copies of arrays between buffers, beside those of state that is not yet where it belongs. */
  readonly copies: number;
  /** Bytes of inputs, results and intermediates at once. */
  readonly peakBytes: number;
  /**
   * Where all lanes of a vmapped function at once do not fit the adapter: it goes through them in chunks, the
   * rounds of a loop. Kernels that only touch more than a binding need none (see `part`).
   */
  readonly laneChunks?: LaneChunks;
  /** Loops, outer ones before those within. */
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
  /** Rounds; null where only the run knows (whileLoop: at most 8 are encoded, then twice as many, up to 256 at once). */
  readonly rounds: number | null;
  /** Dispatches of one round, loops within counted in full (a whileLoop: those that are encoded first). */
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
  const times = { traceMs: program.traceMs, scheduleMs, textMs, compileMs };
  const { laneChunks } = program;
  return laneChunks ? { ...plan, ...times, laneChunks } : { ...plan, ...times };
}

type Plan = Omit<Explanation, "laneChunks" | "traceMs" | "scheduleMs" | "textMs" | "compileMs">;

/** The dispatches of one straight schedule. */
const kernelsOf = (s: Schedule, shaders: readonly Shader[]): ExplainedKernel[] =>
  s.dispatches.map((d, i) => ({
    name: nameOf(d.groups),
    workgroups: shaders[i]!.workgroups,
    wgsl: shaders[i]!.wgsl,
    ...workOf(s, i),
    ...partOf(s, d),
  }));

function partOf({ target }: Schedule, { part }: Dispatch): { readonly part?: ExplainedPart } {
  if (!part) return {};
  const { index, count, windows, largest, bufferBytes } = part;
  const bindings = Math.max(1, ...[...windows.values()].map((w) => w.bytes.length));
  const slice = bufferBytes > storageBytes(largest.aval);
  const why =
    `${showAval(largest.aval)} ${slice ? "is a slice of" : "takes"} ${formatBytes(bufferBytes)}, ` +
    `and this adapter binds ${formatBytes(target.maxBindingBytes)} at once`;
  return { part: { index, count, bindings, why } };
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

function explainControl(executable: ControlExecutable): Plan {
  const { schedule, stages, arena, steps } = executable;
  const { times, submits } = leastRun(executable);
  const loops: ExplainedLoop[] = [];
  /** Dispatches of some stages, loops of known length in full. */
  const visit = (list: readonly Runnable[]): number => {
    let all = 0;
    for (const stage of list) {
      if (stage.kind === "steps") {
        all += stage.steps.length;
        continue;
      }
      const rounds = stage.kind === "loop" ? stage.length : null;
      const at = loops.length;
      loops.push({ rounds, dispatchesPerRound: 0 });
      const dispatchesPerRound = visit(stage.body);
      loops[at] = { rounds, dispatchesPerRound };
      all += dispatchesPerRound * (rounds ?? whileRounds(stage.body, executable).first);
    }
    return all;
  };
  visit(stages);
  const kernels = steps.map((step): ExplainedKernel => {
    const { dispatches } = step.segment.schedule;
    return {
      name: nameOf(dispatches[step.index]!.groups),
      workgroups: step.shader.workgroups,
      wgsl: step.shader.wgsl,
      ...workOf(step.segment.schedule, step.index),
      ...partOf(step.segment.schedule, dispatches[step.index]!),
      times: times.get(step) ?? 0,
    };
  });
  const bytes = (list: readonly number[]) => list.reduce((n, x) => n + x, 0);
  const arrays = schedule.inputs.map((a, i) => (schedule.hostScalars[i] ? 0 : storageBytes(a)));
  return {
    dispatches: bytes([...times.values()]),
    submits,
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

/** How often each dispatch runs, and the submissions, where every whileLoop is over at once. */
function leastRun(executable: ControlExecutable) {
  const times = new Map<ControlStep, number>();
  let submits = 0;
  const sink: Sink = {
    msOf: (step) => executable.msOf(step),
    renew: () => {},
    round: () => {},
    dispatch: (step) => times.set(step, (times.get(step) ?? 0) + 1),
    submit: () => {
      submits += 1;
    },
  };
  const walk = new Walk(sink, new SubmitClock(submitMs()), executable.windows);
  const run = walk.run(executable.stages);
  // Each question goes with a submission of its own.
  for (let next = run.next(true); !next.done; next = run.next(false)) submits += 1;
  return { times, submits };
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
