/** Programs with loops and branches: segments made ready once, their dispatches encoded for each run. */
import type { DType } from "../../core/dtype.js";
import type { Binding, Gpu, Pipeline } from "../../device/index.js";
import type { ControlSchedule, Segment, Stage } from "../../schedule/index.js";
import { type EmitOptions, emitDispatch, type Shader, wordOf } from "../../wgsl/index.js";
import { storageBytes } from "../array.js";
import { dispatchMs } from "./budget.js";
import { windowOf } from "./steps.js";

/** One dispatch, ready to be encoded. */
export interface ControlStep {
  readonly shader: Shader;
  readonly segment: Segment;
  readonly label: string;
  /** Its position among the segment's dispatches. */
  readonly index: number;
  /** Byte offset of its words in the uniform buffer. */
  readonly words: number;
  pipeline: Pipeline | undefined;
  /** Depths of the loops whose index it reads, in the order of the bindings. */
  readonly levels: readonly number[];
  readonly groups: Map<string, GPUBindGroup>;
}

/** The stages with their dispatches. */
export type Runnable =
  | { readonly kind: "steps"; readonly steps: readonly ControlStep[] }
  | {
      readonly kind: "loop";
      readonly level: number;
      readonly length: number;
      readonly body: readonly Runnable[];
    }
  | {
      readonly kind: "while";
      readonly level: number;
      readonly body: readonly Runnable[];
      readonly active: { readonly buffer: string; readonly word: number };
    };

const maxBindGroups = 64;

export class ControlExecutable {
  readonly gpu: Gpu;
  readonly schedule: ControlSchedule;
  readonly steps: readonly ControlStep[];
  readonly stages: readonly Runnable[];
  /** Milliseconds that scheduling took, and writing the shaders. */
  readonly scheduleMs: number;
  readonly textMs: number;
  /** Milliseconds that pipelines took to compile, so far. */
  compileMs = 0;
  /** Rounds that follow each other without a word from the host, by depth of loops; undefined for all. */
  readonly windows: readonly (number | undefined)[];
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #ms = new Map<ControlStep, number>();
  /** Words that are numbers of a run: position in the data, the program's scalar and its dtype. */
  readonly #scalars: { at: number; input: number; dtype: DType }[] = [];
  #uniform: GPUBuffer | undefined;
  #written = false;

  constructor(gpu: Gpu, makeSchedule: () => ControlSchedule, options: EmitOptions) {
    const from = performance.now();
    const schedule = makeSchedule();
    const scheduled = performance.now();
    this.scheduleMs = scheduled - from;
    this.gpu = gpu;
    this.schedule = schedule;
    const align = gpu.limits.minUniformBufferOffsetAlignment || 256;
    const steps: ControlStep[] = [];
    let words = 0;
    const prepare = (list: readonly Stage[]): Runnable[] =>
      list.map((stage): Runnable => {
        if (stage.kind !== "segment") return { ...stage, body: prepare(stage.body) };
        const own = stage.schedule.dispatches.map((d, index): ControlStep => {
          const shader = emitDispatch(stage.schedule, d, options, gpu.choices);
          const step = {
            shader,
            segment: stage,
            index,
            label: `${schedule.name} (kernel ${steps.length})`,
            words,
            pipeline: undefined,
            levels: shader.bindings.flatMap((b) => (b.step === undefined ? [] : [b.step])),
            groups: new Map(),
          };
          words += Math.ceil((Math.max(1, shader.words.length) * 4) / align) * align;
          steps.push(step);
          return step;
        });
        return { kind: "steps", steps: own };
      });
    this.stages = prepare(schedule.stages);
    this.steps = steps;
    this.windows = schedule.rounds.map(windowOf);
    this.#words = new Uint32Array(words / 4);
    for (const step of steps) this.#fillWords(step);
    this.textMs = performance.now() - scheduled;
  }

  #fillWords({ shader, segment, words }: ControlStep): void {
    shader.words.forEach((word, i) => {
      const at = words / 4 + i;
      if (word.kind === "fixed") {
        this.#words[at] = word.bits;
        return;
      }
      const own = segment.scalars.length;
      const input = segment.scalars[word.input];
      if (word.input >= own) {
        this.#words[at] = wordOf(segment.lits[word.input - own]!, word.dtype);
      } else this.#scalars.push({ at, input: input!, dtype: word.dtype });
    });
  }

  #spec({ shader, label }: ControlStep) {
    const layout = shader.bindings.map((b): Binding => {
      if (b.step !== undefined) return { type: "uniform", hasDynamicOffset: true };
      if (b.buffer === undefined) return { type: "uniform" };
      return { type: b.written ? "storage" : "read-only-storage" };
    });
    return { wgsl: shader.wgsl, layout, label, constants: shader.constants };
  }

  /** About how long a dispatch takes; of no interest where no loop is to be split. */
  msOf(step: ControlStep): number {
    if (this.schedule.rounds.length === 0) return 0;
    let ms = this.#ms.get(step);
    if (ms === undefined) {
      ms = dispatchMs(this.gpu, step.segment.schedule, step.index);
      this.#ms.set(step, ms);
    }
    return ms;
  }

  pipelineOf(step: ControlStep): Pipeline {
    if (step.pipeline) return step.pipeline;
    const from = performance.now();
    step.pipeline = this.gpu.pipelines.get(this.#spec(step));
    this.compileMs += performance.now() - from;
    return step.pipeline;
  }

  /** Compile everything without holding up the caller. */
  async warm(): Promise<void> {
    const from = performance.now();
    const missing = this.steps.filter((s) => !s.pipeline);
    const made = await this.gpu.pipelines.compileAll(missing.map((s) => this.#spec(s)));
    missing.forEach((step, i) => {
      step.pipeline ??= made[i];
    });
    this.compileMs += performance.now() - from;
  }

  /** Put this run's numbers into the uniform data; written only when they changed. */
  writeWords(scalar: (input: number) => number): GPUBuffer | undefined {
    if (this.#words.length === 0) return undefined;
    let changed = !this.#written;
    for (const { at, input, dtype } of this.#scalars) {
      const bits = wordOf(scalar(input), dtype);
      if (this.#words[at] === bits) continue;
      this.#words[at] = bits;
      changed = true;
    }
    const label = `${this.schedule.name}: constants`;
    this.#uniform ??= this.gpu.pool.acquire(this.#words.byteLength, label);
    if (changed) this.gpu.write(this.#uniform, 0, this.#words);
    this.#written = true;
    return this.#uniform;
  }

  bytesOf(step: ControlStep, key: string): number {
    const [kind, number] = key.split(" ") as [string, string];
    const i = Number(number);
    const { inputs, outputs, frames, flags } = this.schedule;
    switch (kind) {
      case "in":
        return Math.max(16, storageBytes(inputs[i]!));
      case "out":
        return Math.max(16, storageBytes(outputs[i]!));
      case "frame":
        return frames[i]!;
      case "arena":
        return step.segment.schedule.plan.arena[i]!;
      default:
        return flags[i]! * 4;
    }
  }

  /** Bytes of each chunk of the arena that any segment needs: they follow each other. */
  get arena(): number[] {
    const out: number[] = [];
    for (const { segment } of this.steps) {
      segment.schedule.plan.arena.forEach((bytes, chunk) => {
        out[chunk] = Math.max(out[chunk] ?? 0, bytes);
      });
    }
    return out;
  }

  bindGroup(step: ControlStep, bound: readonly GPUBufferBinding[]): GPUBindGroup {
    const { pool } = this.gpu;
    const key = bound.map((b) => `${pool.idOf(b.buffer)}+${b.offset ?? 0}`).join(",");
    const have = step.groups.get(key);
    if (have) return have;
    const group = this.gpu.device.createBindGroup({
      label: step.label,
      layout: this.pipelineOf(step).layout,
      entries: bound.map((resource, binding) => ({ binding, resource })),
    });
    if (step.groups.size >= maxBindGroups) step.groups.delete(step.groups.keys().next().value!);
    step.groups.set(key, group);
    return group;
  }
}
