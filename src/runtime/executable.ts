/** Compiled schedules: pipelines, uniform words and bind groups, made once and used by every run. */
import type { DType } from "../core/dtype.js";
import type { Binding, Gpu, Pipeline, PipelineSpec } from "../device/index.js";
import {
  bufferBytes,
  bufferKey,
  bufferOf,
  type Copy,
  type Location,
  type Schedule,
} from "../schedule/index.js";
import { type EmitOptions, emitDispatch, type Shader, wordOf } from "../wgsl/index.js";
import type { Storage } from "./array.js";
import { BindGroups, type BoundStep } from "./bind-groups.js";
import { tune } from "./tune.js";

/** One dispatch, ready to be encoded. */
export interface Step extends BoundStep {
  readonly pipeline: Pipeline;
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** A copy between slots. */
export interface SlotCopy {
  readonly from: number;
  readonly fromOffset: number;
  readonly to: number;
  readonly toOffset: number;
  readonly bytes: number;
}

/**
 * The buffers of one run by slot: inputs, state blocks, results, chunks of the arena. One frame serves
 * all runs of an executable, which never overlap on the host.
 */
export class Frame {
  readonly buffers: (GPUBuffer | undefined)[];
  readonly offsets: number[];
  /** Who holds the buffer, where arrays do. */
  readonly storages: (Storage | undefined)[];

  constructor(slots: number) {
    this.buffers = new Array<undefined>(slots).fill(undefined);
    this.offsets = new Array<number>(slots).fill(0);
    this.storages = new Array<undefined>(slots).fill(undefined);
  }

  put(slot: number, buffer: GPUBuffer, offset = 0, storage?: Storage): void {
    this.buffers[slot] = buffer;
    this.offsets[slot] = offset;
    this.storages[slot] = storage;
  }
}

interface ScalarWord {
  /** Position in the uniform data. */
  readonly at: number;
  readonly input: number;
  readonly dtype: DType;
  value: number;
}

/** What a schedule became on a device; programs that differ in names share it. */
export class Executable {
  readonly gpu: Gpu;
  readonly schedule: Schedule;
  #shaders: readonly Shader[];
  /** First slot of the state blocks, the results and the arena; inputs begin at 0. */
  readonly first: { readonly state: number; readonly results: number; readonly arena: number };
  readonly frame: Frame;
  readonly before: readonly SlotCopy[];
  readonly after: readonly SlotCopy[];
  /** Inputs that the program knows as numbers. */
  readonly isScalar: readonly boolean[];
  /** Inputs whose buffer a result takes over. */
  readonly isDonor: readonly boolean[];
  /** Inputs that the program returns as they are. */
  readonly returned: readonly number[];
  /** Inputs that kernels read from a binding of their own. */
  readonly isBound: readonly boolean[];
  /** Milliseconds that scheduling took, and writing the shaders. */
  readonly scheduleMs: number;
  readonly textMs: number;
  /** Milliseconds that pipelines took to compile, so far. */
  compileMs = 0;
  readonly #options: EmitOptions;
  readonly #slots = new Map<string, number>();
  #steps: readonly Step[] | undefined;
  #groups: BindGroups | undefined;
  #words: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #uniform: GPUBuffer | undefined;
  #written = false;
  readonly #scalars: ScalarWord[] = [];

  constructor(gpu: Gpu, makeSchedule: () => Schedule, options: EmitOptions) {
    const from = performance.now();
    const schedule = makeSchedule();
    this.gpu = gpu;
    this.schedule = schedule;
    this.#options = options;
    const scheduled = performance.now();
    this.#shaders = this.#emit();
    this.scheduleMs = scheduled - from;
    this.textMs = performance.now() - scheduled;
    const { plan, defs, cuts } = schedule;
    const state = defs.inputCount;
    const results = state + plan.state.length;
    const arena = results + plan.results.length;
    this.first = { state, results, arena };
    const inputs = defs.graph.inputs.slice(0, defs.inputCount);
    inputs.forEach((_, i) => {
      this.#slots.set(bufferKey.input(i), i);
    });
    plan.state.forEach((_, i) => {
      this.#slots.set(bufferKey.state(i), state + i);
    });
    plan.results.forEach((_, i) => {
      this.#slots.set(bufferKey.result(i), results + i);
    });
    plan.arena.forEach((_, i) => {
      this.#slots.set(bufferKey.arena(i), arena + i);
    });
    this.frame = new Frame(arena + plan.arena.length);
    this.before = plan.before.map((c) => this.#slotCopy(c));
    this.after = plan.after.map((c) => this.#slotCopy(c));
    this.isScalar = inputs.map((v) => cuts.isScalar(v));
    const donors = new Set(plan.results.map((r) => r.donor));
    this.isDonor = inputs.map((_, i) => donors.has(i));
    this.returned = schedule.outputs.flatMap((o) => (o.kind === "input" ? [o.input] : []));
    const bound = new Set(this.shaders.flatMap((s) => s.bindings.map((b) => b.buffer)));
    this.isBound = inputs.map((_, i) => bound.has(bufferKey.input(i)));
  }

  /** The texts that run: those of the choices made when they were first needed. */
  get shaders(): readonly Shader[] {
    return this.#shaders;
  }

  #emit(): readonly Shader[] {
    const { schedule } = this;
    return schedule.dispatches.map((d) =>
      emitDispatch(schedule, d, this.#options, this.gpu.choices),
    );
  }

  /** The slot whose buffer a location is in. */
  slotOf(at: Location): number {
    return this.#slots.get(bufferOf(this.schedule.plan, at))!;
  }

  #slotCopy({ from, to, bytes }: Copy): SlotCopy {
    const offsetOf = (at: Location): number => ("offset" in at ? at.offset : 0);
    return {
      from: this.slotOf(from),
      fromOffset: offsetOf(from),
      to: this.slotOf(to),
      toOffset: offsetOf(to),
      bytes,
    };
  }

  #spec(shader: Shader, index: number): PipelineSpec {
    const layout = shader.bindings.map(
      (b): Binding => ({
        type: b.buffer === undefined ? "uniform" : b.written ? "storage" : "read-only-storage",
      }),
    );
    const label = `${this.schedule.name} (kernel ${index})`;
    return { wgsl: shader.wgsl, layout, label, constants: shader.constants };
  }

  #bytesOf(key: string): number {
    return bufferBytes(this.schedule.plan, this.schedule.defs, key);
  }

  #prepare(pipelines: readonly Pipeline[]): readonly Step[] {
    const align = this.gpu.limits.minUniformBufferOffsetAlignment || 256;
    let words = 0;
    const steps = this.shaders.map((shader, i): Step => {
      const at = words;
      words += Math.ceil((Math.max(1, shader.words.length) * 4) / align) * align;
      return {
        pipeline: pipelines[i]!,
        label: pipelines[i]!.label,
        layout: pipelines[i]!.layout,
        workgroups: shader.workgroups,
        slots: shader.bindings.map((b) =>
          b.buffer === undefined ? -1 : this.#slots.get(b.buffer)!,
        ),
        sizes: shader.bindings.map((b) =>
          b.buffer === undefined
            ? Math.ceil(shader.words.length / 4) * 16
            : (b.part?.bytes ?? this.#bytesOf(b.buffer)),
        ),
        starts: shader.bindings.map((b) => b.part?.start ?? 0),
        words: at,
      };
    });
    this.#words = new Uint32Array(this.shaders.some((s) => s.words.length > 0) ? words / 4 : 0);
    this.shaders.forEach((shader, i) => {
      shader.words.forEach((word, j) => {
        const at = steps[i]!.words / 4 + j;
        if (word.kind === "fixed") this.#words[at] = word.bits;
        else this.#scalars.push({ at, input: word.input, dtype: word.dtype, value: Number.NaN });
      });
    });
    this.#groups = new BindGroups(this.gpu, steps);
    return steps;
  }

  steps(): readonly Step[] {
    if (!this.#steps) {
      const from = performance.now();
      this.#steps = this.#prepare(
        this.shaders.map((shader, i) => this.gpu.pipelines.get(this.#spec(shader, i))),
      );
      this.compileMs += performance.now() - from;
    }
    return this.#steps;
  }

  /** Choose between variants by measuring, and compile everything without holding up the caller. */
  async warm(): Promise<void> {
    if (this.#steps) return;
    // A program's choices are fixed once it has run.
    const chosen = await tune(this.gpu, this.schedule, (key) => this.#bytesOf(key));
    if (this.#steps) return;
    if (chosen) this.#shaders = this.#emit();
    const from = performance.now();
    const specs = this.shaders.map((shader, i) => this.#spec(shader, i));
    const pipelines = await this.gpu.pipelines.compileAll(specs);
    this.#steps ??= this.#prepare(pipelines);
    this.compileMs += performance.now() - from;
  }

  /** Put this run's scalars into the uniform buffer, which is written only when one has changed. */
  writeWords(scalar: (input: number) => number): GPUBuffer | undefined {
    if (this.#words.length === 0) return undefined;
    let changed = !this.#written;
    for (const word of this.#scalars) {
      const value = scalar(word.input);
      if (value === word.value) continue;
      const bits = wordOf(value, word.dtype);
      // Equal numbers may have different bits (zeros), and unequal ones the same (after rounding).
      word.value = value === 0 ? Number.NaN : value;
      if (this.#words[word.at] === bits) continue;
      this.#words[word.at] = bits;
      changed = true;
    }
    this.#uniform ??= this.gpu.pool.acquire(
      this.#words.byteLength,
      `${this.schedule.name}: constants`,
    );
    // The queue orders the write before this run and after the runs that were submitted before.
    if (changed) this.gpu.write(this.#uniform, 0, this.#words);
    this.#written = true;
    return this.#uniform;
  }

  /** A bind group for each step, for the buffers in the frame. */
  bindGroups(uniform: GPUBuffer | undefined): readonly GPUBindGroup[] {
    return this.#groups!.of(this.frame, uniform);
  }
}
