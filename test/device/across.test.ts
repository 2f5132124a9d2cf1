/** Products of several lanes with an epilogue across them, against the same thing step by step. */
import { beforeAll, describe, expect, it } from "vitest";
import { aval, type Shape, sizeOf } from "../../src/core/aval.js";
import { currentGpu, init } from "../../src/device/index.js";
import { buildGraph } from "../../src/ir/builder.js";
import type { Atom } from "../../src/ir/graph.js";
import * as P from "../../src/prims/index.js";
import { compile } from "../../src/runtime/index.js";
import type { Schedule } from "../../src/schedule/index.js";
import { type ContractVariant, type EmitOptions, tilesOf } from "../../src/wgsl/index.js";
import { onDevice, randomArray } from "./compile-harness.js";

beforeAll(async () => {
  await init();
});

interface Case {
  readonly lanes: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly mapped: "both" | "left" | "right";
  /** The first operand lies by columns: gradients of weights do. */
  readonly columns?: boolean;
}

const shapesOf = ({ lanes, m, n, k, mapped, columns = false }: Case): readonly Shape[] => [
  [...(mapped === "right" ? [] : [lanes]), ...(columns ? [k, m] : [m, k])],
  [...(mapped === "left" ? [] : [lanes]), k, n],
];

/** The lanes' products, and the axis that counts them. */
function productOf(c: Case, a: Atom, b: Atom): { readonly product: Atom; readonly axis: number } {
  const depth = (c.mapped === "right" ? 0 : 1) + (c.columns ? 0 : 1);
  const product = P.dotGeneral(a, b, {
    contract: [[depth], [c.mapped === "left" ? 0 : 1]],
    batch: c.mapped === "both" ? [[0], [0]] : [[], []],
  });
  return { product, axis: c.mapped === "right" ? 1 : 0 };
}

function laneOf(x: Atom, axis: number, i: number): Atom {
  const { shape } = x.aval;
  const start = shape.map((_, d) => (d === axis ? i : 0));
  const limit = shape.map((size, d) => (d === axis ? i + 1 : size));
  return P.reshape(
    P.slice(x, start, limit),
    shape.filter((_, d) => d !== axis),
  );
}

/**
 * Two results, one of which reads the other: what an optimizer makes of gradients. Nothing that a
 * compiler may round in two ways.
 */
function consumer(x: Atom, axis: number, w: Atom, v: Atom): Atom[] {
  const lanes = Array.from({ length: x.aval.shape[axis]! }, (_, i) => laneOf(x, axis, i));
  const next = P.max(
    v,
    lanes.slice(1).reduce((a, b) => P.sub(a, b), lanes[0]!),
  );
  return [P.sub(w, next), next];
}

const spread = (row: Atom, like: Atom): Atom => {
  const { shape } = like.aval;
  return P.broadcastInDim(row, shape, [shape.length - 1]);
};

/** Runs both forms; what makes one dispatch must be bit for bit what several make. */
async function compare(c: Case, emit: EmitOptions, perLane: boolean): Promise<number> {
  const { m, n } = c;
  const shapes = [...shapesOf(c), [m, n], [m, n], [n]];
  const avals = shapes.map((s) => aval(s, "float32"));
  // Of every lane on its own: an epilogue before the one across lanes, wanted by the caller too.
  const each = (p: Atom, row: Atom) => (perLane ? P.max(p, spread(row, p)) : p);
  const fused = buildGraph(avals, ([a, b, w, v, row]) => {
    const { product, axis } = productOf(c, a!, b!);
    const x = each(product, row!);
    return [...consumer(x, axis, w!, v!), ...(perLane ? [x] : [])];
  });
  const first = buildGraph([avals[0]!, avals[1]!], ([a, b]) => [productOf(c, a!, b!).product]);
  const axis = c.mapped === "right" ? 1 : 0;
  const second = buildGraph([first.outputs[0]!.aval, ...avals.slice(2)], ([product, w, v, row]) => {
    const x = each(product!, row!);
    return [...consumer(x, axis, w!, v!), ...(perLane ? [x] : [])];
  });
  const inputs = avals.map(randomArray);
  const { contractVariant } = emit;
  const by = contractVariant === undefined ? {} : { emit: { contractVariant } };
  const [product] = await onDevice(first, inputs.slice(0, 2), by);
  const { shape, dtype } = first.outputs[0]!.aval;
  const want = await onDevice(second, [
    { shape, dtype, data: Float64Array.from(product as Float32Array) } as never,
    ...inputs.slice(2),
  ]);
  const got = await onDevice(fused, inputs, { emit });
  expect(got).toEqual(want);
  expect(got[0]!.length).toBe(sizeOf([m, n]));
  const program = compile(fused, { name: "x", donated: inputs.map(() => false), emit });
  return (program.executable.schedule as Schedule).dispatches.length;
}

const tileNames = (c: Case): readonly string[] => {
  const avals = [...shapesOf(c), [c.m, c.n], [c.m, c.n]].map((s) => aval(s, "float32"));
  const g = buildGraph(avals, ([a, b, w, v]) => {
    const { product, axis } = productOf(c, a!, b!);
    return consumer(product, axis, w!, v!);
  });
  const program = compile(g, { name: "x", donated: avals.map(() => false) });
  const s = program.executable.schedule as Schedule;
  const { tiles } = tilesOf(s, s.dispatches[0]!)!;
  const template = (tile: string) => tile.split(" ")[0];
  return tiles.filter((tile, i) => tiles.findIndex((t) => template(t) === template(tile)) === i);
};

describe("an epilogue across lanes", () => {
  const cases: readonly Case[] = [
    { lanes: 2, m: 33, n: 35, k: 21, mapped: "both" },
    { lanes: 3, m: 20, n: 36, k: 16, mapped: "left" },
    { lanes: 2, m: 40, n: 32, k: 16, mapped: "right", columns: true },
    { lanes: 4, m: 65, n: 7, k: 40, mapped: "right" },
    { lanes: 2, m: 64, n: 10, k: 32, mapped: "both", columns: true },
  ];

  it.each(cases)(
    "$lanes lanes of $m×$n×$k, $mapped mapped, by every template",
    { timeout: 120_000 },
    async (c) => {
      for (const tile of tileNames(c)) {
        expect(await compare(c, { tile }, false), tile).toBe(1);
      }
    },
  );

  it.each(["subgroup", "register"] as ContractVariant[])(
    "after one of each lane, which is a result too: %s",
    async (contractVariant) => {
      if (contractVariant === "subgroup" && ![4, 8, 16].includes(currentGpu("x").subgroupSize))
        return;
      for (const c of cases.slice(0, 3)) {
        expect(await compare(c, { contractVariant }, true)).toBe(1);
      }
    },
  );

  it("in workgroup memory", { timeout: 120_000 }, async () => {
    const c: Case = { lanes: 2, m: 33, n: 36, k: 24, mapped: "right" };
    expect(await compare(c, { contractVariant: "workgroup" }, false)).toBe(1);
  });

  it("does not write over what it reads elsewhere: the elements of a lane lie apart", async () => {
    const [m, n, k] = [64, 64, 32];
    const avals = [
      [m, k],
      [k, 2 * n],
      [m, n],
      [m, 2 * n],
    ].map((s) => aval(s, "float32"));
    const g = buildGraph(avals, ([a, b, w, d]) => {
      const x = P.dotGeneral(a!, b!, { contract: [[1], [0]], batch: [[], []] });
      const [left, right] = [0, n].map((at) => P.slice(x, [0, at], [m, at + n]));
      const first = P.slice(P.reshape(d!, [2 * m * n]), [0], [m * n]);
      return [P.max(x, d!), P.add(P.max(w!, P.sub(left!, right!)), P.reshape(first, [m, n]))];
    });
    const inputs = avals.map(randomArray);
    const want = await onDevice(g, inputs);
    const donated = [false, false, true, true];
    const program = compile(g, { name: "x", donated });
    expect((program.executable.schedule as Schedule).dispatches).toHaveLength(1);
    expect(await onDevice(g, inputs, { donated })).toEqual(want);
  });
});
