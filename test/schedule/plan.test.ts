import { describe, expect, it } from "vitest";
import { DeviceError } from "../../src/core/errors.js";
import type { Atom } from "../../src/ir/graph.js";
import * as P from "../../src/prims/index.js";
import { constant, graphOf, matmul, planOf, target } from "./helpers.js";

describe("donation", () => {
  it("an update is written in place", () => {
    const g = graphOf([[64], [64]], (w, d) => [P.sub(w, d)]);
    expect(planOf(g, [true, false]).plan.results[0]!.donor).toBe(0);
    expect(planOf(g, [false, false]).plan.results[0]!.donor).toBeUndefined();
  });

  it("not where another point of the donated array is read", () => {
    const g = graphOf([[64]], (w) => [P.add(w, P.reverse(w, [0]))]);
    expect(planOf(g, [true]).plan.results[0]!.donor).toBeUndefined();
  });

  it("not where another kernel of the same dispatch reads it", () => {
    const g = graphOf([[64], [64]], (w, d) => [P.sub(w, d), P.reverse(P.sin(w), [0])]);
    const { plan, dispatches } = planOf(g, [true, false]);
    const readers = dispatches.filter((x) => x.groups.some((k) => k.reads.has(g.inputs[0]!)));
    expect(readers.length).toBeLessThanOrEqual(1);
    const update = plan.results.find((r) => r.donor === 0);
    // Side by side they must not share; one kernel that loads both elements first may not either.
    expect(update).toBeUndefined();
  });

  it("an operand of the product itself is not overwritten, one of its epilogue is", () => {
    const g = graphOf(
      [
        [64, 64],
        [64, 64],
        [64, 64],
      ],
      (a, b, w) => [P.sub(w, matmul(a, b))],
    );
    expect(planOf(g, [true, false, false]).plan.results[0]!.donor).toBeUndefined();
    expect(planOf(g, [false, false, true]).plan.results[0]!.donor).toBe(2);
  });

  it("each donated array is taken over once, and each result takes one", () => {
    const g = graphOf([[32], [32], [32]], (w, m, d) => {
      const m2 = P.add(P.mul(m, constant(0.9, [32])), d);
      return [P.sub(w, m2), m2];
    });
    const donors = planOf(g, [true, true, false]).plan.results.map((r) => r.donor);
    expect([...donors].sort()).toEqual([0, 1]);
  });

  it("an input that is returned as it is keeps its buffer", () => {
    const g = graphOf([[32]], (w) => [w, P.add(w, w)]);
    expect(planOf(g, [true]).plan.results.map((r) => r.donor)).toEqual([undefined]);
  });
});

describe("intermediates", () => {
  const chain = (n: number) =>
    graphOf([[64, 64]], (x) => {
      let y: Atom = x;
      for (let i = 0; i < n; i++) y = matmul(y, x);
      return [y];
    });

  it("reuse the memory of those that are no longer needed", () => {
    const bytes = 64 * 64 * 4;
    expect(planOf(chain(8)).plan.arena).toEqual([2 * bytes]);
    expect(planOf(chain(3)).plan.arena).toEqual([2 * bytes]);
  });

  it("never overlap while both are alive", () => {
    const g = graphOf(
      [
        [64, 64],
        [64, 128],
      ],
      (x, y) => {
        const a = matmul(x, y);
        const b = matmul(x, x);
        const c = matmul(b, y);
        const d = matmul(b, b);
        return [P.add(matmul(d, c), matmul(d, a))];
      },
    );
    const s = planOf(g);
    const places = [...s.plan.locations].flatMap(([v, at]) => {
      if (at.kind !== "arena") return [];
      const touched = s.dispatches.flatMap((x, i) =>
        x.groups.some((k) => k.reads.has(v) || k.vars.includes(v)) ? [i] : [],
      );
      const size = v.aval.shape.reduce((p, q) => p * q, 4);
      return [{ at, size, first: Math.min(...touched), last: Math.max(...touched) }];
    });
    expect(places.length).toBeGreaterThan(2);
    for (const [i, a] of places.entries()) {
      for (const b of places.slice(i + 1)) {
        const apart = a.last < b.first || b.last < a.first || a.at.chunk !== b.at.chunk;
        const beside = a.at.offset + a.size <= b.at.offset || b.at.offset + b.size <= a.at.offset;
        expect(apart || beside).toBe(true);
      }
    }
  });

  it("spread over several chunks where one binding is too small", () => {
    const small = { ...target, maxBindingBytes: 20000 };
    const { plan } = planOf(chain(8), [false], small);
    expect(plan.arena).toEqual([16384, 16384]);
  });

  it("an array that no buffer can hold is an error with the program's name and sizes", () => {
    const small = { ...target, maxBindingBytes: 1000, maxBufferBytes: 1000 };
    expect(() => planOf(chain(2), [false], small)).toThrow(DeviceError);
    expect(() => planOf(chain(2), [false], small)).toThrow(
      /test: .*float32\[64,64\].*16384 bytes.*1000/,
    );
    // Everything that takes memory, the largest first, each by what it is.
    expect(() => planOf(chain(8), [false], small)).toThrow(
      /largest arrays(.*\n)+.*16384 bytes {2}float32\[64,64\], (result of dotGeneral|argument leaf 0)\n(.*\n)*.*and 4 smaller/,
    );
  });
});
