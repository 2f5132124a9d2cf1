/** From graphs to programs, once for each structure. */
import { currentGpu, type Gpu } from "../device/index.js";
import type { Graph } from "../ir/graph.js";
import { graphKey, graphLits } from "../ir/print.js";
import {
  expand,
  hasControl,
  type ScheduleOptions,
  schedule,
  scheduleControl,
  type Target,
} from "../schedule/index.js";
import type { EmitOptions } from "../wgsl/index.js";
import { ControlExecutable } from "./control/executable.js";
import { Executable } from "./executable.js";
import { checkMemory } from "./need.js";
import type { LaneChunks, Program } from "./program.js";

export interface CompileOptions extends ScheduleOptions {
  /** Fix choices that the compiler otherwise makes (for tests). */
  readonly emit?: EmitOptions;
  /** Compile for an adapter other than this in some respect (for tests: what hardware would run). */
  readonly target?: Partial<Target>;
  /** Milliseconds that tracing took, for `explain`. */
  readonly traceMs?: number;
  readonly laneChunks?: LaneChunks | undefined;
}

/** What the compiler needs to know of a device. */
export const targetOf = (gpu: Gpu): Target => ({
  software: gpu.software,
  // Where a driver may choose the size for each shader, none can rely on it.
  subgroupSize: gpu.subgroupsVary ? 0 : gpu.subgroupSize,
  maxStorageBuffers: gpu.limits.maxStorageBuffersPerShaderStage,
  maxBindingBytes: Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize),
  maxBufferBytes: gpu.limits.maxBufferSize,
  // Vectors begin at multiples of 16 bytes.
  bindingAlignment: Math.max(16, gpu.limits.minStorageBufferOffsetAlignment || 256),
  maxWorkgroups: gpu.limits.maxComputeWorkgroupsPerDimension,
});

/** Executables by structure, for each device, least recently used first. */
const caches = new WeakMap<Gpu, Map<string, Executable | ControlExecutable>>();
const capacity = 2048;

const mask = (list: readonly boolean[] | undefined): string =>
  (list ?? []).map((x) => (x ? "1" : "0")).join("");

/**
 * The program of a graph on the current device. Graphs of the same structure (up to the values of
 * their constants) share the executable; the name is only for messages.
 */
export function compile(graph: Graph, options: CompileOptions): Program {
  const gpu = currentGpu(options.name);
  let cache = caches.get(gpu);
  if (!cache) {
    cache = new Map();
    caches.set(gpu, cache);
  }
  const { name, donated, hostScalars, emit, branchLimit, traceMs = 0, laneChunks } = options;
  const fixed = JSON.stringify({ ...emit, branchLimit, ...options.target });
  const key = [graphKey(graph), mask(donated), mask(hostScalars), fixed].join("\n--\n");
  let executable = cache.get(key);
  if (executable) cache.delete(key);
  else {
    executable = makeExecutable(gpu, graph, options);
    checkMemory(name, executable, gpu.opened.budget);
  }
  cache.set(key, executable);
  if (cache.size > capacity) cache.delete(cache.keys().next().value!);
  const kept = executable;
  return { name, donated, graph, executable: kept, traceMs, laneChunks, usable: () => !gpu.lost };
}

function makeExecutable(
  gpu: Gpu,
  graph: Graph,
  options: CompileOptions,
): Executable | ControlExecutable {
  const target = { ...targetOf(gpu), ...options.target };
  const emit = options.emit ?? {};
  if (!hasControl(graph)) return new Executable(gpu, () => schedule(graph, options, target), emit);
  return new ControlExecutable(
    gpu,
    () => scheduleControl(expand(graph, graphLits(graph)), options, graph.inputs.length, target),
    emit,
  );
}

/** Choose a program's variants by measuring (see tune.ts) and compile its shaders in parallel. */
export const warmup = (program: Program): Promise<void> => program.executable.warm();
