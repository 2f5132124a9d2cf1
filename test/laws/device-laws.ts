/** Laws about the device: what runs is what the graph says, however it was fused. */
import { showAval } from "../../src/core/aval.js";
import { isFloat, type TypedArray } from "../../src/core/dtype.js";
import { type NdArray, ndarray } from "../../src/core/ndarray.js";
import { init } from "../../src/index.js";
import { bind, buildGraph } from "../../src/ir/builder.js";
import { evalGraph } from "../../src/ir/eval.js";
import type { Graph } from "../../src/ir/graph.js";
import { graphLits } from "../../src/ir/print.js";
import { optimise } from "../../src/optimise/index.js";
import { interpretWithKink } from "../../src/reference/interpret.js";
import { errorBound } from "../../src/reference/perturb.js";
import {
  type ConcreteArray,
  compile,
  fromHost,
  memoryStats,
  run,
} from "../../src/runtime/index.js";
import type { RandomProgram } from "../../src/testing/index.js";
import { batchGraph, gradGraph } from "../../src/transform/index.js";
import { discard, type Law, lossOf } from "./laws.js";

const KINK = 1e-3;

export function toDevice(x: NdArray): ConcreteArray {
  const typed: TypedArray = x.dtype === "float32" ? Float32Array.from(x.data) : x.data.slice();
  return fromHost(typed, { shape: x.shape, dtype: x.dtype });
}

/** Run a graph on the device and read the results; inputs and outputs are disposed. */
export async function runOnDevice(graph: Graph, inputs: readonly NdArray[]): Promise<NdArray[]> {
  const program = compile(graph, {
    name: "law",
    donated: inputs.map(() => false),
    hostScalars: inputs.map(() => false),
  });
  const arrays = inputs.map(toDevice);
  const lits = graphLits(graph).map((x) => x.value);
  const outs = run(program, arrays, lits);
  const values = await Promise.all(
    outs.map(async (y) => ndarray(y.aval.shape, y.aval.dtype, await y.read())),
  );
  for (const x of [...arrays, ...outs]) x.dispose();
  return values;
}

function reference(graph: Graph, inputs: readonly NdArray[]): NdArray[] {
  const { outputs, kink } = interpretWithKink(graph, inputs);
  if (kink < KINK) discard("near a kink");
  for (const y of outputs) {
    if (isFloat(y.dtype) && !y.data.every((v) => Math.abs(v) < 1e6)) discard("large values");
  }
  return outputs;
}

export function expectWithin(
  what: string,
  got: readonly NdArray[],
  want: readonly NdArray[],
  bounds: readonly NdArray[],
): void {
  want.forEach((w, k) => {
    const g = got[k]!;
    if (showAval(g) !== showAval(w)) {
      throw new Error(`${what}: output ${k} is ${showAval(g)}, not ${showAval(w)}`);
    }
    w.data.forEach((x, i) => {
      const y = g.data[i]!;
      // Results below the normal range may be flushed to zero.
      const allowed = isFloat(w.dtype) ? bounds[k]!.data[i]! + 2 ** -126 : 0;
      if (!(Math.abs(y - x) <= allowed)) {
        throw new Error(
          `${what}: output ${k} element ${i} is ${y} on the device, ${x} in the reference, ` +
            `allowed difference ${allowed}`,
        );
      }
    });
  });
}

async function expectDevice(what: string, graph: Graph, inputs: readonly NdArray[]): Promise<void> {
  const want = reference(graph, inputs);
  const bounds = errorBound(graph, inputs);
  expectWithin(what, await runOnDevice(graph, inputs), want, bounds);
}

/** Every equation as a program of its own. */
async function runUnfused(graph: Graph, inputs: readonly NdArray[]): Promise<NdArray[]> {
  const pending = evalGraph<Promise<NdArray>>(
    graph,
    inputs.map((x) => Promise.resolve(x)),
    async (x) => ndarray([], x.aval.dtype, x.value),
    (eqn, ins) => {
      const one = buildGraph(
        eqn.inputs.map((x) => x.aval),
        (atoms) => bind(eqn.prim, atoms, eqn.params),
      );
      const outs = Promise.all(ins).then((values) => runOnDevice(one, values));
      return eqn.outputs.map(async (_, i) => (await outs)[i]!);
    },
  );
  return Promise.all(pending);
}

/** The device's laws; opens the device. */
export async function deviceLaws(): Promise<readonly Law[]> {
  await init();
  const floats = (p: RandomProgram): boolean[] => p.inputs.map((x) => isFloat(x.dtype));
  return [
    {
      name: "8. device = reference",
      check: (p) => expectDevice("program", optimise(p.graph), p.inputs),
    },
    {
      name: "8. device = reference for gradients",
      check: (p) =>
        expectDevice("gradient", optimise(gradGraph(lossOf(p.graph), floats(p))), p.inputs),
    },
    {
      name: "8. device = reference for vmapped gradients",
      check(p) {
        const mask = p.inputs.map((x, i) => isFloat(x.dtype) && i % 2 === 0);
        if (!mask.some((m) => m)) discard("nothing mapped");
        const { graph } = batchGraph(gradGraph(lossOf(p.graph), floats(p)), mask, 2);
        const inputs = p.inputs.map((x, i) =>
          mask[i]
            ? ndarray([2, ...x.shape], x.dtype, [
                ...Array.from(x.data),
                ...Array.from(x.data, (v) => v * 0.5 + 0.0625),
              ])
            : x,
        );
        return expectDevice("vmapped gradient", optimise(graph), inputs);
      },
    },
    {
      name: "8. fused = unfused",
      async check(p) {
        if (p.graph.eqns.length > 40) discard("large for one program an equation");
        const graph = optimise(p.graph);
        reference(graph, p.inputs);
        const bounds = errorBound(graph, p.inputs).map((b) => ({
          ...b,
          data: (b.data as Float64Array).map((x) => 2 * x),
        }));
        const fused = await runOnDevice(graph, p.inputs);
        const unfused = await runUnfused(graph, p.inputs);
        expectWithin("fused", fused, unfused, bounds);
      },
    },
    {
      name: "8. no live buffer remains after disposal",
      async check(p) {
        const before = memoryStats().liveTensors;
        await runOnDevice(optimise(p.graph), p.inputs);
        const after = memoryStats().liveTensors;
        if (after !== before) throw new Error(`${after - before} tensors are still live`);
      },
    },
  ];
}
