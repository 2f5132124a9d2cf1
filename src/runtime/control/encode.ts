/** Encodes the rounds of a program with loops: every dispatch with the indices of the loops around it. */
import { MapMode } from "../../device/index.js";
import { counters } from "../counters.js";
import type { ControlExecutable, ControlStep, Runnable } from "./executable.js";
import type { StepBuffer } from "./steps.js";

export interface EncodingOptions {
  readonly buffers: ReadonlyMap<string, Part>;
  readonly steps: StepBuffer | undefined;
  readonly uniform: GPUBuffer | undefined;
  /** Dispatches of one submission. */
  readonly budget: number;
  readonly name: string;
}

/** A buffer from an offset (in bytes) on. */
export interface Part {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

/** A question to the device: is this word 1? */
interface Question {
  readonly buffer: string;
  readonly word: number;
}

/**
 * Rounds of a whileLoop that are encoded before the host asks whether more are needed: few at first, then
 * twice as many. Even, so that the answer is always in the same place.
 */
export const firstRounds = 8;
export const mostRoundsAtOnce = 256;

const asks = (stages: readonly Runnable[]): boolean =>
  stages.some((s) => s.kind === "while" || (s.kind === "loop" && asks(s.body)));

export class Encoding {
  readonly #executable: ControlExecutable;
  readonly #o: EncodingOptions;
  /** Byte offsets of the rounds that the loops are in. */
  readonly #offsets: number[] = [];
  readonly #groups = new Map<ControlStep, GPUBindGroup>();
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #pending = 0;

  constructor(executable: ControlExecutable, options: EncodingOptions) {
    this.#executable = executable;
    this.#o = options;
  }

  /** Everything to the queue, now or as the answers come; then `done`. */
  run(done: () => void): void {
    const { gpu, stages } = this.#executable;
    this.#clearFlags();
    const walk = this.#walk(stages);
    const advance = (answer: boolean) =>
      gpu.faults.during(this.#o.name, () => {
        const next = walk.next(answer);
        this.#submit();
        return next;
      });
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
    // What goes wrong on the device is recorded there, and rejects the next await.
    void rest()
      .catch((error: unknown) => gpu.faults.note(this.#o.name, error))
      .finally(() => {
        done();
        gpu.order.release();
      });
  }

  /** Flags of branches that are not taken must not look as if a loop in them went on. */
  #clearFlags(): void {
    for (const [key, { buffer }] of this.#o.buffers) {
      if (!key.startsWith("flags")) continue;
      this.#encoder ??= this.#executable.gpu.device.createCommandEncoder({ label: this.#o.name });
      this.#encoder.clearBuffer(buffer);
    }
  }

  async #ask({ buffer, word }: Question): Promise<boolean> {
    const { gpu } = this.#executable;
    const staging = gpu.staging.acquire(4);
    const encoder = gpu.device.createCommandEncoder({ label: this.#o.name });
    encoder.copyBufferToBuffer(this.#o.buffers.get(buffer)!.buffer, word * 4, staging, 0, 4);
    gpu.submitNow([encoder.finish()], this.#o.name);
    await gpu.wait(() => staging.mapAsync(MapMode.READ, 0, 4));
    const on = new Uint32Array(staging.getMappedRange(0, 4))[0] !== 0;
    staging.unmap();
    gpu.staging.release(staging);
    return on;
  }

  *#walk(stages: readonly Runnable[]): Generator<Question, void, boolean> {
    if (!asks(stages)) {
      this.#encode(stages);
      return;
    }
    for (const stage of stages) {
      if (stage.kind === "steps") this.#encode([stage]);
      else if (stage.kind === "loop") {
        for (let i = 0; i < stage.length; i++) {
          this.#round(stage.level, i);
          yield* this.#walk(stage.body);
        }
      } else {
        let on = true;
        for (let rounds = firstRounds; on; rounds = Math.min(2 * rounds, mostRoundsAtOnce)) {
          for (let i = 0; i < rounds; i++) {
            this.#round(stage.level, i & 1);
            yield* this.#walk(stage.body);
          }
          on = yield stage.active;
        }
      }
    }
  }

  #round(level: number, i: number): void {
    this.#offsets[level] = i * this.#o.steps!.stride;
    if (this.#pending >= this.#o.budget) this.#submit();
  }

  #encode(stages: readonly Runnable[]): void {
    for (const stage of stages) {
      if (stage.kind === "steps") {
        for (const step of stage.steps) this.#dispatch(step);
      } else if (stage.kind === "loop") {
        for (let i = 0; i < stage.length; i++) {
          this.#round(stage.level, i);
          this.#encode(stage.body);
        }
      }
    }
  }

  #dispatch(step: ControlStep): void {
    this.#pass ??= this.#begin();
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
    this.#pending += 1;
  }

  /** Buffers stay the same for all rounds: one bind group each. */
  #groupOf(step: ControlStep): GPUBindGroup {
    let group = this.#groups.get(step);
    if (group) return group;
    const bound = step.shader.bindings.map((b): GPUBufferBinding => {
      if (b.step !== undefined) return { buffer: this.#o.steps!.buffer, size: 16 };
      if (b.buffer === undefined) {
        const size = Math.ceil(step.shader.words.length / 4) * 16;
        return { buffer: this.#o.uniform!, offset: step.words, size };
      }
      const { buffer, offset } = this.#o.buffers.get(b.buffer)!;
      return { buffer, offset, size: this.#executable.bytesOf(step, b.buffer) };
    });
    group = this.#executable.bindGroup(step, bound);
    this.#groups.set(step, group);
    return group;
  }

  #begin(): GPUComputePassEncoder {
    const { device } = this.#executable.gpu;
    this.#encoder ??= device.createCommandEncoder({ label: this.#o.name });
    return this.#encoder.beginComputePass({ label: this.#o.name });
  }

  #submit(): void {
    if (!this.#encoder) return;
    this.#pass?.end();
    this.#executable.gpu.submitNow([this.#encoder.finish()], this.#o.name);
    this.#encoder = undefined;
    this.#pass = undefined;
    this.#pending = 0;
    counters.submits += 1;
  }
}
