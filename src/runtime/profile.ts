/** A run with the device's own clock around every kernel. */
import { BufferUsage } from "../device/index.js";
import type { ConcreteArray } from "./array.js";
import { ControlExecutable } from "./control/executable.js";
import type { RunInput } from "./feed.js";
import { type Program, type Recorder, run } from "./program.js";

/** When a kernel ran, in milliseconds since the first one began. */
export interface KernelTime {
  readonly startMs: number;
  readonly ms: number;
}

export interface TimedRun {
  readonly outputs: readonly ConcreteArray[];
  /** Milliseconds on the host until the work was submitted. */
  readonly hostMs: number;
  /** Milliseconds until the host knew that all was done. */
  readonly totalMs: number;
  /** One for each kernel; undefined where the device has no timestamps, or loops run. */
  readonly kernels: readonly KernelTime[] | undefined;
}

/** Kernels that one set of queries covers: WebGPU allows 4096 queries in a set. */
const perSet = 2048;

class Clock implements Recorder {
  readonly #sets: GPUQuerySet[] = [];
  readonly #count: number;
  readonly buffer: GPUBuffer;

  constructor(device: GPUDevice, count: number) {
    this.#count = count;
    for (let from = 0; from < count; from += perSet) {
      const kernels = Math.min(perSet, count - from);
      this.#sets.push(device.createQuerySet({ type: "timestamp", count: 2 * kernels }));
    }
    this.buffer = device.createBuffer({
      label: "profile",
      size: Math.max(16, this.#sets.length * perSet * 16),
      usage: BufferUsage.QUERY_RESOLVE | BufferUsage.COPY_SRC,
    });
  }

  begin(encoder: GPUCommandEncoder, kernel: number, label: string): GPUComputePassEncoder {
    const at = 2 * (kernel % perSet);
    return encoder.beginComputePass({
      label,
      timestampWrites: {
        querySet: this.#sets[Math.floor(kernel / perSet)]!,
        beginningOfPassWriteIndex: at,
        endOfPassWriteIndex: at + 1,
      },
    });
  }

  finish(encoder: GPUCommandEncoder): void {
    this.#sets.forEach((set, i) => {
      const kernels = Math.min(perSet, this.#count - i * perSet);
      encoder.resolveQuerySet(set, 0, 2 * kernels, this.buffer, i * perSet * 16);
    });
  }

  times(ticks: BigUint64Array): KernelTime[] {
    const first = ticks[0] ?? 0n;
    const ms = (from: bigint, to: bigint): number => Math.max(0, Number(to - from) / 1e6);
    return Array.from({ length: this.#count }, (_, i) => ({
      startMs: ms(first, ticks[2 * i]!),
      ms: ms(ticks[2 * i]!, ticks[2 * i + 1]!),
    }));
  }

  destroy(): void {
    for (const set of this.#sets) set.destroy();
    this.buffer.destroy();
  }
}

/** Run a program and wait for it, each kernel in a pass of its own. */
export async function timedRun(
  program: Program,
  inputs: readonly RunInput[],
  lits: readonly number[],
): Promise<TimedRun> {
  const { executable } = program;
  const { gpu } = executable;
  const label = `profile of ${program.name}`;
  // Kernels of loops run many times: they are timed as a whole.
  const count = executable instanceof ControlExecutable ? 0 : executable.steps().length;
  await gpu.waitDone(label);
  const clock =
    gpu.features.has("timestamp-query") && count > 0 ? new Clock(gpu.device, count) : undefined;
  const from = performance.now();
  const outputs = run(program, inputs, lits, clock);
  const hostMs = performance.now() - from;
  await gpu.waitDone(label);
  const totalMs = performance.now() - from;
  if (!clock) return { outputs, hostMs, totalMs, kernels: undefined };
  const bytes = await gpu.readback(clock.buffer, 0, count * 16, label);
  const kernels = clock.times(new BigUint64Array(bytes));
  clock.destroy();
  return { outputs, hostMs, totalMs, kernels };
}
