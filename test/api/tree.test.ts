/** Trees: structure, arithmetic on whole trees, errors that name the key path. */
import {
  array,
  grad,
  hvp,
  init,
  jit,
  jvp,
  linearize,
  type Tensor,
  tree,
  vjp,
  vmap,
  zeros,
} from "dawngrad";
import { type HostArray, reference } from "dawngrad/testing";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { leavesLike } from "../../src/core/like.js";

beforeAll(() => init());

const params = () => ({ b: array([1, 2]), a: [array([[3], [4]]), null], n: array(5) });
const lists = (x: unknown): unknown[] =>
  tree.leaves(x).map((v) => [...(v as unknown as HostArray).data]);

/** Nested arrays, objects and nulls with numbers for leaves. */
const anyTree = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.integer(),
    fc.constant(null),
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(fc.string({ maxLength: 3 }), tie("tree"), { maxKeys: 3 }),
  ),
})).tree;

describe("structure", () => {
  test("unflatten after flatten is the identity", () => {
    fc.assert(
      fc.property(anyTree, (t) => {
        const [leaves, def] = tree.flatten(t);
        expect(tree.unflatten(def, leaves)).toEqual(t);
        expect(def.size).toBe(leaves.length);
        expect(tree.structure(t).equals(def)).toBe(true);
      }),
    );
  });

  test("the leaves of a tree like another are found where the structures are equal, and only there", () => {
    class Pair {
      readonly parts: readonly unknown[];
      constructor(parts: readonly unknown[]) {
        this.parts = parts;
      }
    }
    tree.register(Pair, {
      flatten: (p) => ({ children: p.parts, aux: p.parts.length }),
      unflatten: (_, parts) => new Pair(parts),
    });
    fc.assert(
      fc.property(anyTree, anyTree, (t, u) => {
        for (const [a, b] of [
          [t, u],
          [t, structuredClone(t)],
          [[t, u], { 0: t, 1: u }],
          [new Pair([t, u]), new Pair([t])],
          [new Pair([t, u]), new Pair([u, t])],
        ]) {
          const equal = tree.structure(a).equals(tree.structure(b));
          expect(leavesLike(b, tree.structure(a))).toEqual(equal ? tree.leaves(b) : undefined);
        }
      }),
    );
  });

  test("a function that is called with signatures in turn runs each one's program", async () => {
    const f = jit((x: Tensor, o: { k: Tensor | number; z?: null }) => x.mul(o.k).sum());
    const xs = [array([1, 2]), array([[1, 2, 3]]), array([1, 2])];
    for (let i = 0; i < 3; i++) {
      expect(await f(xs[0]!, { k: 2 }).item()).toBe(6);
      expect(await f(xs[0]!, { k: 3 }).item()).toBe(9);
      expect(await f(xs[0]!, { k: array([1, 10]) }).item()).toBe(21);
      expect(await f(xs[1]!, { k: 2 }).item()).toBe(12);
      expect(await f(xs[2]!, { k: 2, z: null }).item()).toBe(6);
    }
    expect(() => f("no" as unknown as Tensor, { k: 2 })).toThrow("argument[0]");
  });

  test("map keeps structure and composes", () => {
    fc.assert(
      fc.property(anyTree, (t) => {
        const twice = tree.map((x) => (x as number) * 2, t);
        expect(tree.leaves(twice)).toEqual(tree.leaves(t).map((x) => (x as number) * 2));
        expect(tree.structure(twice).key).toBe(tree.structure(t).key);
      }),
    );
  });

  test("keys are visited in sorted order", () => {
    expect(tree.leaves({ b: 1, a: { d: 2, c: 3 } })).toEqual([3, 2, 1]);
  });

  test("zip, reduce, all, size", () => {
    expect(tree.zip({ a: 1, b: [2] }, { a: 3, b: [4] })).toEqual({ a: [1, 3], b: [[2, 4]] });
    expect(tree.reduce((n, x) => n + x, { a: 1, b: [2, 3] }, 10)).toBe(16);
    expect(tree.all({ a: 2, b: [4] }, (x) => x % 2 === 0)).toBe(true);
    expect(tree.all({ a: true, b: [false] })).toBe(false);
    expect(tree.size(params())).toBe(5);
  });

  test("a registered class is an inner node of arithmetic and of gradients", async () => {
    class Linear {
      readonly w: Tensor;
      readonly b: Tensor;
      constructor(w: Tensor, b: Tensor) {
        this.w = w;
        this.b = b;
      }
      apply(x: Tensor): Tensor {
        return x.mul(this.w).add(this.b);
      }
    }
    tree.register(Linear, {
      flatten: (l) => ({ children: [l.w, l.b] }),
      unflatten: (_, [w, b]) => new Linear(w as Tensor, b as Tensor),
    });
    const l = new Linear(array([2, 3]), array(1));
    const g = grad((p: Linear) => p.apply(array([10, 20])).sum());
    const out = await reference((p: Linear): Linear => g(p))(l);
    expect(out).toBeInstanceOf(Linear);
    expect([...(out.w as unknown as HostArray).data]).toEqual([10, 20]);
    expect((out.b as unknown as HostArray).item()).toBe(2);
    // As tangents, cotangents and axes, whole or with something in place of its parts.
    const f = (p: Linear): Tensor => p.apply(array([10, 20])).sum();
    const along = new Linear(array([1, 0]), array(1));
    expect(await jvp(f, [l], [along])[1].item()).toBe(12);
    expect(await linearize(f, l)[1](along).item()).toBe(12);
    const [, pullback] = vjp((x: Tensor) => new Linear(x.mul(2), x.sum()), array([1, 2]));
    expect(await pullback(along)[0].toArray()).toEqual([3, 1]);
    expect((await hvp(f, [l], [along])[0].w.toArray()) as unknown).toEqual([0, 0]);
    const axes = [new Linear(0 as never, null as never)] as never;
    expect(await vmap((p: Linear) => p.apply(array(10)), axes)(l).toArray()).toEqual([21, 31]);
    expect(() => jvp(f, [l], [[along.w, along.b] as never])).toThrow('"[0]"');
  });

  test("null and undefined are the same nothing, but a function sees which it was given", () => {
    const [a, b] = [tree.structure({ x: null, y: 1 }), tree.structure({ x: undefined, y: 1 })];
    expect(a.equals(b)).toBe(true);
    expect(a.key).not.toBe(b.key);
    expect(tree.map((p, q) => p + q, { x: null, y: 1 }, { x: undefined, y: 2 } as never)).toEqual({
      x: null,
      y: 3,
    });
  });
});

describe("arithmetic", () => {
  const run = async (f: () => unknown): Promise<unknown[]> =>
    lists(await (reference(f as () => Tensor)() as Promise<unknown>));

  test("add, sub, mul, scale, axpy, negate", async () => {
    const t = params();
    expect(await run(() => tree.add(t, t))).toEqual([[6, 8], [2, 4], [10]]);
    expect(await run(() => tree.sub(t, t))).toEqual([[0, 0], [0, 0], [0]]);
    expect(await run(() => tree.mul(t, t))).toEqual([[9, 16], [1, 4], [25]]);
    expect(await run(() => tree.scale(t, -2))).toEqual([[-6, -8], [-2, -4], [-10]]);
    expect(await run(() => tree.axpy(3, t, t))).toEqual([[12, 16], [4, 8], [20]]);
    expect(await run(() => tree.negate(t))).toEqual([[-3, -4], [-1, -2], [-5]]);
    expect(await run(() => tree.zerosLike(t))).toEqual([[0, 0], [0, 0], [0]]);
    expect(await run(() => tree.onesLike(t))).toEqual([[1, 1], [1, 1], [1]]);
  });

  test("dot and norm see one long vector", async () => {
    const t = params();
    expect(await run(() => [tree.dot(t, t), tree.norm(t)])).toEqual([[55], [Math.sqrt(55)]]);
    expect(await run(() => tree.norm(null))).toEqual([[0]]);
  });

  test("the gradient of norm is the unit vector, and 0 at 0", async () => {
    const t = { a: array([3]), b: [array([0, 4])] };
    const g = grad((p: typeof t) => tree.norm(p));
    expect(await run(() => g(t))).toEqual([
      [expect.closeTo(0.6, 12)],
      [0, expect.closeTo(0.8, 12)],
    ]);
    expect(await run(() => g(tree.zerosLike(t)))).toEqual([[0], [0, 0]]);
  });

  test("stack and unstack are inverse", async () => {
    const t = params();
    expect(
      await run(() => {
        const both = tree.stack([t, tree.scale(t, 2)]);
        return [both, tree.unstack(both)[1]];
      }),
    ).toEqual([[3, 4, 6, 8], [1, 2, 2, 4], [5, 10], [6, 8], [2, 4], [10]]);
  });

  test("ravel and restore are inverse and keep dtypes", async () => {
    const t = { f: array([1.5, 2]), i: array([[7]], { dtype: "int32" }) };
    const out = (await reference(() => {
      const [flat, restore] = tree.ravel(t);
      return { flat, back: restore(flat) };
    })()) as unknown as { flat: HostArray; back: { f: HostArray; i: HostArray } };
    expect([...out.flat.data]).toEqual([1.5, 2, 7]);
    expect(out.back.i.dtype).toBe("int32");
    expect(out.back.i.shape).toEqual([1, 1]);
    expect([...out.back.f.data]).toEqual([1.5, 2]);
  });

  test("cast, of all leaves or of one dtype's", async () => {
    const t = { f: array([1.5]), b: array([true]) };
    const out = (await reference(() => [
      tree.cast(t, "int32"),
      tree.cast(t, "int32", "bool"),
    ])()) as unknown as { f: HostArray; b: HostArray }[];
    expect(out.map((o) => [o.f.dtype, o.b.dtype])).toEqual([
      ["int32", "int32"],
      ["float32", "int32"],
    ]);
  });

  test("differentiable through", async () => {
    const t = { a: array([1, 2]), b: array([3]) };
    const g = grad((p: typeof t) => tree.dot(tree.axpy(2, p, p), p));
    expect(await run(() => g(t))).toEqual([[6, 12], [18]]);
  });
});

describe("errors name the leaf", () => {
  test("different structures", () => {
    expect(() => tree.add({ a: array(1) }, { b: array(1) } as never)).toThrow(
      /tree\.add: tree 2 .*leaf "\.a" is missing/,
    );
  });
  test("a leaf that is no tensor", () => {
    expect(() => tree.norm({ layers: [array(1), "x"] })).toThrow(
      /tree\.norm: the leaf at "\.layers\[1\]" is a string/,
    );
  });
  test("unstack of uneven lanes and of scalars", () => {
    const t = { a: array([1, 2]), b: array([1, 2, 3]) };
    expect(() => tree.unstack(t)).toThrow(/axis 0 has size 2 at "\.a" but 3 at "\.b"/);
    expect(() => tree.unstack({ a: array(1) })).toThrow(/shape \[\], which has no axis 0/);
    expect(() => tree.stack([])).toThrow(/at least one tree/);
  });
  test("restore of another length", () => {
    const [, restore] = tree.ravel({ a: array([1, 2]) });
    expect(() => restore(zeros([3]))).toThrow(/a vector of 2 elements/);
  });
});
