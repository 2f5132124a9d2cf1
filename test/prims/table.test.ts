/**
 * Every rule of every primitive, from the table of primitives: derivatives to second order against
 * central differences, batching against a loop, the opaque ones' lowering against their reference.
 */
import { describe, expect, it } from "vitest";
import { sizeOf } from "../../src/core/aval.js";
import { isFloat } from "../../src/core/dtype.js";
import { avalOf, type NdArray, ndarray } from "../../src/core/ndarray.js";
import { bind, buildGraph } from "../../src/ir/builder.js";
import { checkGraph } from "../../src/ir/check.js";
import type { Graph } from "../../src/ir/graph.js";
import type { Primitive } from "../../src/ir/primitive.js";
import { primitives } from "../../src/prims/index.js";
import { interpret, interpretWithKink } from "../../src/reference/interpret.js";
import { checkGraphGrads } from "../../src/testing/index.js";
import { batchGraph } from "../../src/transform/index.js";
import { assertClose } from "../laws/laws.js";
import { type Sample, samples } from "./samples.js";

const graphOf = (prim: Primitive, sample: Sample): Graph =>
  buildGraph(sample.inputs.map(avalOf), (atoms) => bind(prim, atoms, sample.params));

const stackLanes = (xs: readonly NdArray[]): NdArray =>
  ndarray(
    [xs.length, ...xs[0]!.shape],
    xs[0]!.dtype,
    xs.flatMap((x) => Array.from(x.data)),
  );

/** A second lane with other values of the same kind. */
const other = (x: NdArray): NdArray => ndarray(x.shape, x.dtype, Array.from(x.data).reverse());

const laneOf = (x: NdArray, i: number): NdArray => {
  const shape = x.shape.slice(1);
  const n = sizeOf(shape);
  return ndarray(shape, x.dtype, Array.from(x.data.slice(i * n, (i + 1) * n)));
};

describe.each(primitives.map((prim) => [prim.name, prim] as const))("%s", (name, prim) => {
  const cases = samples[name]?.() ?? [];

  it("has samples, and the rule of its kind", () => {
    expect(cases.length, `add samples for ${name} to test/prims/samples.ts`).toBeGreaterThan(0);
    const rule = {
      elementwise: prim.emit,
      view: prim.view,
      reduce: prim.reduce,
      opaque: prim.lower,
      contract: prim.transpose,
      structured: prim.control,
    }[prim.kind];
    expect(rule, `${name} is ${prim.kind} without its rule`).toBeDefined();
  });

  it("gives what its aval rule says", () => {
    for (const sample of cases) {
      const graph = graphOf(prim, sample);
      checkGraph(graph);
      interpret(graph, sample.inputs).forEach((y, i) => {
        expect(avalOf(y)).toEqual(graph.outputAvals[i]);
        expect(y.data.length).toBe(sizeOf(y.shape));
      });
    }
  });

  it("has derivatives that agree with central differences to second order", () => {
    let tested = 0;
    for (const sample of cases) {
      const graph = graphOf(prim, sample);
      if (!graph.outputAvals.some((a) => isFloat(a.dtype))) continue;
      const { kink } = interpretWithKink(graph, sample.inputs);
      // A zero among a product's factors is smooth; jumps and ties are not.
      if (kink < 1e-3) continue;
      if (!prim.jvp && prim.name === "stopGradient") continue;
      checkGraphGrads(graph, sample.inputs, { order: 2, tolerance: 2e-6 });
      tested++;
    }
    if (prim.jvp) expect(tested, `no sample of ${name} is away from its kinks`).toBeGreaterThan(0);
  });

  it("batches as a loop does, whichever operands are mapped", () => {
    for (const sample of cases) {
      const n = sample.inputs.length;
      const graph = graphOf(prim, sample);
      for (let bits = 1; bits < 2 ** n; bits++) {
        const mask = sample.inputs.map((_, i) => ((bits >> i) & 1) === 1);
        const inputs = sample.inputs.map((x, i) => (mask[i] ? stackLanes([x, other(x)]) : x));
        const { graph: batched, outMapped } = batchGraph(graph, mask, 2);
        checkGraph(batched);
        const want = [0, 1].map((lane) =>
          interpret(
            graph,
            inputs.map((x, i) => (mask[i] ? laneOf(x, lane) : x)),
          ),
        );
        const got = interpret(batched, inputs);
        got.forEach((y, k) => {
          // A result that does not depend on its operands (x ** 0) has no lanes.
          const expected = outMapped[k] ? stackLanes(want.map((w) => w[k]!)) : want[0]![k]!;
          assertClose(`${name} ${bits}`, [y], [expected], 1e-12);
        });
      }
    }
  });

  if (prim.lower) {
    it("lowers to other primitives with the same values", () => {
      for (const sample of cases) {
        const graph = buildGraph(sample.inputs.map(avalOf), (atoms) =>
          prim.lower!(atoms, sample.params),
        );
        checkGraph(graph);
        const want = interpret(graphOf(prim, sample), sample.inputs);
        assertClose(name, interpret(graph, sample.inputs), want, 1e-11);
      }
    });
  }
});
