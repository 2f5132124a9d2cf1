/** Laws about the device: what runs is what the graph says, however it was fused. */
import { showAval } from "../../src/core/aval.js";
import { isFloat, type TypedArray } from "../../src/core/dtype.js";
import { type NdArray, ndarray } from "../../src/core/ndarray.js";
import { init } from "../../src/device/index.js";
import { bind, buildGraph } from "../../src/ir/builder.js";
import { evalGraph, inlineGraph } from "../../src/ir/eval.js";
import { type Atom, Graph, Lit } from "../../src/ir/graph.js";
import { graphKey, graphLits } from "../../src/ir/print.js";
import { mapSubGraphs } from "../../src/ir/subgraphs.js";
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

interface RunOptions {
  /** Give all inputs away. */
  readonly donate?: boolean;
  /** Inputs without axes are numbers of the host. */
  readonly hostScalars?: boolean;
  /** Branches are never selections of all results. */
  readonly guarded?: boolean;
  /** As for hardware: its schedules, and workgroups that share the terms of every reduction. */
  readonly hardware?: boolean;
  /** As on an adapter that binds 64 elements at once: larger arrays are seen in parts. */
  readonly narrow?: boolean;
}

/** Submit a run; the promise is for its results. */
function start(
  graph: Graph,
  inputs: readonly NdArray[],
  {
    donate = false,
    hostScalars = false,
    guarded = false,
    hardware = false,
    narrow = false,
  }: RunOptions = {},
): Promise<NdArray[]> {
  const onHost = inputs.map((x) => hostScalars && x.shape.length === 0);
  const program = compile(graph, {
    name: "law",
    donated: inputs.map((_, i) => donate && !onHost[i]),
    hostScalars: onHost,
    ...(guarded ? { branchLimit: 0 } : {}),
    ...(narrow ? { target: { maxBindingBytes: 256 } } : {}),
    ...(hardware ? { target: { software: false }, emit: { lanes: "team" } } : {}),
  });
  const arrays = inputs.map((x, i) => (onHost[i] ? x.data[0]! : toDevice(x)));
  const lits = graphLits(graph).map((x) => x.value);
  const outs = run(program, arrays, lits);
  const values = outs.map(async (y) => ndarray(y.aval.shape, y.aval.dtype, await y.read()));
  for (const x of [...arrays, ...outs]) if (typeof x !== "number") x.dispose();
  return Promise.all(values);
}

/** Run a graph on the device and read the results; inputs and outputs are disposed. */
export const runOnDevice = (graph: Graph, inputs: readonly NdArray[]): Promise<NdArray[]> =>
  start(graph, inputs);

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

function expectSame(what: string, got: readonly NdArray[], want: readonly NdArray[]): void {
  want.forEach((w, k) => {
    if (!w.data.every((x, i) => Object.is(x, got[k]!.data[i]))) {
      throw new Error(`${what}: output ${k} is [${got[k]!.data}], not bit for bit [${w.data}]`);
    }
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

/** The same structure with other constants and other inputs: the same executable runs it. */
function varied(p: RandomProgram, graph: Graph): [graph: Graph, inputs: readonly NdArray[]] {
  const other = (x: number): number => (x === 0 ? 0.375 : 0.75 * x);
  // 0 and 1 decide what simplifies: those stay as they are.
  const lit = (x: Atom): Atom =>
    x instanceof Lit && isFloat(x.aval.dtype) && ![0, 1, -1].includes(x.value)
      ? new Lit(x.aval, other(x.value))
      : x;
  const change = (g: Graph): Graph => {
    const eqns = g.eqns.map((e) => ({
      ...e,
      inputs: e.inputs.map(lit),
      params: mapSubGraphs(e.params, change),
    }));
    return new Graph(g.inputs, eqns, g.outputs.map(lit));
  };
  const inputs = p.inputs.map((x) =>
    isFloat(x.dtype) ? ndarray(x.shape, x.dtype, Array.from(x.data, other)) : x,
  );
  return [change(graph), inputs];
}

const floats = (p: RandomProgram): boolean[] => p.inputs.map((x) => isFloat(x.dtype));

/** The gradients of a program for some lanes of every other input. */
function vmappedGradient(p: RandomProgram, lanes = 2): [graph: Graph, inputs: readonly NdArray[]] {
  const mask = p.inputs.map((x, i) => isFloat(x.dtype) && i % 2 === 0);
  if (!mask.some((m) => m)) discard("nothing mapped");
  const { graph } = batchGraph(gradGraph(lossOf(p.graph), floats(p)), mask, lanes);
  const inputs = p.inputs.map((x, i) =>
    mask[i]
      ? ndarray(
          [lanes, ...x.shape],
          x.dtype,
          Array.from({ length: lanes }, (_, l) =>
            Array.from(x.data, (v) => (l === 0 ? v : v * 0.5 ** l + 0.0625 * l)),
          ).flat(),
        )
      : x,
  );
  return [optimise(graph), inputs];
}

/** The device's laws; opens the device. */
export async function deviceLaws(): Promise<readonly Law[]> {
  await init();
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
        const [graph, inputs] = vmappedGradient(p);
        return expectDevice("vmapped gradient", graph, inputs);
      },
    },
    {
      name: "8. device as hardware = reference for gradients",
      async check(p) {
        const graph = optimise(gradGraph(lossOf(p.graph), floats(p)));
        const want = reference(graph, p.inputs);
        const outs = await start(graph, p.inputs, { hardware: true });
        expectWithin("as hardware", outs, want, errorBound(graph, p.inputs));
      },
    },
    {
      name: "8. device = reference for vmapped gradients of arrays larger than a binding",
      async check(p) {
        const [graph, inputs] = vmappedGradient(p, 24);
        const want = reference(graph, inputs);
        let outs: NdArray[];
        try {
          outs = await start(graph, inputs, { donate: true, narrow: true });
        } catch (error) {
          if (String(error).includes("more bindings than there are")) discard("too narrow");
          throw error;
        }
        expectWithin("in parts", outs, want, errorBound(graph, inputs));
      },
    },
    {
      name: "8. branches by guards = branches by selection",
      async check(p) {
        const graph = optimise(gradGraph(lossOf(p.graph), floats(p)));
        if (!graph.eqns.some((eqn) => eqn.prim.kind === "structured")) discard("no control flow");
        const want = reference(graph, p.inputs);
        const outs = await start(graph, p.inputs, { guarded: true });
        expectWithin("guarded", outs, want, errorBound(graph, p.inputs));
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
      name: "8. results in the place of donated inputs are right",
      async check(p) {
        // The gradients come out in the shapes of the inputs: there is something to take over.
        const graph = optimise(gradGraph(lossOf(p.graph), floats(p)));
        const both = buildGraph(graph.inputAvals, (ins) => [
          ...inlineGraph(graph, ins),
          ...inlineGraph(optimise(p.graph), ins),
        ]);
        const want = reference(both, p.inputs);
        const bounds = errorBound(both, p.inputs);
        expectWithin("donated", await start(both, p.inputs, { donate: true }), want, bounds);
      },
    },
    {
      name: "8. runs of one program do not disturb each other, and constants are data",
      async check(p) {
        const graph = optimise(p.graph);
        const [other, otherInputs] = varied(p, graph);
        if (graphKey(other) !== graphKey(graph)) throw new Error("the structures differ");
        const want = reference(graph, p.inputs);
        const otherWant = reference(other, otherInputs);
        // Nothing is awaited between the runs.
        const runs = [
          start(graph, p.inputs),
          start(other, otherInputs, { hostScalars: true }),
          start(other, otherInputs),
          start(graph, p.inputs, { hostScalars: true }),
          start(graph, p.inputs),
        ];
        const [a, b, c, d, e] = (await Promise.all(runs)) as [NdArray[], ...NdArray[][]];
        const bounds = errorBound(graph, p.inputs);
        const otherBounds = errorBound(other, otherInputs);
        expectWithin("the first run", a, want, bounds);
        expectWithin("other constants, scalars from the host", b!, otherWant, otherBounds);
        expectWithin("other constants", c!, otherWant, otherBounds);
        expectWithin("scalars from the host", d!, want, bounds);
        expectSame("the last run", e!, a);
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
