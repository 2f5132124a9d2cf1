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

/** Throws a DeviceError unless every array can be bound. */
export function checkSizes(name: string, vars: readonly Var[], defs: Defs, target: Target): void {
  const tooLarge = vars.filter((v) => bytesOf(v) > target.maxBindingBytes);
  if (tooLarge.length === 0) return;
  const first = tooLarge.reduce((a, b) => (bytesOf(b) > bytesOf(a) ? b : a));
  throw new DeviceError(
    `${name}: an array of ${showAval(first.aval)} takes ${bytesOf(first)} bytes, but this adapter ` +
      `binds at most ${target.maxBindingBytes} bytes at once. Use smaller batches, fewer lanes of ` +
      `vmap (map with batchSize goes through them in batches), or split the array. The largest arrays of the program:\n${largestArrays(vars, defs)}`,
  );
}
