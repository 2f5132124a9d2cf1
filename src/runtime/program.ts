/** Compiled programs: pipelines and bindings made once, replayed with one submission a run. */
import { type Aval, showAval, sizeOf } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { DawngradError } from "../core/errors.js";
import type { Binding, Gpu, Pipeline } from "../device/index.js";
import type { Graph } from "../ir/graph.js";
import type { Schedule } from "../schedule/index.js";
import { bufferKey, type EmitOptions, emitDispatch, type Shader, wordOf } from "../wgsl/index.js";
import { arenaOf } from "./arena.js";
import { ConcreteArray, Storage, storageBytes } from "./array.js";

/** One dispatch, ready to be encoded. */
interface Step {
  readonly shader: Shader;
  readonly pipeline: Pipeline;
  /** Keys of the buffers to bind, in the order of the bindings. */
  readonly buffers: readonly (string | undefined)[];
  readonly sizes: readonly number[];
  /** Byte offset of the step's words in the uniform buffer. */
  readonly words: number;
  readonly groups: Map<string, GPUBindGroup>;
}

export interface Counters {
  dispatches: number;
  submits: number;
}

/** Dispatches and submissions by programs so far: what `explain` promises can be counted. */
export const counters: Counters = { dispatches: 0, submits: 0 };

const maxBindGroups = 64;

/** What a schedule became on a device; programs that differ in names share it. */
export class Executable {
  readonly gpu: Gpu;
  readonly schedule: Schedule;
  readonly shaders: readonly Shader[];
  #steps: Step[] | undefined;
  #words: Uint32Array<ArrayBuffer> | undefined;
  #uniform: GPUBuffer | undefined;
  #written = false;
  /** Step words that are inputs: position in the data, input and dtype. */
  readonly #scalars: { at: number; input: number; dtype: DType }[] = [];

  constructor(gpu: Gpu, schedule: Schedule, options: EmitOptions) {
    this.gpu = gpu;
    this.schedule = schedule;
    this.shaders = schedule.dispatches.map((d) => emitDispatch(schedule, d, options));
  }

  #spec(shader: Shader, index: number) {
    const layout = shader.bindings.map(
      (b): Binding => ({
        type: b.buffer === undefined ? "uniform" : b.written ? "storage" : "read-only-storage",
      }),
    );
    const label = `${this.schedule.name} (kernel ${index})`;
    return { wgsl: shader.wgsl, layout, label, constants: shader.constants };
  }

  #bytesOf(key: string): number {
    const { plan, defs } = this.schedule;
    const [kind, number] = key.split(" ") as [string, string];
    const i = Number(number);
    if (kind === "arena") return plan.arena[i]!;
    const a = kind === "input" ? defs.graph.inputs[i]!.aval : plan.results[i]!.variable.aval;
    return Math.max(16, storageBytes(a));
  }

  #prepare(pipelines: readonly Pipeline[]): Step[] {
    const align = this.gpu.limits.minUniformBufferOffsetAlignment || 256;
    let words = 0;
    const steps = this.shaders.map((shader, i): Step => {
      const at = words;
      words += Math.ceil((Math.max(1, shader.words.length) * 4) / align) * align;
      return {
        shader,
        pipeline: pipelines[i]!,
        buffers: shader.bindings.map((b) => b.buffer),
        sizes: shader.bindings.map((b) =>
          b.buffer === undefined
            ? Math.ceil(shader.words.length / 4) * 16
            : this.#bytesOf(b.buffer),
        ),
        words: at,
        groups: new Map(),
      };
    });
    this.#words = new Uint32Array(words / 4);
    for (const step of steps) {
      step.shader.words.forEach((word, i) => {
        const at = step.words / 4 + i;
        if (word.kind === "fixed") this.#words![at] = word.bits;
        else this.#scalars.push({ at, input: word.input, dtype: word.dtype });
      });
    }
    return steps;
  }

  steps(): readonly Step[] {
    this.#steps ??= this.#prepare(
      this.shaders.map((shader, i) => this.gpu.pipelines.get(this.#spec(shader, i))),
    );
    return this.#steps;
  }

  /** Compile everything without holding up the caller. */
  async warm(): Promise<void> {
    if (this.#steps) return;
    const specs = this.shaders.map((shader, i) => this.#spec(shader, i));
    const pipelines = await this.gpu.pipelines.compileAll(specs);
    this.#steps ??= this.#prepare(pipelines);
  }

  /** Put this run's scalars into the uniform data; written only when they changed. */
  writeWords(scalar: (input: number) => number): GPUBuffer | undefined {
    const words = this.#words!;
    if (this.shaders.every((s) => s.words.length === 0)) return undefined;
    let changed = !this.#written;
    for (const { at, input, dtype } of this.#scalars) {
      const bits = wordOf(scalar(input), dtype);
      if (words[at] === bits) continue;
      words[at] = bits;
      changed = true;
    }
    this.#uniform ??= this.gpu.pool.acquire(words.byteLength, `${this.schedule.name}: constants`);
    // The queue orders the write before this run and after the runs that were submitted before.
    if (changed) this.gpu.write(this.#uniform, 0, words);
    this.#written = true;
    return this.#uniform;
  }

  bindGroup(
    step: Step,
    uniform: GPUBuffer | undefined,
    buffer: (key: string) => GPUBuffer,
  ): GPUBindGroup {
    const { pool, device } = this.gpu;
    const bound = step.buffers.map((key) => (key === undefined ? uniform! : buffer(key)));
    const key = bound.map((b) => pool.idOf(b)).join(",");
    const have = step.groups.get(key);
    if (have) return have;
    const group = device.createBindGroup({
      label: step.pipeline.label,
      layout: step.pipeline.layout,
      entries: bound.map((b, binding) => ({
        binding,
        resource: {
          buffer: b,
          offset: step.buffers[binding] === undefined ? step.words : 0,
          size: step.sizes[binding]!,
        },
      })),
    });
    if (step.groups.size >= maxBindGroups) step.groups.delete(step.groups.keys().next().value!);
    step.groups.set(key, group);
    return group;
  }
}

/** A program under its own name. */
export interface Program {
  readonly name: string;
  readonly donated: readonly boolean[];
  readonly graph: Graph;
  readonly executable: Executable;
  /** False once the device that it was compiled for is gone. */
  usable(): boolean;
}

interface Feeds {
  readonly buffers: Map<string, GPUBuffer>;
  /** Buffers of this run only. */
  readonly temporary: GPUBuffer[];
  /** Copies to make first: a donated array that others still look at is not written over. */
  readonly copies: { from: GPUBuffer; to: GPUBuffer; bytes: number }[];
  readonly scalars: (number | undefined)[];
}

function feed(program: Program, inputs: readonly (ConcreteArray | number)[]): Feeds {
  const { name, executable } = program;
  const { gpu, schedule } = executable;
  const { defs, plan, cuts } = schedule;
  if (inputs.length !== defs.inputCount) {
    throw new DawngradError(
      `internal: program '${name}' takes ${defs.inputCount} inputs, was given ${inputs.length}`,
    );
  }
  const feeds: Feeds = { buffers: new Map(), temporary: [], copies: [], scalars: [] };
  const storages = inputs.map((x) => (typeof x === "number" ? undefined : x.use(name)));
  const uses = new Map<Storage, number>();
  for (const s of storages) if (s) uses.set(s, (uses.get(s) ?? 0) + 1);
  const donors = new Set(plan.results.map((r) => r.donor));
  inputs.forEach((x, i) => {
    const v = defs.graph.inputs[i]!;
    const key = bufferKey.input(i);
    if (typeof x === "number") {
      if (cuts.isScalar(v)) {
        feeds.scalars[i] = x;
        return;
      }
      const buffer = gpu.pool.acquire(16, `${name}: input ${i}`);
      feeds.temporary.push(buffer);
      gpu.write(buffer, 0, Uint32Array.of(wordOf(x, v.aval.dtype)));
      feeds.buffers.set(key, buffer);
      return;
    }
    if (cuts.isScalar(v)) {
      throw new DawngradError(`internal: input ${i} of '${name}' must be a number`);
    }
    const storage = storages[i]!;
    if (donors.has(i) && (storage.shared || uses.get(storage)! > 1)) {
      const bytes = Math.max(16, storageBytes(v.aval));
      const to = gpu.pool.acquire(bytes, `${name}: input ${i}`);
      feeds.copies.push({ from: storage.buffer, to, bytes });
      feeds.buffers.set(key, to);
      return;
    }
    feeds.buffers.set(key, storage.buffer);
  });
  return feeds;
}

/**
 * Run a program. `lits` are the values of the graph's constants, in the order of graphLits; inputs
 * may be numbers where they are scalars. Returns at once; the results are on their way.
 */
export function run(
  program: Program,
  inputs: readonly (ConcreteArray | number)[],
  lits: readonly number[],
): ConcreteArray[] {
  const { name, executable } = program;
  const { gpu, schedule } = executable;
  const { plan, defs } = schedule;
  const steps = executable.steps();
  const feeds = feed(program, inputs);
  const scalar = (i: number): number =>
    i >= defs.inputCount ? lits[i - defs.inputCount]! : feeds.scalars[i]!;
  const results = plan.results.map((r, slot): GPUBuffer => {
    if (r.donor !== undefined) return feeds.buffers.get(bufferKey.input(r.donor))!;
    const buffer = gpu.pool.acquire(storageBytes(r.variable.aval), `${name}: result`);
    feeds.buffers.set(bufferKey.result(slot), buffer);
    return buffer;
  });
  plan.arena.forEach((bytes, chunk) => {
    feeds.buffers.set(bufferKey.arena(chunk), arenaOf(gpu).chunk(chunk, bytes, name));
  });

  if (steps.length > 0 || feeds.copies.length > 0) {
    gpu.faults.during(name, () => {
      const uniform = executable.writeWords(scalar);
      const encoder = gpu.device.createCommandEncoder({ label: name });
      for (const { from, to, bytes } of feeds.copies) {
        encoder.copyBufferToBuffer(from, 0, to, 0, Math.min(bytes, from.size));
      }
      const pass = encoder.beginComputePass({ label: name });
      for (const step of steps) {
        pass.setPipeline(step.pipeline.pipeline);
        pass.setBindGroup(
          0,
          executable.bindGroup(step, uniform, (key) => feeds.buffers.get(key)!),
        );
        pass.dispatchWorkgroups(...step.shader.workgroups);
      }
      pass.end();
      gpu.submit([encoder.finish()], name);
    });
    counters.dispatches += steps.length;
    counters.submits += 1;
  }

  const made = new Map<number, Storage>();
  const outputs = schedule.outputs.map((o, i): ConcreteArray => {
    const { aval } = program.graph.outputs[i]!;
    if (o.kind === "empty")
      return new ConcreteArray(aval, new Storage(gpu, gpu.pool.acquire(0, name)));
    if (o.kind === "constant") return ofScalar(gpu, aval, o.value, name);
    if (o.kind === "scalar") return ofScalar(gpu, aval, scalar(o.input), name);
    const at = plan.locations.get(o.variable)!;
    if (at.kind === "input") {
      const x = inputs[at.index]!;
      return typeof x === "number"
        ? ofScalar(gpu, aval, x, name)
        : new ConcreteArray(aval, x.use(name));
    }
    if (at.kind !== "result") throw new DawngradError("internal: an output is not a result");
    // An output that the program returns twice is one buffer.
    const storage = made.get(at.slot) ?? new Storage(gpu, results[at.slot]!);
    made.set(at.slot, storage);
    return new ConcreteArray(aval, storage);
  });

  // The donated arrays are spent; their buffers are results now, or free.
  const donors = new Set(plan.results.map((r) => r.donor));
  const copied = new Set(feeds.copies.map((c) => c.to));
  inputs.forEach((x, i) => {
    if (typeof x === "number" || program.donated[i] !== true || x.state !== "live") return;
    const storage = x.donate(name);
    if (donors.has(i) && !copied.has(feeds.buffers.get(bufferKey.input(i))!)) storage.surrender();
    else storage.release();
  });
  for (const buffer of feeds.temporary) gpu.pool.release(buffer);
  return outputs;
}

const ofScalar = (gpu: Gpu, a: Aval, value: number, name: string): ConcreteArray => {
  if (sizeOf(a.shape) !== 1) {
    throw new DawngradError(`internal: '${name}' returns a scalar as ${showAval(a)}`);
  }
  const buffer = gpu.pool.acquire(16, `${name}: result`);
  gpu.write(buffer, 0, Uint32Array.of(wordOf(value, a.dtype)));
  return new ConcreteArray(a, new Storage(gpu, buffer));
};
