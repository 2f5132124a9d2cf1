/**
 * The buffers of a run: those of the arrays given, the program's state in its blocks, new ones for
 * results, and the arena.
 */
import { showAval } from "../core/aval.js";
import { DawngradError, DeviceError } from "../core/errors.js";
import { largestArrays, type StateMember } from "../schedule/index.js";
import { wordOf } from "../wgsl/index.js";
import { arenaOf } from "./arena.js";
import { type ConcreteArray, Storage, storageBytes } from "./array.js";
import type { Executable } from "./executable.js";

export type RunInput = ConcreteArray | number;

export interface BufferCopy {
  readonly from: GPUBuffer;
  readonly fromOffset: number;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  readonly bytes: number;
}

/** What a run needs beside the frame. */
export interface Feed {
  /** Copies to make first: state that lies elsewhere, donated arrays that others still look at. */
  readonly copies: BufferCopy[];
  /** Buffers of this run only. */
  readonly temporary: GPUBuffer[];
  /** Those, and what was taken for results and state. */
  readonly taken: GPUBuffer[];
}

/** Fill the executable's frame for a run with these inputs. */
export function feed(x: Executable, name: string, inputs: readonly RunInput[]): Feed {
  const { defs } = x.schedule;
  if (inputs.length !== defs.inputCount) {
    throw new DawngradError(
      `internal: program '${name}' takes ${defs.inputCount} inputs, was given ${inputs.length}`,
    );
  }
  const f: Feed = { copies: [], temporary: [], taken: [] };
  try {
    for (let i = 0; i < inputs.length; i++) feedInput(x, name, inputs, i, f);
    feedState(x, name, inputs, f);
    feedDonors(x, name, inputs, f);
    feedRest(x, name, f);
    return f;
  } catch (error) {
    // An argument that is gone, or no memory for the rest: nothing has run, and nobody has what was taken.
    for (const buffer of f.taken) if (!x.gpu.lost) x.gpu.pool.release(buffer);
    throw error;
  }
}

function take(x: Executable, f: Feed, bytes: number, label: string): GPUBuffer {
  const buffer = x.gpu.pool.acquire(bytes, label);
  f.taken.push(buffer);
  return buffer;
}

function feedInput(
  x: Executable,
  name: string,
  inputs: readonly RunInput[],
  i: number,
  f: Feed,
): void {
  const input = inputs[i]!;
  if (typeof input !== "number") {
    if (x.isScalar[i])
      throw new DawngradError(`internal: input ${i} of '${name}' must be a number`);
    const storage = input.use(name);
    x.frame.put(i, storage.buffer, input.byteOffset, storage);
    return;
  }
  if (x.isScalar[i]) return;
  const buffer = take(x, f, 16, `${name}: input ${i}`);
  f.temporary.push(buffer);
  const { dtype } = x.schedule.defs.graph.inputs[i]!.aval;
  x.gpu.write(buffer, 0, Uint32Array.of(wordOf(input, dtype)));
  x.frame.put(i, buffer);
}

/** Each state block in place where its members lie as planned, else in a new buffer, copied. */
function feedState(x: Executable, name: string, inputs: readonly RunInput[], f: Feed): void {
  const { plan } = x.schedule;
  for (let b = 0; b < plan.state.length; b++) {
    const slot = x.first.state + b;
    const base = baseOf(x, b);
    if (base !== undefined) {
      const storage = x.frame.storages[plan.state[b]!.members[0]!.input]!;
      x.frame.put(slot, storage.buffer, base, storage);
      keepApart(x, name, inputs, storage.buffer, f);
      continue;
    }
    const { bytes, members } = plan.state[b]!;
    const to = take(x, f, bytes, `${name}: state`);
    for (const { input, offset } of members) {
      f.copies.push({
        from: x.frame.buffers[input]!,
        fromOffset: x.frame.offsets[input]!,
        to,
        toOffset: offset,
        bytes: bytesOfInput(x, input),
      });
    }
    x.frame.put(slot, to, 0, new Storage(x.gpu, to));
  }
}

/** Where block `b` begins in the one buffer that its members share with nobody; else undefined. */
function baseOf(x: Executable, b: number): number | undefined {
  const { bytes, members } = x.schedule.plan.state[b]!;
  const { storages, offsets } = x.frame;
  const { input: first, offset: start } = members[0]!;
  const storage = storages[first];
  const base = offsets[first]! - start;
  if (!storage || base < 0 || base % 256 !== 0 || base + bytes > storage.buffer.size) {
    return undefined;
  }
  // An input that the program returns as it is must outlive the run, though it was given as state too.
  if (x.returned.some((i) => storages[i] === storage && liesIn(offsets[i]!, base, members))) {
    return undefined;
  }
  const alone = storage.viewers === members.length;
  for (const { input, offset } of members) {
    if (storages[input] !== storage || offsets[input] !== base + offset) return undefined;
    if (!alone && storage.viewersAt(base + offset) !== 1) return undefined;
  }
  return base;
}

const liesIn = (at: number, base: number, members: readonly StateMember[]): boolean =>
  members.some(({ offset }) => at === base + offset);

/**
 * WebGPU binds no buffer to be read and, elsewhere in it, to be written in one dispatch: inputs that
 * lie beside the state are copied.
 */
function keepApart(
  x: Executable,
  name: string,
  inputs: readonly RunInput[],
  state: GPUBuffer,
  f: Feed,
): void {
  for (let i = 0; i < inputs.length; i++) {
    if (x.isBound[i] && x.frame.buffers[i] === state) moveAway(x, name, i, f);
  }
}

/** Donated arrays whose buffer a result takes over: a copy where something else looks at it too. */
function feedDonors(x: Executable, name: string, inputs: readonly RunInput[], f: Feed): void {
  for (let i = 0; i < inputs.length; i++) {
    if (!x.isDonor[i]) continue;
    const storage = x.frame.storages[i];
    if (!storage) continue;
    const twice = x.frame.storages.some((s, j) => s === storage && j !== i && j < inputs.length);
    if (storage.viewers > 1 || twice) moveAway(x, name, i, f);
  }
}

/** Give an input a buffer of its own for this run (and beyond, where a result takes it over). */
function moveAway(x: Executable, name: string, i: number, f: Feed): void {
  const bytes = bytesOfInput(x, i);
  const to = take(x, f, Math.max(16, bytes), `${name}: input ${i}`);
  const [from, fromOffset] = [x.frame.buffers[i]!, x.frame.offsets[i]!];
  f.copies.push({ from, fromOffset, to, toOffset: 0, bytes });
  if (x.isDonor[i]) {
    x.frame.put(i, to, 0, new Storage(x.gpu, to));
  } else {
    f.temporary.push(to);
    x.frame.put(i, to);
  }
}

const bytesOfInput = (x: Executable, i: number): number =>
  storageBytes(x.schedule.defs.graph.inputs[i]!.aval);

function feedRest(x: Executable, name: string, f: Feed): void {
  const { plan } = x.schedule;
  plan.results.forEach((r, slot) => {
    if (r.donor !== undefined) return;
    const { aval } = r.variable;
    const buffer = take(x, f, storageBytes(aval), `${name}: result ${showAval(aval)}`);
    x.frame.put(x.first.results + slot, buffer, 0, new Storage(x.gpu, buffer));
  });
  plan.arena.forEach((bytes, chunk) => {
    x.frame.put(x.first.arena + chunk, chunkOf(x, name, chunk, bytes));
  });
}

/** A chunk of the arena; where there is no memory for it, an error that names what takes the most. */
function chunkOf(x: Executable, name: string, chunk: number, bytes: number): GPUBuffer {
  try {
    return arenaOf(x.gpu).chunk(chunk, bytes, name);
  } catch (error) {
    if (!(error instanceof DeviceError) || x.gpu.lost) throw error;
    const { plan, defs } = x.schedule;
    const held = [...plan.locations].filter(([, at]) => at.kind === "arena").map(([v]) => v);
    throw new DeviceError(
      `${error.message} The program's largest intermediates:\n${largestArrays(held, defs)}`,
      { cause: error },
    );
  }
}
