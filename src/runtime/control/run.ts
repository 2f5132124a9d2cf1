/** Running a program with loops and branches. */
import { DawngradError } from "../../core/errors.js";
import { type ControlSchedule, controlKey } from "../../schedule/index.js";
import { wordOf } from "../../wgsl/index.js";
import { arenaOf } from "../arena.js";
import { ConcreteArray, Storage, storageBytes } from "../array.js";
import { submitMs } from "./budget.js";
import { Encoding, type Part } from "./encode.js";
import type { ControlExecutable } from "./executable.js";
import { stepsOf } from "./steps.js";

type Input = ConcreteArray | number;

interface ControlProgram {
  readonly name: string;
  readonly donated: readonly boolean[];
}

export function runControl(
  { name, donated }: ControlProgram,
  executable: ControlExecutable,
  inputs: readonly Input[],
  lits: readonly number[],
): ConcreteArray[] {
  const { gpu, schedule } = executable;
  const count = schedule.inputs.length - lits.length;
  if (inputs.length !== count) {
    throw new DawngradError(
      `internal: program '${name}' takes ${count} inputs, was given ${inputs.length}`,
    );
  }
  for (const step of executable.steps) executable.pipelineOf(step);
  const buffers = new Map<string, Part>();
  const put = (key: string, buffer: GPUBuffer, offset = 0) => buffers.set(key, { buffer, offset });
  const temporary: GPUBuffer[] = [];
  const borrow = (bytes: number, what: string): GPUBuffer => {
    const buffer = gpu.pool.acquire(bytes, `${name}: ${what}`);
    temporary.push(buffer);
    return buffer;
  };
  const outputs: ConcreteArray[] = [];
  try {
    inputs.forEach((x, i) => {
      if (typeof x !== "number") {
        put(controlKey.input(i), x.use(name).buffer, x.byteOffset);
      } else if (!schedule.hostScalars[i]) {
        const buffer = borrow(16, `input ${i}`);
        gpu.write(buffer, 0, Uint32Array.of(wordOf(x, schedule.inputs[i]!.dtype)));
        put(controlKey.input(i), buffer);
      }
    });
    schedule.outputs.forEach((aval, i) => {
      const buffer = gpu.pool.acquire(storageBytes(aval), `${name}: result`);
      put(controlKey.output(i), buffer);
      outputs.push(new ConcreteArray(aval, new Storage(gpu, buffer)));
    });
    memoryOf(schedule).forEach(([key, bytes]) => {
      put(key, borrow(bytes, "values of loops"));
    });
    executable.arena.forEach((bytes, chunk) => {
      put(`arena ${chunk}`, arenaOf(gpu).chunk(chunk, bytes, name));
    });
  } catch (error) {
    // An argument that is gone, or no memory for the rest: nothing has run.
    for (const buffer of temporary) if (!gpu.lost) gpu.pool.release(buffer);
    for (const x of outputs) x.dispose();
    throw error;
  }
  const scalar = (i: number): number => (i < count ? (inputs[i] as number) : lits[i - count]!);
  const encoding = new Encoding(executable, {
    buffers,
    steps: stepsOf(gpu, schedule.rounds, borrow),
    uniform: executable.writeWords(scalar),
    budget: submitMs(),
    name,
  });
  gpu.order.run(() =>
    encoding.run(() => {
      for (const buffer of temporary) gpu.pool.release(buffer);
    }),
  );
  for (const [i, x] of inputs.entries()) {
    if (typeof x === "number" || donated[i] !== true || x.state !== "live") continue;
    x.donate(name);
  }
  return outputs;
}

/** What a run needs besides inputs, results and the arena. */
const memoryOf = (schedule: ControlSchedule): [key: string, bytes: number][] => [
  ...schedule.frames.map((bytes, i): [string, number] => [controlKey.frame(i), bytes]),
  ...schedule.flags.map((words, i): [string, number] => [controlKey.flags(i), words * 4]),
];
