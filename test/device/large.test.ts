/** Arrays larger than a binding, on a device that is told to bind 4 KiB at once. */
import { beforeAll, describe, expect, it } from "vitest";
import { aval } from "../../src/core/aval.js";
import { DeviceError } from "../../src/core/errors.js";
import { init } from "../../src/device/index.js";
import { grad, makeGraph, ones, scan, type Tensor } from "../../src/index.js";
import { buildGraph, lit } from "../../src/ir/builder.js";
import type { Atom, Graph, Var } from "../../src/ir/graph.js";
import * as P from "../../src/prims/index.js";
import { explainProgram } from "../../src/runtime/explain.js";
import { type CompileOptions, compile, counters, run } from "../../src/runtime/index.js";
import { onDevice, randomArray, toDevice } from "./compile-harness.js";

const target = { maxBindingBytes: 4096 };
const [rows, columns] = [64, 68];

/** A program of float32 arrays. */
const graphOf = (shapes: readonly (readonly number[])[], f: (...x: Var[]) => Atom[]): Graph =>
  buildGraph(
    shapes.map((s) => aval(s, "float32")),
    (inputs) => f(...inputs),
  );
const spread = (x: Atom): Atom => P.broadcastInDim(x, [rows, columns], [0]);
const product = (a: Atom, b: Atom, lanes: readonly number[] = []): Atom =>
  P.dotGeneral(a, b, {
    contract: [[1 + lanes.length], [lanes.length]],
    batch: [lanes, lanes],
  });
const x = [rows, columns];

/** What a kernel sees of its large arrays: one binding a part, or several at once. */
type Seen = "one binding" | "several bindings";

const programs: Record<string, readonly [seen: Seen, graph: Graph]> = {
  "elementwise chain": [
    "one binding",
    graphOf([x, x], (a, b) => [P.add(P.mul(a!, b!), P.sin(a!))]),
  ],
  "sums of rows": ["one binding", graphOf([x], (a) => [P.reduceSum(a!, [1])])],
  "sums of columns": ["several bindings", graphOf([x], (a) => [P.reduceSum(a!, [0])])],
  "the sum of all": ["one binding", graphOf([x], (a) => [P.reduceSum(a!, [0, 1])])],
  softmax: [
    "one binding",
    graphOf([x], (a) => {
      const e = P.exp(P.sub(a!, spread(P.reduceMax(a!, [1]))));
      return [P.div(e, spread(P.reduceSum(e, [1])))];
    }),
  ],
  "a transpose": [
    "several bindings",
    graphOf([x, [columns, rows]], (a, b) => [P.add(P.transpose(a!, [1, 0]), b!)]),
  ],
  "rows in reverse": ["one binding", graphOf([x], (a) => [P.reverse(a!, [0])])],
  "zeros around": [
    "one binding",
    graphOf([x], (a) => [P.pad(a!, lit(0, "float32"), [3, 0], [5, 7])]),
  ],
  "one after the other": [
    "one binding",
    graphOf([x, x], (a, b) => [P.concatenate([P.neg(a!), b!], 0)]),
  ],
  "the number of the row": [
    "one binding",
    graphOf([x], (a) => [P.add(a!, P.convert(P.iota("int32", x, 0), "float32"))]),
  ],
  "products of lanes": [
    "one binding",
    graphOf(
      [
        [8, 32, 24],
        [8, 24, 40],
      ],
      (a, b) => [product(a!, b!, [0])],
    ),
  ],
  "a product of many rows": [
    "one binding",
    graphOf(
      [
        [128, 32],
        [32, 28],
      ],
      (a, b) => [P.tanh(product(a!, b!))],
    ),
  ],
  "a product by a large matrix": [
    "several bindings",
    graphOf(
      [
        [16, 32],
        [32, 100],
      ],
      (a, b) => [product(a!, b!)],
    ),
  ],
};

const donatingNothing = (g: Graph): CompileOptions => ({
  name: "test",
  donated: g.inputs.map(() => false),
  target,
});

beforeAll(async () => {
  await init();
});

/** Runs it in parts, whose dispatches are those that explain tells, to the same values. */
async function runInParts(graph: Graph) {
  const inputs = graph.inputAvals.map(randomArray);
  const whole = await onDevice(graph, inputs);
  const before = counters.dispatches;
  expect(await onDevice(graph, inputs, { target })).toEqual(whole);
  const explained = explainProgram(compile(graph, donatingNothing(graph)));
  expect(explained.dispatches).toBe(counters.dispatches - before);
  return { explained, parts: explained.kernels.flatMap((k) => (k.part ? [k.part] : [])) };
}

describe("an array larger than a binding", () => {
  it.each(Object.entries(programs))("%s, bit for bit", async (_, [seen, graph]) => {
    const { parts } = await runInParts(graph);
    expect(parts.length).toBeGreaterThan(0);
    expect(parts[0]!.why).toMatch(/float32\[.*\] takes .* KiB, and this adapter binds 4 KiB/);
    expect(parts.filter((p) => p.index === 0).length).toBe(
      parts.filter((p) => p.index === p.count - 1).length,
    );
    if (seen === "one binding") expect(parts.every((p) => p.bindings === 1)).toBe(true);
    else expect(parts.some((p) => p.bindings > 1)).toBe(true);
  });

  it("lanes of a product are a dispatch for some of them each, of one shader", () => {
    const [, graph] = programs["products of lanes"]!;
    const { kernels } = explainProgram(compile(graph, donatingNothing(graph)));
    // [32, 40] floats take 5120 bytes: a lane is too much already, half of one is not.
    expect(kernels.map((k) => k.part?.count)).toEqual(new Array(16).fill(16));
    expect(new Set(kernels.map((k) => k.wgsl)).size).toBe(1);
    const once = explainProgram(compile(graph, { ...donatingNothing(graph), target: {} }));
    expect(once.kernels.map((k) => k.part)).toEqual([undefined]);
    const sum = (f: (k: (typeof kernels)[number]) => number) =>
      kernels.reduce((n, k) => n + f(k), 0);
    expect(sum((k) => k.flops)).toBe(once.kernels[0]!.flops);
  });

  it("is what a loop reads and keeps slices of, and its gradient", async () => {
    // Stacks of 40 rows of 64, 10 KiB: what goes in, what comes out, and what the gradient needs.
    const total = (start: Tensor, xs: Tensor): Tensor => {
      const [end, ys] = scan(
        (carry: Tensor, x: Tensor) => {
          const next = carry.mul(0.5).add(x).sin();
          return [next, next.mul(x)];
        },
        start,
        xs,
      );
      return end.sum().add(ys.square().sum());
    };
    const graph = makeGraph(grad(total, { argnums: [0, 1] }))(ones([64]), ones([40, 64]));
    const { explained, parts } = await runInParts(graph);
    expect(explained.loops!.length).toBeGreaterThan(1);
    expect(parts.some((p) => p.bindings > 1 && /is a slice of 10 KiB/.test(p.why))).toBe(true);
  });

  it("takes the place of a donated one", async () => {
    const graph = graphOf([x, x], (w, g) => [P.sub(w!, P.mul(g!, g!))]);
    const inputs = graph.inputAvals.map(randomArray);
    const program = compile(graph, { name: "test", donated: [true, false], target });
    const arrays = inputs.map(toDevice);
    const { buffer } = arrays[0]!;
    const [y] = run(program, arrays, []);
    expect(y!.buffer).toBe(buffer);
    expect([await y!.read()]).toEqual(await onDevice(graph, inputs));
  });

  const taken = buildGraph([aval(x, "float32"), aval([20], "int32")], ([a, i]) => [
    P.gather(a!, i!, { axis: 0, batch: 0 }),
  ]);

  it("is read by index through as many bindings as it takes", async () => {
    const graph = taken;
    const inputs = graph.inputAvals.map(randomArray);
    for (const at of inputs[1]!.data.keys()) inputs[1]!.data[at] = (at * 37) % rows;
    expect(await onDevice(graph, inputs, { target })).toEqual(await onDevice(graph, inputs));
  });

  it("that takes more bindings than there are is an error with the operation, shapes and advice", () => {
    const narrow = { ...donatingNothing(taken), target: { maxBindingBytes: 1024 } };
    const compiled = () => compile(taken, narrow);
    expect(compiled).toThrow(DeviceError);
    expect(compiled).toThrow(
      /test: gather of float32\[20,68\].*at most 1024 bytes at once(.*\n)*.*batchSize(.*\n)*.*17408 bytes {2}float32\[64,68\], argument leaf 0/,
    );
  });
});
