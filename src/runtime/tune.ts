/** Choosing between a kernel's tiles by running them on the device, in turn with the one that rules say. */

import type { KernelChoices } from "../device/choices.js";
import type { Binding, Gpu, PipelineSpec } from "../device/index.js";
import type { Dispatch, Schedule } from "../schedule/index.js";
import { emitDispatch, type ModuleBinding, type Shader, tilesOf } from "../wgsl/index.js";

export interface TuneOptions {
  /** Milliseconds for all of it, compiling included. */
  readonly budgetMs?: number;
  /** What is measured, and how it came out. */
  readonly report?: (m: Measurement) => void;
  /** Where the choices are kept; the device's own by default. */
  readonly choices?: KernelChoices;
}

export interface Measurement {
  readonly key: string;
  readonly chosen: string;
  /** Time of the rule's tile over that of each, by name; more is faster. */
  readonly speedups: Readonly<Record<string, number>>;
}

/** What a tile must gain over the one in use: less may be noise. */
export const leastGain = 1.1;
const rounds = 5;
/** A block repeats a dispatch until it takes about this long: far more than a submission costs. */
const blockMs = 4;

interface Candidate {
  readonly name: string;
  /** Milliseconds for one dispatch, of so many in a row. */
  time(times: number): Promise<number>;
}

/**
 * Measure the contractions of a schedule whose class nothing is known of yet, the largest first, and
 * remember the choices. Does nothing unless the device's mode is "full".
 * @returns whether there was anything to choose
 */
export async function tune(
  gpu: Gpu,
  schedule: Schedule,
  bytesOf: (buffer: string) => number,
  { budgetMs = 8000, report, choices = gpu.choices }: TuneOptions = {},
): Promise<boolean> {
  if (choices.mode !== "full") return false;
  const deadline = performance.now() + budgetMs;
  const work = new Map<string, { d: Dispatch; tiles: readonly string[]; flops: number }>();
  for (const d of schedule.dispatches) {
    const found = tilesOf(schedule, d);
    if (!found || choices.get(found.key) !== undefined || work.has(found.key)) continue;
    const flops = d.groups.reduce((sum, g) => sum + g.flops, 0);
    work.set(found.key, { d, tiles: found.tiles, flops });
  }
  const ordered = [...work].sort((a, b) => b[1].flops - a[1].flops);
  for (const [key, { d, tiles }] of ordered) {
    if (performance.now() >= deadline) break;
    const shaders = tiles.map((tile) => ({ tile, shader: emitDispatch(schedule, d, { tile }) }));
    const measured = await measure(gpu, shaders, bytesOf, deadline);
    if (!measured) break;
    choices.measured(key, measured.chosen);
    report?.({ key, ...measured });
  }
  await choices.save();
  return work.size > 0;
}

interface Named {
  readonly tile: string;
  readonly shader: Shader;
}

/** The tiles raced; undefined where time ran out before anything was known. */
async function measure(
  gpu: Gpu,
  shaders: readonly Named[],
  bytesOf: (buffer: string) => number,
  deadline: number,
): Promise<Omit<Measurement, "key"> | undefined> {
  const buffers = new Map<string, GPUBuffer>();
  try {
    let best: Candidate | undefined;
    let gain = 1;
    const speedups: Record<string, number> = {};
    for (const { tile, shader } of shaders) {
      if (best !== undefined && performance.now() >= deadline) break;
      const candidate = await candidateOf(gpu, tile, shader, buffers, bytesOf);
      if (best === undefined) {
        best = candidate;
        speedups[tile] = 1;
        continue;
      }
      const faster = await pairedRatio(best, candidate, deadline);
      if (faster === undefined) break;
      speedups[tile] = gain * faster;
      if (faster < leastGain) continue;
      gain *= faster;
      best = candidate;
    }
    return best && Object.keys(speedups).length > 1 ? { chosen: best.name, speedups } : undefined;
  } finally {
    for (const b of buffers.values()) gpu.pool.release(b);
  }
}

/** How often faster `b` is: the median of pairs, each in another order; undefined out of time. */
async function pairedRatio(
  a: Candidate,
  b: Candidate,
  deadline: number,
): Promise<number | undefined> {
  // A first look, which also warms up: what is far slower needs no more.
  await a.time(1);
  await b.time(1);
  const times = (once: number) => Math.max(1, Math.min(200, Math.round(blockMs / once)));
  const onceA = Math.min(await a.time(1), await a.time(1));
  const onceB = Math.min(await b.time(1), await b.time(1));
  if (onceB > 2 * onceA) return onceA / onceB;
  const ratios: number[] = [];
  for (let i = 0; i < rounds; i++) {
    if (performance.now() >= deadline && ratios.length === 0) return undefined;
    if (i % 2 === 0) {
      const ms = await a.time(times(onceA));
      ratios.push(ms / (await b.time(times(onceB))));
    } else {
      const ms = await b.time(times(onceB));
      ratios.push((await a.time(times(onceA))) / ms);
    }
  }
  return ratios.sort((x, y) => x - y)[ratios.length >> 1]!;
}

export const specOf = (shader: Shader, label: string): PipelineSpec => ({
  wgsl: shader.wgsl,
  layout: shader.bindings.map(
    (b): Binding => ({
      type: b.buffer === undefined ? "uniform" : b.written ? "storage" : "read-only-storage",
    }),
  ),
  label,
  constants: shader.constants,
});

/** A shader with buffers of its own: what it computes is of no interest. */
async function candidateOf(
  gpu: Gpu,
  name: string,
  shader: Shader,
  buffers: Map<string, GPUBuffer>,
  bytesOf: (buffer: string) => number,
): Promise<Candidate> {
  const label = `tuning: ${name}`;
  const [made] = await gpu.pipelines.compileAll([specOf(shader, label)]);
  const bind = ({ buffer: key, part }: ModuleBinding): GPUBuffer => {
    const id = key === undefined ? `words ${name}` : `${key} ${part?.start ?? ""}`;
    const bytes =
      key === undefined ? Math.ceil(shader.words.length / 4) * 16 : (part?.bytes ?? bytesOf(key));
    const have = buffers.get(id);
    if (have) return have;
    const buffer = gpu.pool.acquire(bytes, label);
    buffers.set(id, buffer);
    return buffer;
  };
  const { pipeline, layout } = made!;
  const group = gpu.device.createBindGroup({
    label,
    layout,
    entries: shader.bindings.map((b, binding) => ({
      binding,
      resource: { buffer: bind(b) },
    })),
  });
  return {
    name,
    async time(times) {
      const encoder = gpu.device.createCommandEncoder({ label });
      const pass = encoder.beginComputePass({ label });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let i = 0; i < times; i++) pass.dispatchWorkgroups(...shader.workgroups);
      pass.end();
      const commands = encoder.finish();
      const from = performance.now();
      gpu.submit([commands], label);
      await gpu.waitDone(label);
      return (performance.now() - from) / times;
    },
  };
}
