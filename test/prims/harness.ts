/**
 * Checks of one primitive's rules against each other: the index rule, the lowering and the batch
 * rule against the host reference; tangents against central differences; the transpose against the
 * tangent map. Each takes a function of atoms and the values to call it with.
 */
import fc from "fast-check";
import { expect } from "vitest";
import { type Aval, type Shape, sizeOf } from "../../src/core/aval.js";
import type { DType } from "../../src/core/dtype.js";
import { avalOf, type NdArray, ndarray, ndFromFunction } from "../../src/core/ndarray.js";
import { buildGraph } from "../../src/ir/builder.js";
import { checkGraph } from "../../src/ir/check.js";
import { evalGraph, inlineGraph } from "../../src/ir/eval.js";
import { type Atom, Graph } from "../../src/ir/graph.js";
import { idxEvaluate, idxVar, type ViewExpr } from "../../src/ir/index-expr.js";
import type { Primitive } from "../../src/ir/primitive.js";
import { interpret } from "../../src/reference/interpret.js";
import { batchGraph, jvpGraph, vjpGraph } from "../../src/transform/index.js";

export type Build = (...atoms: Atom[]) => Atom | readonly Atom[];

export function graphOf(f: Build, inputs: readonly Aval[]): Graph {
  const graph = buildGraph(inputs, (atoms) => {
    const out = f(...atoms);
    return Array.isArray(out) ? (out as readonly Atom[]) : [out as Atom];
  });
  checkGraph(graph);
  return graph;
}

/** Evaluate a function of atoms on host arrays with the references. */
export const run = (f: Build, ...inputs: NdArray[]): NdArray[] =>
  interpret(graphOf(f, inputs.map(avalOf)), inputs);

export const f32 = (shape: Shape, data: ArrayLike<number>) => ndarray(shape, "float32", data);
export const i32 = (shape: Shape, data: ArrayLike<number>) => ndarray(shape, "int32", data);

/** Values on a grid of eighths, deterministic by seed; spread out so that ties are rare but occur. */
export function values(shape: Shape, seed: number, dtype: DType = "float32"): NdArray {
  let state = (seed + 1) * 2654435761;
  return ndFromFunction(shape, dtype, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const v = (state >>> 8) % 33;
    return dtype === "float32" ? (v - 16) / 8 : dtype === "bool" ? v % 2 : v;
  });
}

/** The operands' value under a view rule at one output position. */
function evaluateView(
  prim: Primitive,
  params: object,
  inputs: readonly NdArray[],
  output: Aval,
  at: readonly number[],
): number {
  const element = (operand: number, index: readonly number[]): number => {
    const x = inputs[operand]!;
    index.forEach((i, axis) => {
      if (!(i >= 0 && i < x.shape[axis]!)) throw new Error(`index ${index} outside ${x.shape}`);
    });
    return x.data[index.reduce((flat, i, axis) => flat * x.shape[axis]! + i, 0)]!;
  };
  const index = output.shape.map((n, axis) => idxVar(`i${axis}`, n));
  const number = (e: (typeof index)[number]) =>
    idxEvaluate(e, (name) => at[Number(name.slice(1))]!, element);
  const walk = (expr: ViewExpr): number => {
    switch (expr.kind) {
      case "element":
        return element(expr.operand, expr.index.map(number));
      case "index":
        return number(expr.value);
      case "within": {
        const v = number(expr.value);
        return walk(v >= expr.lo && v < expr.hi ? expr.then : expr.else);
      }
    }
  };
  return walk(prim.view!({ index, inputs: inputs.map(avalOf), output, params }));
}

/** Every view in the graph: its index rule gives what its reference gives, at every position. */
export function checkViews(f: Build, ...inputs: NdArray[]): void {
  const graph = graphOf(f, inputs.map(avalOf));
  evalGraph<NdArray>(
    graph,
    inputs,
    (x) => ndarray([], x.aval.dtype, x.value),
    (eqn, ins) => {
      const avals = eqn.outputs.map((v) => v.aval);
      const want = eqn.prim.ref(ins, eqn.params, avals);
      if (eqn.prim.kind === "view") {
        const out = avals[0]!;
        const got = ndFromFunction(out.shape, out.dtype, (at) =>
          evaluateView(eqn.prim, eqn.params, ins, out, at),
        );
        expect([...got.data], `index rule of ${eqn.prim.name}`).toEqual([...want[0]!.data]);
      }
      return want;
    },
  );
}

/** Expand opaque primitives until none is left. */
export function lowered(graph: Graph): Graph {
  if (!graph.eqns.some((e) => e.prim.kind === "opaque")) return graph;
  return lowered(
    buildGraph(graph.inputAvals, (inputs) =>
      evalGraph<Atom>(
        graph,
        inputs,
        (x) => x,
        (eqn, ins) =>
          eqn.prim.kind === "opaque"
            ? eqn.prim.lower!(ins, eqn.params)
            : inlineGraph(new Graph(eqn.inputs as never, [eqn], eqn.outputs), ins),
      ),
    ),
  );
}

export function expectClose(got: NdArray, want: NdArray, tolerance: number, what: string): void {
  expect([...got.shape], what).toEqual([...want.shape]);
  expect(got.dtype, what).toBe(want.dtype);
  want.data.forEach((w, i) => {
    const g = got.data[i]!;
    if (Object.is(g, w) || g === w) return;
    expect(Math.abs(g - w), `${what} at ${i}: ${g}, expected ${w}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(w)),
    );
  });
}

/** Rounding of f64 sums of a few hundred terms of size one. */
const EXACT = 1e-12;

export function checkLowering(f: Build, ...inputs: NdArray[]): void {
  const graph = graphOf(f, inputs.map(avalOf));
  const low = lowered(graph);
  checkGraph(low);
  const want = interpret(graph, inputs);
  interpret(low, inputs).forEach((got, i) => {
    expectClose(got, want[i]!, EXACT, `lowering, output ${i}`);
  });
}

/** vmap = stack of single calls, for every choice of mapped inputs. */
export function checkBatch(f: Build, ...inputs: NdArray[]): void {
  const size = 3;
  const graph = graphOf(f, inputs.map(avalOf));
  const lanes = inputs.map((x) =>
    Array.from({ length: size }, (_, l) =>
      // Another arrangement of the same values, so that indices stay as they were meant.
      ndarray(
        x.shape,
        x.dtype,
        Array.from(x.data, (_, i) => x.data[(i + l) % x.data.length]!),
      ),
    ),
  );
  for (let choice = 1; choice < 2 ** inputs.length; choice++) {
    const mapped = inputs.map((_, i) => ((choice >> i) & 1) === 1);
    const batched = batchGraph(graph, mapped, size);
    checkGraph(batched.graph);
    const stacked = inputs.map((x, i) =>
      mapped[i]
        ? ndarray(
            [size, ...x.shape],
            x.dtype,
            lanes[i]!.flatMap((lane) => [...lane.data]),
          )
        : x,
    );
    const got = interpret(batched.graph, stacked);
    const singles = Array.from({ length: size }, (_, l) =>
      interpret(
        graph,
        inputs.map((x, i) => (mapped[i] ? lanes[i]![l]! : x)),
      ),
    );
    got.forEach((out, k) => {
      const first = singles[0]![k]!;
      const want = batched.outMapped[k]
        ? ndarray(
            [size, ...first.shape],
            first.dtype,
            singles.flatMap((s) => [...s[k]!.data]),
          )
        : first;
      expectClose(out, want, EXACT, `batch of inputs [${mapped}], output ${k}`);
    });
  }
}

const dot = (a: NdArray, b: NdArray): number =>
  Array.from(a.data).reduce((sum: number, v: number, i: number) => sum + v * b.data[i]!, 0);

/** Tangents against central differences, and <J t, u> = <t, J' u>. */
export function checkDerivatives(f: Build, ...inputs: NdArray[]): void {
  const graph = graphOf(f, inputs.map(avalOf));
  const mask = inputs.map((x) => x.dtype === "float32");
  if (!mask.includes(true)) return;
  const { graph: forward, outMask } = jvpGraph(graph, mask);
  checkGraph(forward);
  const tangents = inputs.flatMap((x, i) => (mask[i] ? [values(x.shape, 77 + i)] : []));
  const all = interpret(forward, [...inputs, ...tangents]);
  const count = graph.outputs.length;
  // Central difference: truncation h²·f''' and rounding 1e-16/h are both below 1e-8 here.
  const h = 1e-5;
  let next = 0;
  const moved = (sign: number) =>
    inputs.map((x, i) => {
      if (!mask[i]) return x;
      const t = tangents[mask.slice(0, i).filter(Boolean).length]!;
      return ndarray(
        x.shape,
        x.dtype,
        Array.from(x.data, (v, k) => v + sign * h * t.data[k]!),
      );
    });
  const [up, down] = [interpret(graph, moved(1)), interpret(graph, moved(-1))];
  const outTangents: NdArray[] = [];
  graph.outputs.forEach((o, k) => {
    if (o.aval.dtype !== "float32") return;
    const want = ndarray(
      o.aval.shape,
      "float32",
      Array.from(up[k]!.data, (v, i) => (v - down[k]!.data[i]!) / (2 * h)),
    );
    const got = outMask[k] ? all[count + next++]! : ndarray(o.aval.shape, "float32", 0);
    expectClose(got, want, 1e-7, `tangent of output ${k}`);
    if (outMask[k]) outTangents.push(got);
  });
  if (outTangents.length === 0) return;
  const { forward: primal, backward } = vjpGraph(graph, mask);
  checkGraph(backward);
  const residuals = interpret(primal, inputs).slice(count);
  const cotangents = outTangents.map((t, i) => values(t.shape, 131 + i));
  const back = interpret(backward, [...residuals, ...cotangents]);
  const left = outTangents.reduce((s, t, i) => s + dot(t, cotangents[i]!), 0);
  const right = tangents.reduce((s, t, i) => s + dot(t, back[i]!), 0);
  expect(Math.abs(left - right)).toBeLessThanOrEqual(1e-10 * Math.max(1, Math.abs(left)));
}

/** Everything at once, and to second order. */
export function checkAll(f: Build, ...inputs: NdArray[]): void {
  checkViews(f, ...inputs);
  checkLowering(f, ...inputs);
  checkBatch(f, ...inputs);
  checkDerivatives(f, ...inputs);
}

/** Derivatives of the derivative: both rules applied to the jvp's own graph. */
export function checkSecondOrder(f: Build, ...inputs: NdArray[]): void {
  const graph = graphOf(f, inputs.map(avalOf));
  const mask = inputs.map((x) => x.dtype === "float32");
  const { graph: forward } = jvpGraph(graph, mask);
  const tangents = inputs.flatMap((x, i) => (mask[i] ? [values(x.shape, 55 + i)] : []));
  const inline: Build = (...atoms) => inlineGraph(forward, atoms);
  checkDerivatives(inline, ...inputs, ...tangents);
}

export const shapes = (maxRank = 3, maxSize = 4, minSize = 1): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: minSize, max: maxSize }), { maxLength: maxRank });

export const nonScalar = (maxRank = 3, maxSize = 4, minSize = 1): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: minSize, max: maxSize }), { minLength: 1, maxLength: maxRank });

export const total = sizeOf;
