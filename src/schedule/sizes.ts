/** What does not fit an adapter, told by the arrays that take the most. */
import { showAval } from "../core/aval.js";
import { DeviceError } from "../core/errors.js";
import type { Var } from "../ir/graph.js";
import type { Defs } from "./defs.js";
import { bytesOf } from "./kernel.js";
import type { Target } from "./target.js";

const shown = 5;

const mebibytes = (bytes: number): string =>
  bytes < 2 ** 20 ? `${bytes} bytes` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** The largest of some arrays, a line each: size, shape, and what it is. */
export function largestArrays(vars: Iterable<Var>, defs: Defs): string {
  const all = [...new Set(vars)].sort((a, b) => bytesOf(b) - bytesOf(a));
  const lines = all.slice(0, shown).map((v) => {
    const input = defs.inputIndex(v);
    const what =
      input === undefined
        ? `result of ${defs.of(v)?.eqn.prim.name ?? "?"}`
        : `argument leaf ${input}`;
    return `  ${mebibytes(bytesOf(v))}  ${showAval(v.aval)}, ${what}`;
  });
  if (all.length > shown) lines.push(`  and ${all.length - shown} smaller ones`);
  return lines.join("\n");
}

const advice =
  "Use smaller batches, fewer lanes of vmap (map with batchSize goes through them in batches), or split the array.";

/** What a program needs is more than the adapter has, at least so many times as much. */
export class TooLargeError extends DeviceError {
  readonly times: number;

  constructor(message: string, times: number) {
    super(message);
    this.times = times;
  }
}

/** Throws a TooLargeError unless every array fits a buffer. */
export function checkSizes(name: string, vars: readonly Var[], defs: Defs, target: Target): void {
  const tooLarge = vars.filter((v) => bytesOf(v) > target.maxBufferBytes);
  if (tooLarge.length === 0) return;
  const first = tooLarge.reduce((a, b) => (bytesOf(b) > bytesOf(a) ? b : a));
  throw new TooLargeError(
    `${name}: an array of ${showAval(first.aval)} takes ${bytesOf(first)} bytes, but this adapter's ` +
      `largest buffer has ${target.maxBufferBytes}. ${advice} The largest arrays of the ` +
      `program:\n${largestArrays(vars, defs)}`,
    bytesOf(first) / target.maxBufferBytes,
  );
}

/** The error of a kernel that touches more than it can bind, in whatever parts it is computed. */
export function bindsTooMuch(
  name: string,
  computed: readonly Var[],
  touched: readonly Var[],
  defs: Defs,
  target: Target,
): TooLargeError {
  const last = computed.at(-1)!;
  return new TooLargeError(
    `${name}: ${defs.of(last)!.eqn.prim.name} of ${showAval(last.aval)} reads or writes all over arrays that take more ` +
      `bindings than there are: this adapter binds at most ${target.maxBindingBytes} bytes at once, ` +
      `${target.maxStorageBuffers} times in a kernel. ${advice} The largest arrays of the ` +
      `kernel:\n${largestArrays(touched, defs)}`,
    1,
  );
}

/** The error of an expression that goes through more elements than a shader's index can tell apart. */
export const countsTooFar = (last: number): TooLargeError =>
  new TooLargeError(
    `an expression goes through ${last + 1} elements, which are stored nowhere, but indices in shaders end at ` +
      `2^32. ${advice}`,
    (last + 1) / 2 ** 32,
  );
