/** Runs graphs on the device and compares with the f64 reference. */
import { expect } from "vitest";
import { type Aval, sizeOf } from "../../src/core/aval.js";
import type { TypedArray } from "../../src/core/dtype.js";
import { type NdArray, ndarray } from "../../src/core/ndarray.js";
import { evalGraph } from "../../src/ir/eval.js";
import type { Graph } from "../../src/ir/graph.js";
import { graphLits } from "../../src/ir/print.js";
import {
  type CompileOptions,
  type ConcreteArray,
  compile,
  fromHost,
  run,
} from "../../src/runtime/index.js";

let state = 12345;
/** A small generator of its own, so that failures repeat. */
export const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
export const below = (n: number): number => Math.floor(random() * n);

export function randomArray(a: Aval): NdArray {
  const draw = {
    float32: () => Math.fround(random() * 2 - 1),
    int32: () => below(21) - 10,
    uint32: () => below(20),
    bool: () => below(2),
  }[a.dtype];
  const values = Array.from({ length: sizeOf(a.shape) }, draw);
  return ndarray(a.shape, a.dtype, values);
}

export function toDevice(x: NdArray): ConcreteArray {
  const typed: TypedArray = x.dtype === "float32" ? Float32Array.from(x.data) : x.data.slice();
  return fromHost(typed, x);
}

export const reference = (g: Graph, inputs: readonly NdArray[]): NdArray[] =>
  evalGraph<NdArray>(
    g,
    inputs,
    (x) => ndarray([], x.aval.dtype, x.value),
    (e, xs) =>
      e.prim.ref(
        xs,
        e.params,
        e.outputs.map((v) => v.aval),
      ),
  );

export async function onDevice(
  g: Graph,
  inputs: readonly NdArray[],
  options: Partial<CompileOptions> = {},
): Promise<TypedArray[]> {
  const program = compile(g, { name: "test", donated: inputs.map(() => false), ...options });
  const arrays = inputs.map(toDevice);
  const outs = run(
    program,
    arrays,
    graphLits(g).map((x) => x.value),
  );
  const values = await Promise.all(outs.map((y) => y.read()));
  for (const x of [...arrays, ...outs]) x.dispose();
  return values;
}

/** The device's results are those of the reference, within `tolerance` (absolute and relative). */
export async function expectSame(
  g: Graph,
  tolerance = 1e-5,
  options: Partial<CompileOptions> = {},
  inputs: readonly NdArray[] = g.inputAvals.map(randomArray),
): Promise<void> {
  const got = await onDevice(g, inputs, options);
  const want = reference(g, inputs);
  got.forEach((y, i) => {
    const w = want[i]!;
    expect(y.length).toBe(w.data.length);
    for (let j = 0; j < y.length; j++) {
      const exact = w.dtype !== "float32" || !Number.isFinite(w.data[j]!);
      const allowed = exact ? 0 : tolerance * (1 + Math.abs(w.data[j]!));
      const near = Object.is(y[j], w.data[j]) || Math.abs(y[j]! - w.data[j]!) <= allowed;
      if (!near) expect.fail(`output ${i}[${j}]: ${y[j]}, reference ${w.data[j]}\n${g}`);
    }
  });
}
