/** Trees of many arrays: how many dispatches an update takes, and where its state lies. */
import { describe, expect, it } from "vitest";
import type { Shape } from "../../src/core/aval.js";
import type { Atom, Graph } from "../../src/ir/graph.js";
import * as P from "../../src/prims/index.js";
import { emitDispatch } from "../../src/wgsl/index.js";
import { constant, graphOf, planOf, target } from "./helpers.js";

/** The shapes of a residual network's leaves: weights of many sizes, and pairs of short vectors. */
const leafShapes = (n: number, scale = 1): Shape[] =>
  Array.from({ length: n }, (_, i): Shape => {
    const width = 8 * (1 + (i % 7)) * scale;
    return i % 3 === 0 ? [3, 3, width, 16] : [width];
  });

/** w, m and g over all leaves, to w − lr·m' and m' = μ·m + g. */
function momentum(shapes: readonly Shape[]): Graph {
  const n = shapes.length;
  return graphOf([...shapes, ...shapes, ...shapes], (...xs) => {
    const next = shapes.map((s, i) => P.add(P.mul(xs[n + i]!, constant(0.9, s)), xs[2 * n + i]!));
    const moved = shapes.map((s, i) => P.sub(xs[i]!, P.mul(next[i]!, constant(0.1, s))));
    return [...moved, ...next];
  });
}

const norm = (shapes: readonly Shape[]): Graph =>
  graphOf(shapes, (...xs) => {
    const sums = xs.map((x) =>
      P.reduceSum(
        P.mul(x, x),
        x.aval.shape.map((_, axis) => axis),
      ),
    );
    return [P.sqrt(sums.reduce((a: Atom, b) => P.add(a, b)))];
  });

const donate = (n: number, of: number): boolean[] => Array.from({ length: of }, (_, i) => i < n);

describe("a tree's update", () => {
  it("is one dispatch for any number of donated leaves, in place, in one buffer", () => {
    for (const n of [8, 62, 200]) {
      const s = planOf(momentum(leafShapes(n)), donate(2 * n, 3 * n));
      expect(s.dispatches).toHaveLength(1);
      expect(s.plan.state).toHaveLength(1);
      expect(s.plan.state[0]!.members.map((m) => m.input)).toEqual(
        Array.from({ length: 2 * n }, (_, i) => i),
      );
      expect(s.plan.after).toEqual([]);
      expect(s.plan.results).toEqual([]);
      // Every result lies where the input that it updates lay.
      s.outputs.forEach((o, i) => {
        if (o.kind !== "stored") throw new Error("stored");
        const { offset } = s.plan.state[0]!.members[i]!;
        expect(o.at).toEqual({ kind: "state", block: 0, offset });
      });
    }
  });

  it("knows an update by what it is computed from, in whatever order results come", () => {
    const shapes = leafShapes(6);
    const g = graphOf([...shapes, ...shapes, ...shapes], (...xs) => {
      const next = shapes.map((s, i) => P.add(P.mul(xs[6 + i]!, constant(0.9, s)), xs[12 + i]!));
      return [...next, ...shapes.map((_, i) => P.sub(xs[i]!, next[i]!))];
    });
    const s = planOf(g, donate(12, 18));
    const offsets = s.outputs.map((o) => o.kind === "stored" && "offset" in o.at && o.at.offset);
    const members = s.plan.state[0]!.members.map((m) => m.offset);
    expect(offsets).toEqual([...members.slice(6), ...members.slice(0, 6)]);
  });

  it("is a shader whose length does not grow with the leaves", () => {
    const lines = [14, 62, 200].map((n) => {
      const s = planOf(momentum(leafShapes(n)), donate(2 * n, 3 * n));
      return emitDispatch(s, s.dispatches[0]!).wgsl.split("\n").length;
    });
    expect(lines[2]).toBe(lines[1]);
    expect(lines[2]).toBeLessThan(lines[0]! * 1.2);
  });

  it("without donation copies what is small and binds what is large", () => {
    const small = planOf(momentum(leafShapes(62)));
    expect(small.dispatches).toHaveLength(1);
    expect(small.plan.before).toHaveLength(3 * 62);
    expect(small.plan.after).toHaveLength(2 * 62);
    const large = planOf(momentum(leafShapes(12, 4000)));
    expect(large.plan.before).toEqual([]);
    expect(large.dispatches.length).toBeGreaterThan(4);
  });

  it("of a few arrays keeps each in its own buffer", () => {
    const s = planOf(momentum(leafShapes(2)), donate(4, 6));
    expect(s.plan.state).toEqual([]);
    expect(s.plan.results.map((r) => r.donor).sort()).toEqual([0, 1, 2, 3]);
  });

  it("takes several blocks where one binding is too small for all", () => {
    const shapes = leafShapes(30);
    const g = momentum(shapes);
    const small = { ...target, maxBindingBytes: 2 ** 17 };
    const s = planOf(g, donate(60, 90), small);
    expect(s.plan.state.length).toBeGreaterThan(1);
    for (const { bytes } of s.plan.state) expect(bytes).toBeLessThanOrEqual(2 ** 17);
  });

  it("copies a result to its place where that is still read when it is written", () => {
    // The count is read by every leaf's update, and replaced in the same dispatch.
    const shapes = leafShapes(8);
    const g = graphOf([[1], ...shapes], (count, ...xs) => [
      P.add(count!, constant(1, [1])),
      ...shapes.map((s, i) => P.mul(xs[i]!, P.broadcastInDim(P.reshape(count!, []), s, []))),
    ]);
    const s = planOf(g, donate(9, 9));
    expect(s.plan.state[0]!.members).toHaveLength(9);
    expect(s.plan.after.length).toBeLessThanOrEqual(1);
    for (const { to } of s.plan.after) expect(to).toMatchObject({ kind: "state", offset: 0 });
  });
});

describe("a tree's norm", () => {
  it("is three dispatches for any number of leaves", () => {
    for (const n of [62, 200]) {
      const s = planOf(norm(leafShapes(n)));
      expect(s.dispatches.length).toBeLessThanOrEqual(4);
      const lines = s.dispatches.map((d) => emitDispatch(s, d).wgsl.split("\n").length);
      expect(Math.max(...lines)).toBeLessThan(1000);
    }
  });
});
