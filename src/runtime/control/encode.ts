/** Encodes the rounds of a program with loops: every dispatch with the indices of the loops around it. */
import { MapMode } from "../../device/index.js";
import { counters } from "../counters.js";
import { SubmitClock } from "./budget.js";
import type { ControlExecutable, ControlStep } from "./executable.js";
import { type StepBuffer, stepWords } from "./steps.js";
import { type Question, type Sink, Walk } from "./walk.js";

export interface EncodingOptions {
  readonly buffers: ReadonlyMap<string, Part>;
  /** For the loops at each depth. */
  readonly steps: readonly StepBuffer[];
  readonly uniform: GPUBuffer | undefined;
  /** Milliseconds of one submission. */
  readonly budget: number;
  readonly name: string;
}

/** A buffer from an offset (in bytes) on. */
export interface Part {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

export class Encoding implements Sink {
  readonly #executable: ControlExecutable;
  readonly #o: EncodingOptions;
  /** Byte offsets of the rounds that the loops are in. */
  readonly #offsets: number[] = [];
  readonly #groups = new Map<ControlStep, GPUBindGroup>();
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;

  constructor(executable: ControlExecutable, options: EncodingOptions) {
    this.#executable = executable;
    this.#o = options;
  }

  /** Everything to the queue, now or as the answers come; then `done`. */
  run(done: () => void): void {
    const { gpu, stages, windows } = this.#executable;
    const clock = new SubmitClock(this.#o.budget);
    const walk = new Walk(this, clock, windows).run(stages);
    this.#clearFlags();
    const advance = (answer: boolean) => gpu.faults.during(this.#o.name, () => walk.next(answer));
    const first = advance(true);
    if (first.done) {
      done();
      return;
    }
    gpu.order.hold();
    const rest = async (): Promise<void> => {
      let next: IteratorResult<Question, void> = first;
      while (!next.done) next = advance(await this.#ask(next.value));
    };
    // What goes wrong on the device is recorded there, and rejects the next await. A lost device tells itself.
    void rest()
      .catch((error: unknown) => {
        if (!gpu.lost) gpu.faults.note(this.#o.name, error);
      })
      .finally(() => {
        done();
        gpu.order.release();
      });
  }

  /** Flags of branches that are not taken must not look as if a loop in them went on. */
  #clearFlags(): void {
    for (const [key, { buffer }] of this.#o.buffers) {
      if (!key.startsWith("flags")) continue;
      this.#commands().clearBuffer(buffer);
    }
  }

  /** Submits what is encoded, and waits for its answer. */
  async #ask({ buffer, word }: Question): Promise<boolean> {
    const { gpu } = this.#executable;
    const staging = gpu.staging.acquire(4);
    gpu.faults.during(this.#o.name, () => {
      this.#pass?.end();
      this.#pass = undefined;
      const from = this.#o.buffers.get(buffer)!.buffer;
      this.#commands().copyBufferToBuffer(from, word * 4, staging, 0, 4);
      this.submit();
    });
    await gpu.wait(() => staging.mapAsync(MapMode.READ, 0, 4));
    const on = new Uint32Array(staging.getMappedRange(0, 4))[0] !== 0;
    staging.unmap();
    gpu.staging.release(staging);
    return on;
  }

  msOf(step: ControlStep): number {
    return this.#executable.msOf(step);
  }

  renew(level: number, from: number): void {
    const steps = this.#o.steps[level]!;
    const { gpu } = this.#executable;
    gpu.queue.writeBuffer(steps.buffer, 0, stepWords(steps, from));
  }

  round(level: number, entry: number): void {
    this.#offsets[level] = entry * this.#o.steps[level]!.stride;
  }

  dispatch(step: ControlStep): void {
    this.#pass ??= this.#commands().beginComputePass({ label: this.#o.name });
    const pass = this.#pass;
    pass.setPipeline(step.pipeline!.pipeline);
    const group = this.#groupOf(step);
    if (step.levels.length === 0) pass.setBindGroup(0, group);
    else {
      const offsets = step.levels.map((level) => this.#offsets[level]!);
      pass.setBindGroup(0, group, offsets);
    }
    pass.dispatchWorkgroups(...step.shader.workgroups);
    counters.dispatches += 1;
  }

  /** Buffers stay the same for all rounds: one bind group each. */
  #groupOf(step: ControlStep): GPUBindGroup {
    let group = this.#groups.get(step);
    if (group) return group;
    const bound = step.shader.bindings.map((b): GPUBufferBinding => {
      if (b.step !== undefined) return { buffer: this.#o.steps[b.step]!.buffer, size: 16 };
      if (b.buffer === undefined) {
        const size = Math.ceil(step.shader.words.length / 4) * 16;
        return { buffer: this.#o.uniform!, offset: step.words, size };
      }
      const { buffer, offset } = this.#o.buffers.get(b.buffer)!;
      const { start, bytes } = b.part ?? {
        start: 0,
        bytes: this.#executable.bytesOf(step, b.buffer),
      };
      return { buffer, offset: offset + start, size: bytes };
    });
    group = this.#executable.bindGroup(step, bound);
    this.#groups.set(step, group);
    return group;
  }

  #commands(): GPUCommandEncoder {
    const { device } = this.#executable.gpu;
    this.#encoder ??= device.createCommandEncoder({ label: this.#o.name });
    return this.#encoder;
  }

  submit(): void {
    this.#pass?.end();
    this.#executable.gpu.submitNow([this.#commands().finish()], this.#o.name);
    this.#encoder = undefined;
    this.#pass = undefined;
    counters.submits += 1;
  }
}
