import { describe, expect, it } from "vitest";
import type { Atom, Graph } from "../../src/ir/graph.js";
import * as P from "../../src/prims/index.js";
import { graphOf, planOf } from "./helpers.js";

const product = (a: Atom, b: Atom): Atom =>
  P.dotGeneral(a, b, { contract: [[2], [1]], batch: [[0], [0]] });

const slab = (x: Atom, from: number, to: number): Atom => {
  const [, m, n] = x.aval.shape as [number, number, number];
  return P.slice(x, [from, 0, 0], [to, m, n]);
};
const lane = (x: Atom, i: number): Atom => P.reshape(slab(x, i, i + 1), x.aval.shape.slice(1));

/** Lanes of 64×48×32, and what is made of their product and an array of one lane's size. */
const program = (lanes: number, f: (product: Atom, w: Atom) => readonly Atom[]): Graph =>
  graphOf(
    [
      [lanes, 64, 32],
      [lanes, 32, 48],
      [64, 48],
    ],
    (a, b, w) => f(product(a, b), w),
  );

const kernels = (g: Graph) => planOf(g, [false, false, true]).dispatches.flatMap((d) => d.kernels);

describe("what reads the same point of every lane of a product", () => {
  it("is a part of its kernel, which stores no lane", () => {
    const [only, ...others] = kernels(
      program(2, (p, w) => [P.sub(w, P.add(lane(p, 0), lane(p, 1)))]),
    );
    expect(others).toEqual([]);
    if (only?.kind !== "contract") throw new Error("expected a contraction");
    expect(only.across).toMatchObject({ count: 2, axis: "batch" });
    expect(only.sizes).toEqual({ batch: 1, m: 64, n: 48, k: 32 });
    expect([...only.stores]).toEqual(only.across!.vars);
  });

  it("counts the lanes within the rows or columns of a product that shares an operand", () => {
    const g = graphOf(
      [
        [32, 64],
        [3, 32, 48],
      ],
      (a, b) => {
        const p = P.dotGeneral(a, b, { contract: [[0], [1]], batch: [[], []] });
        const part = (i: number) => P.reshape(P.slice(p, [0, i, 0], [64, i + 1, 48]), [64, 48]);
        return [P.max(part(2), P.sub(part(0), part(1)))];
      },
    );
    const [only, ...others] = kernels(g);
    expect(others).toEqual([]);
    expect(only).toMatchObject({ across: { count: 3, axis: "n" }, sizes: { m: 64, n: 48 } });
  });

  it("may come after what is computed of each lane, and be read by more of its kind", () => {
    const found = kernels(
      program(2, (p, w) => {
        const each = P.max(p, P.neg(p));
        const m = P.sub(lane(each, 1), lane(each, 0));
        return [each, m, P.mul(m, w)];
      }),
    );
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ stores: { size: 3 } });
  });

  it("is a kernel of its own at other points, of too many lanes, or of lanes that it feeds", () => {
    const across = (g: Graph) => kernels(g).filter((k) => k.kind === "contract" && k.across);
    const turned = program(2, (p, w) => [P.sub(P.reverse(lane(p, 0), [1]), P.add(lane(p, 1), w))]);
    expect(across(turned)).toEqual([]);
    const many = program(8, (p, w) => [P.add(lane(p, 7), P.mul(lane(p, 0), w))]);
    expect(across(many)).toEqual([]);
    // Of a result across lanes, spread over the lanes again.
    const spread = program(2, (p) => {
      const both = P.exp(P.add(lane(p, 0), lane(p, 1)));
      return [both, P.mul(p, P.broadcastInDim(both, p.aval.shape, [1, 2]))];
    });
    expect(across(spread)).toHaveLength(1);
    expect(kernels(spread)).toHaveLength(2);
  });

  it("may be written over an input that it reads at the same point", () => {
    const s = planOf(
      program(2, (p, w) => [P.sub(w, P.add(lane(p, 0), lane(p, 1)))]),
      [false, false, true],
    );
    expect(s.plan.results.map((r) => r.donor)).toEqual([2]);
    const moved = planOf(
      program(2, (p, w) => [P.sub(P.reverse(w, [0]), P.add(lane(p, 0), lane(p, 1)))]),
      [false, false, true],
    );
    expect(moved.dispatches).toHaveLength(1);
    expect(moved.plan.results.map((r) => r.donor)).toEqual([undefined]);
  });
});
