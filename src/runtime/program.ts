/** Programs and their runs: one submission each. */
import { type Aval, showAval, sizeOf } from "../core/aval.js";
import { DawngradError } from "../core/errors.js";
import type { Gpu } from "../device/index.js";
import type { Graph } from "../ir/graph.js";
import type { Output } from "../schedule/index.js";
import { wordOf } from "../wgsl/index.js";
import { ConcreteArray, Storage } from "./array.js";
import { ControlExecutable } from "./control/executable.js";
import { runControl } from "./control/run.js";
import { counters } from "./counters.js";
import type { Executable, SlotCopy } from "./executable.js";
import { type BufferCopy, feed, type RunInput } from "./feed.js";

/** How the lanes of a program's vmaps were split, as all at once do not fit the adapter. */
export interface LaneChunks {
  /** Chunks, one after the other. */
  readonly count: number;
  /** What did not fit. */
  readonly why: string;
}

/** A program under its own name. */
export interface Program {
  readonly name: string;
  readonly donated: readonly boolean[];
  readonly graph: Graph;
  readonly executable: Executable | ControlExecutable;
  /** Milliseconds that tracing the graph took. */
  readonly traceMs: number;
  readonly laneChunks?: LaneChunks | undefined;
  /** False once the device that it was compiled for is gone. */
  usable(): boolean;
}

/** Takes notes of the kernels of a run, each of which gets a pass of its own. */
export interface Recorder {
  begin(encoder: GPUCommandEncoder, kernel: number, label: string): GPUComputePassEncoder;
  finish(encoder: GPUCommandEncoder): void;
}

/**
 * Run a program. `lits` are the values of the graph's constants, in the order of graphLits; inputs
 * may be numbers where they are scalars. Returns at once; the results are on their way.
 */
export function run(
  program: Program,
  inputs: readonly RunInput[],
  lits: readonly number[],
  recorder?: Recorder,
): ConcreteArray[] {
  const { name, executable } = program;
  if (executable instanceof ControlExecutable) return runControl(program, executable, inputs, lits);
  const { gpu } = executable;
  const steps = executable.steps();
  const { inputCount } = executable.schedule.defs;
  const { copies, temporary } = feed(executable, name, inputs);
  const scalar = (i: number): number =>
    i < inputCount ? (inputs[i] as number) : lits[i - inputCount]!;

  if (steps.length > 0 || copies.length > 0 || executable.after.length > 0) {
    gpu.faults.during(name, () => encode(executable, name, copies, scalar, recorder));
    counters.dispatches += steps.length;
    counters.submits += 1;
  }
  const outputs = outputsOf(program, executable, inputs, scalar);
  // The donated arrays are spent; results that lie in their storages keep those.
  for (let i = 0; i < inputs.length; i++) {
    const x = inputs[i]!;
    if (program.donated[i] === true && typeof x !== "number" && x.state === "live") x.donate(name);
  }
  for (const buffer of temporary) gpu.pool.release(buffer);
  return outputs;
}

function encode(
  executable: Executable,
  name: string,
  copies: readonly BufferCopy[],
  scalar: (input: number) => number,
  recorder: Recorder | undefined,
): void {
  const { gpu } = executable;
  const steps = executable.steps();
  const uniform = executable.writeWords(scalar);
  const encoder = gpu.device.createCommandEncoder({ label: name });
  for (const { from, fromOffset, to, toOffset, bytes } of copies) {
    encoder.copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
  }
  encodeCopies(executable, encoder, executable.before);
  if (steps.length > 0) {
    const groups = executable.bindGroups(uniform);
    let pass = recorder ? undefined : encoder.beginComputePass({ label: name });
    for (let i = 0; i < steps.length; i++) {
      const { pipeline, workgroups } = steps[i]!;
      if (recorder) pass = recorder.begin(encoder, i, pipeline.label);
      pass!.setPipeline(pipeline.pipeline);
      pass!.setBindGroup(0, groups[i]!);
      pass!.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
      if (recorder) pass!.end();
    }
    if (!recorder) pass!.end();
  }
  encodeCopies(executable, encoder, executable.after);
  recorder?.finish(encoder);
  gpu.submit([encoder.finish()], name);
}

function encodeCopies(
  { frame }: Executable,
  encoder: GPUCommandEncoder,
  copies: readonly SlotCopy[],
): void {
  for (const { from, fromOffset, to, toOffset, bytes } of copies) {
    encoder.copyBufferToBuffer(
      frame.buffers[from]!,
      frame.offsets[from]! + fromOffset,
      frame.buffers[to]!,
      frame.offsets[to]! + toOffset,
      bytes,
    );
  }
}

function outputsOf(
  { name, graph }: Program,
  executable: Executable,
  inputs: readonly RunInput[],
  scalar: (input: number) => number,
): ConcreteArray[] {
  const { gpu, schedule, frame } = executable;
  const make = (o: Output, aval: Aval): ConcreteArray => {
    switch (o.kind) {
      case "empty":
        return new ConcreteArray(aval, new Storage(gpu, gpu.pool.acquire(0, name)));
      case "constant":
        return ofScalar(gpu, aval, o.value, name);
      case "scalar":
        return ofScalar(gpu, aval, scalar(o.input), name);
      case "input": {
        const x = inputs[o.input]!;
        if (typeof x === "number") return ofScalar(gpu, aval, x, name);
        return new ConcreteArray(aval, x.use(name), x.byteOffset);
      }
      case "stored": {
        // An output that the program returns twice is one place, looked at twice.
        const { at } = o;
        const slot = executable.slotOf(at);
        const offset = frame.offsets[slot]! + ("offset" in at ? at.offset : 0);
        return new ConcreteArray(aval, frame.storages[slot]!, offset);
      }
    }
  };
  return schedule.outputs.map((o, i) => make(o, graph.outputs[i]!.aval));
}

const ofScalar = (gpu: Gpu, a: Aval, value: number, name: string): ConcreteArray => {
  if (sizeOf(a.shape) !== 1) {
    throw new DawngradError(`internal: '${name}' returns a scalar as ${showAval(a)}`);
  }
  const buffer = gpu.pool.acquire(16, `${name}: result`);
  gpu.write(buffer, 0, Uint32Array.of(wordOf(value, a.dtype)));
  return new ConcreteArray(a, new Storage(gpu, buffer));
};
