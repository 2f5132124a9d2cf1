import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sizeOf } from "../../src/core/aval.js";
import { isFloat } from "../../src/core/dtype.js";
import type { Atom } from "../../src/ir/graph.js";
import { optimise } from "../../src/optimise/index.js";
import * as P from "../../src/prims/index.js";
import { program } from "../../src/testing/arbitraries.js";
import { gradGraph } from "../../src/transform/index.js";
import { lossOf } from "../laws/laws.js";
import { constant, fusedOf, graphOf, matmul, planOf, target } from "./helpers.js";

const rows = (x: Atom, shape: readonly number[]) => P.broadcastInDim(x, shape, [0]);

describe("expressions", () => {
  it("a chain of elementwise operations and views is one kernel", () => {
    const g = graphOf([[6, 8]], (x) => [
      P.reshape(P.transpose(P.exp(P.add(x, constant(1, [6, 8]))), [1, 0]), [2, 24]),
    ]);
    expect(fusedOf(planOf(g))).toEqual([["add", "exp", "transpose"]]);
  });

  it("padding a sum is one kernel (with the padding outside of the sum)", () => {
    const g = graphOf([[5]], (x) => [
      P.pad(P.add(x, constant(1, [5])), P.convert(constant(0, []), "float32"), [1], [2]),
    ]);
    expect(fusedOf(planOf(g))).toEqual([["add", "pad"]]);
  });

  it("a network that doubles its expression at every step does not explode", () => {
    const g = graphOf([[256]], (x) => {
      let y: Atom = x;
      for (let i = 0; i < 24; i++) y = P.max(y, P.reverse(P.sin(y), [0]));
      return [y];
    });
    const s = planOf(g);
    expect(s.dispatches.length).toBeGreaterThan(2);
    expect(s.dispatches.length).toBeLessThan(24);
  });

  it("an expensive value that a broadcast would recompute is stored once", () => {
    const g = graphOf([[64], [64, 512]], (x, y) => {
      const heavy = P.erfInv(P.tanh(P.sin(x)));
      return [P.mul(y, rows(heavy, [64, 512]))];
    });
    expect(planOf(g).dispatches).toHaveLength(2);
    const cheap = graphOf([[64], [64, 512]], (x, y) => [
      P.mul(y, rows(P.add(x, constant(1, [64])), [64, 512])),
    ]);
    expect(planOf(cheap).dispatches).toHaveLength(1);
  });

  it("kernels of more buffers than the adapter binds are split", () => {
    const small = { ...target, maxStorageBuffers: 8 };
    const sum = graphOf(
      Array.from({ length: 30 }, () => [20_000]),
      (...xs) => [xs.reduce((a: Atom, b) => P.add(a, b))],
    );
    const join = graphOf(
      Array.from({ length: 30 }, () => [20_000]),
      (...xs) => [P.concatenate(xs, 0)],
    );
    for (const g of [sum, join]) {
      const s = planOf(g, [], small);
      expect(s.dispatches.length).toBeGreaterThan(3);
      for (const d of s.dispatches) {
        const bound = new Set(d.groups.flatMap((k) => [...k.reads.keys(), ...k.vars]));
        expect(bound.size).toBeLessThanOrEqual(small.maxStorageBuffers);
      }
    }
  });
});

describe("reductions", () => {
  const shape = [512, 16] as const;
  const softmax = (x: Atom): Atom[] => {
    const m = P.reduceMax(x, [1]);
    const e = P.exp(P.sub(x, rows(m, shape)));
    const s = P.reduceSum(e, [1]);
    return [P.div(e, rows(s, shape)), P.log(s)];
  };

  it("softmax is one kernel: dependent reductions, then a loop over the row", () => {
    const s = planOf(graphOf([[...shape]], (x) => softmax(x)));
    expect(s.dispatches).toHaveLength(1);
    const [kernel] = s.dispatches[0]!.kernels;
    expect(kernel).toMatchObject({ kind: "loop", size: 512 });
    expect(kernel?.kind === "loop" && kernel.inner?.vars).toHaveLength(1);
  });

  it("reductions of the same elements are one kernel", () => {
    const g = graphOf(
      [
        [300, 40],
        [300, 40],
      ],
      (x, y) => [P.reduceSum(P.mul(x, x), [1]), P.reduceSum(P.mul(x, y), [1])],
    );
    const s = planOf(g);
    expect(s.dispatches).toHaveLength(1);
    expect(s.dispatches[0]!.kernels).toHaveLength(1);
  });

  it("a long reduction to one value is a tree", () => {
    const s = planOf(graphOf([[2 ** 20]], (x) => [P.reduceSum(x, [0])]));
    expect(s.dispatches.length).toBeGreaterThanOrEqual(2);
    expect(s.dispatches[0]!.kernels[0]!.size).toBeGreaterThanOrEqual(256);
  });

  it("norms of many arrays are two dispatches: all partial sums, then all the rest", () => {
    const g = graphOf([[64, 64], [100, 100], [5000]], (...xs) => [
      P.sqrt(
        xs
          .map((x) =>
            P.reduceSum(
              P.mul(x, x),
              x.aval.shape.map((_, i) => i),
            ),
          )
          .reduce((a, b) => P.add(a, b)),
      ),
    ]);
    expect(planOf(g).dispatches).toHaveLength(2);
  });
});

describe("contractions", () => {
  const shapes = [[64, 32], [32, 48], [48]] as const;

  it("bias, activation and its mask join the product", () => {
    const g = graphOf(shapes, (x, w, b) => {
      const z = P.add(matmul(x, w), P.broadcastInDim(b, [64, 48], [1]));
      return [P.max(z, constant(0, [64, 48])), P.gt(z, constant(0, [64, 48]))];
    });
    const s = planOf(g);
    expect(s.dispatches).toHaveLength(1);
    const stores = s.dispatches[0]!.kernels[0]!.stores;
    expect([...stores].map((v) => v.aval.dtype)).toEqual(["float32", "bool"]);
  });

  it("what needs the product through another kernel does not join it", () => {
    const g = graphOf(
      [
        [64, 32],
        [32, 512],
      ],
      (x, w) => {
        const z = matmul(x, w);
        return [P.sub(z, rows(P.reduceMax(z, [1]), [64, 512]))];
      },
    );
    const s = planOf(g);
    expect(s.dispatches[0]!.kernels[0]!.kind).toBe("contract");
    expect(s.dispatches[0]!.kernels[0]!.vars).toHaveLength(1);
    expect(s.dispatches.length).toBeGreaterThan(1);
  });

  it("views of operands cost nothing, arithmetic is stored first", () => {
    const view = graphOf(
      [
        [32, 64],
        [3, 32, 48],
      ],
      (x, w) => [
        P.dotGeneral(P.broadcastInDim(P.transpose(x, [1, 0]), [3, 64, 32], [1, 2]), w, {
          contract: [[2], [1]],
          batch: [[0], [0]],
        }),
      ],
    );
    expect(planOf(view).dispatches).toHaveLength(1);
    const sum = graphOf(
      [
        [64, 32],
        [32, 48],
      ],
      (x, w) => [matmul(P.add(x, constant(1, [64, 32])), w)],
    );
    expect(planOf(sum).dispatches).toHaveLength(2);
  });

  it("a product that is only used transposed takes the update of its weight along", () => {
    const g = graphOf(
      [
        [128, 64],
        [128, 48],
        [64, 48],
      ],
      (x, ct, w) => {
        const dw = P.transpose(
          P.dotGeneral(ct, x, { contract: [[0], [0]], batch: [[], []] }),
          [1, 0],
        );
        return [P.sub(w, P.mul(dw, constant(0.1, [64, 48])))];
      },
    );
    expect(fusedOf(planOf(g))).toEqual([["dotGeneral", "mul", "sub"]]);
  });

  it("small and integer products become sums that fuse", () => {
    const g = graphOf([[3, 4], [4]], (x, y) => [
      P.exp(P.dotGeneral(x, y, { contract: [[1], [0]], batch: [[], []] })),
    ]);
    expect(fusedOf(planOf(g))).toEqual([["mul", "reduceSum", "exp"]]);
  });
});

describe("dispatches", () => {
  it("independent kernels share one", () => {
    const g = graphOf([[100], [7, 9], [33]], (a, b, c) => [
      P.exp(a),
      P.reduceSum(b, [0]),
      P.reverse(c, [0]),
    ]);
    const s = planOf(g);
    expect(s.dispatches).toHaveLength(1);
    expect(s.dispatches[0]!.kernels).toHaveLength(3);
  });

  it("nothing is dispatched for reshapes, inputs, constants and empty arrays", () => {
    const g = graphOf(
      [
        [4, 6],
        [0, 3],
      ],
      (x, none) => [P.reshape(x, [24]), x, P.add(none, none), constant(2, [])],
    );
    expect(planOf(g).dispatches).toHaveLength(0);
  });

  it("every variable is computed once and stored where others need it", () => {
    const g = graphOf(
      [
        [64, 32],
        [32, 48],
        [48, 40],
      ],
      (x, a, b) => {
        const h = P.tanh(matmul(x, a));
        const y = matmul(h, b);
        return [y, P.reduceSum(P.mul(h, h), [0, 1])];
      },
    );
    const s = planOf(g);
    const written = s.dispatches.flatMap((d) => d.kernels.flatMap((k) => [...k.stores]));
    expect(new Set(written).size).toBe(written.length);
    const before = new Set(s.defs.graph.inputs);
    for (const d of s.dispatches) {
      for (const k of d.groups) {
        for (const v of k.reads.keys()) {
          if (!k.vars.includes(v) && !s.cuts.isScalar(v)) expect(before.has(v)).toBe(true);
        }
      }
      for (const k of d.kernels) for (const v of k.stores) before.add(v);
    }
    expect(sizeOf(written[0]!.aval.shape)).toBeGreaterThan(0);
  });
});

describe("what nobody reads", () => {
  it("is not computed, where a view leaves it out", () => {
    const joined = graphOf([[64, 64], [64]], (x, y) => [
      P.slice(P.concatenate([P.reduceSum(x, [1]), y], 0), [64], [128]),
    ]);
    const product = graphOf(
      [
        [64, 64],
        [64, 64],
      ],
      (x, y) => [P.slice(P.concatenate([matmul(x, y), y], 0), [70, 0], [128, 64])],
    );
    const padded = graphOf([[64, 64]], (x) => [
      P.slice(P.pad(P.reduceSum(x, [1]), constant(0, []), [64], [0]), [0], [64]),
    ]);
    for (const g of [joined, product, padded]) expect(fusedOf(planOf(g))).toEqual([["slice"]]);
  });

  it("is no variable of a kernel, in random programs and their gradients", () => {
    for (const p of fc.sample(program({ maxSteps: 10 }), { numRuns: 40, seed: 7 })) {
      const differentiable = p.inputs.map((x) => isFloat(x.dtype));
      const graph = optimise(gradGraph(lossOf(p.graph), differentiable));
      const { dispatches, defs } = planOf(graph);
      const groups = dispatches.flatMap((d) => d.groups);
      const read = new Set([...defs.returned(), ...groups.flatMap((g) => [...g.reads.keys()])]);
      const computed = groups.flatMap((g) => [...g.vars, ...(g.inner?.vars ?? [])]);
      expect(computed.filter((v) => !read.has(v))).toEqual([]);
    }
  });
});
