/** Convolutions and pools against PyTorch, in both layouts; their messages; lanes without copies. */
import {
  array,
  avgPool,
  conv,
  convTranspose,
  explain,
  globalAvgPool,
  grad,
  index,
  init,
  jit,
  type Layout,
  makeGraph,
  maxPool,
  ones,
  random,
  reduceWindow,
  type Tensor,
  vjp,
  vmap,
  zeros,
} from "dawngrad";
import { checkGrads, HostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";
import { expectNear, image, pattern, type Recorded, recorded, torch, weights } from "./torch.js";

await init();

const layouts: readonly Layout[] = ["NHWC", "NCHW"];
const show = (x: unknown): string => JSON.stringify(x);

/** Each record runs on the device in one of the layouts, and in the reference in both. */
const turn = (record: unknown, list: readonly unknown[], layout: Layout): boolean =>
  list.indexOf(record) % layouts.length === layouts.indexOf(layout);

/** Value and gradients of `f`, in the reference and on the device, against the record. */
async function agrees(
  onDevice: boolean,
  record: Recorded,
  layout: Layout,
  f: (...xs: Tensor[]) => Tensor,
  arrange: (x: HostArray, i: number) => HostArray,
): Promise<void> {
  const inputs = record.shapes.map((s, i) => arrange(pattern(s, i + 1), i));
  const ct = image(pattern(record.outShape, 9), layout);
  const all = (c: Tensor, ...xs: Tensor[]): Tensor[] => {
    const [y, pullback] = vjp(f, ...xs);
    return [y, ...(pullback(c) as Tensor[])];
  };
  const want = [
    image(recorded(record.outShape, record.y), layout),
    ...record.grads.map((g, i) => arrange(recorded(record.shapes[i]!, g), i)),
  ];
  const exact = await reference(all)(ct, ...inputs);
  want.forEach((w, i) => {
    expectNear(`reference, ${i === 0 ? "value" : `gradient ${i}`}`, exact[i]!, w, 1e-12);
  });
  if (!onDevice) return;
  const device = (x: HostArray) => array(Float32Array.from(x.data), { shape: x.shape });
  const outs = jit(all)(device(ct), ...inputs.map(device));
  // Sums of at most a few hundred products of the operands' size, in f32.
  for (const [i, w] of want.entries()) {
    const have = { shape: outs[i]!.shape, data: await outs[i]!.data() };
    expectNear(`device, ${i === 0 ? "value" : `gradient ${i}`}`, have, w, 2e-6);
  }
}

describe.each(layouts)("in layout %s as PyTorch", (layout) => {
  test.each(torch.conv.map((c) => [show(c.shapes), show(c.options), c] as const))(
    "conv %s %s",
    (_shapes, _options, c) =>
      agrees(
        turn(c, torch.conv, layout),
        c,
        layout,
        (x, w) => conv(x!, w!, { ...c.options, layout }),
        (x, i) => (i === 0 ? image(x, layout) : weights(x, layout)),
      ),
  );

  test.each(torch.transposed.map((c) => [show(c.shapes), show(c.options), c] as const))(
    "convTranspose %s %s",
    (_shapes, _options, c) => {
      const { stride, padding, outputPadding, dilation, groups } = c.options;
      const pairs = c.shapes[1]!.slice(2).map((k) => {
        const edge = dilation * (k - 1) - padding;
        return [edge, edge + outputPadding] as const;
      });
      const options = { strides: stride, padding: pairs, dilation, groups, layout };
      return agrees(
        turn(c, torch.transposed, layout),
        c,
        layout,
        (x, w) => convTranspose(x!, w!, { ...options, transposeKernel: true }),
        (x, i) => (i === 0 ? image(x, layout) : weights(x, layout)),
      );
    },
  );

  test.each(
    torch.pool.map((c) => [c.kind, show(c.shapes), show([c.window, c.options]), c] as const),
  )("%s pool %s %s", (_kind, _shapes, _options, c) => {
    const { padding, ...rest } = c.options;
    const pool = c.kind === "max" ? maxPool : avgPool;
    return agrees(
      turn(c, torch.pool, layout),
      c,
      layout,
      (x) => pool(x!, c.window, { ...rest, padding, layout }),
      (x) => image(x, layout),
    );
  });
});

describe("derivatives to second order", () => {
  const [x, w] = [pattern([1, 5, 4, 2], 1), pattern([3, 2, 2, 4], 2)];
  test("conv", () =>
    checkGrads(
      (a: Tensor, b: Tensor) =>
        conv(a, b, { padding: "SAME", strides: 2, dilation: [1, 2] }).tanh(),
      [x, w],
    ));
  test("grouped convTranspose", () =>
    checkGrads(
      (a: Tensor, b: Tensor) => convTranspose(a, b, { strides: 2, groups: 2 }).tanh(),
      [x, pattern([2, 2, 1, 2], 3)],
    ));
  // Distinct values: no ties.
  const distinct = new HostArray({
    shape: [1, 5, 4, 2],
    dtype: "float32",
    data: Float64Array.from({ length: 40 }, (_, i) => Math.sin(i * i + 1) * 2),
  });
  test("maxPool", () =>
    checkGrads((a: Tensor) => maxPool(a.mul(a), 3, { strides: 2, padding: "SAME" }), [distinct]));
  test("reduceWindow: min and prod", () =>
    checkGrads(
      (a: Tensor) => [
        reduceWindow(a, "min", [1, 2, 3, 1]),
        reduceWindow(a, "prod", [1, 2, 2, 2], { padding: "SAME" }),
      ],
      [distinct],
    ));
});

describe("lanes", () => {
  const key = random.key(3);
  const x = random.normal(random.foldIn(key, 0), [2, 3, 6, 6, 2]);
  const w = random.normal(random.foldIn(key, 1), [2, 3, 3, 2, 4]);
  const one = (t: Tensor, i: number): Tensor => index(t, i);
  const f = (a: Tensor, b: Tensor): Tensor => conv(a, b, { padding: "SAME", strides: 2 });
  const value = async (t: Tensor) => ({ shape: t.shape, data: await t.data() });
  const host = async (t: Tensor) =>
    new HostArray({ shape: t.shape, dtype: "float32", data: Float64Array.from(await t.data()) });

  test.each([
    ["the input", [0, null]],
    ["the weights", [null, 0]],
    ["both", [0, 0]],
  ] as const)("over %s = one call for each", async (_, axes) => {
    const [a, b] = [axes[0] === null ? one(x, 0) : x, axes[1] === null ? one(w, 0) : w];
    const sums = (p: Tensor, q: Tensor) =>
      grad((r: [Tensor, Tensor]) =>
        f(...r)
          .tanh()
          .sum(),
      )([p, q]);
    const outs = jit(vmap((p: Tensor, q: Tensor) => [f(p, q), ...sums(p, q)], axes))(a, b);
    for (const lane of [0, 1]) {
      const p = axes[0] === null ? a : one(a, lane);
      const q = axes[1] === null ? b : one(b, lane);
      const want = [f(p, q), ...sums(p, q)];
      for (const [i, out] of outs.entries()) {
        expectNear(`lane ${lane}, ${i}`, await value(one(out, lane)), await host(want[i]!), 5e-6);
      }
    }
  });

  test("weights in lanes against one batch: no copy of the batch", () => {
    const graph = makeGraph(vmap(f, [null, 0]))(one(x, 0), w);
    expect(graph.eqns.map((e) => e.prim.name)).toEqual(["conv"]);
    expect(graph.eqns[0]!.inputs.map((v) => v.aval.shape)).toEqual([
      [3, 6, 6, 2],
      [2, 3, 3, 2, 4],
    ]);
    expect(explain(vmap(f, [null, 0]))(one(x, 0), w).dispatches).toBeLessThanOrEqual(3);
  });

  test("pools in lanes of lanes", async () => {
    const pool = (t: Tensor) => maxPool(t.expandDims(0), 2).squeeze(0);
    const got = await value(vmap(vmap(pool))(x));
    expect(got.shape).toEqual([2, 3, 3, 3, 2]);
    for (const i of [0, 1]) {
      expectNear(
        "pool",
        await value(index(vmap(vmap(pool))(x), i)),
        await host(maxPool(one(x, i), 2)),
        0,
      );
    }
  });
});

describe("pools", () => {
  test("of equal elements the first is chosen, and has the whole gradient", async () => {
    const x = array([
      [3, 3],
      [3, 3],
    ]).reshape([1, 2, 2, 1]);
    const g = grad((t: Tensor) => maxPool(t, 2).sum())(x);
    expect(await g.reshape([2, 2]).toArray()).toEqual([
      [1, 0],
      [0, 0],
    ]);
  });
  test("padding is never chosen, not even among -Infinity", async () => {
    const x = array([-Infinity, -Infinity]).reshape([1, 2, 1]);
    const g = grad((t: Tensor) => maxPool(t, 2, { padding: [[1, 1]], strides: 1 }).sum())(x);
    expect([...(await g.data())]).toEqual([2, 1]);
  });
  test("NaN wins", async () => {
    const y = maxPool(array([1, Number.NaN, 2, 5]).reshape([1, 4, 1]), 2);
    expect([...(await y.data())]).toEqual([Number.NaN, 5]);
  });
  test("integers stay integers", async () => {
    const x = array([1, 7, -3, 2], { dtype: "int32" });
    const y = maxPool(x.reshape([1, 4, 1]), 2, { padding: "SAME" });
    expect(y.dtype).toBe("int32");
    expect([...(await y.data())]).toEqual([7, 2]);
    expect(await reduceWindow(x, "min", 2, { padding: [[1, 0]] }).toArray()).toEqual([
      1, 1, -3, -3,
    ]);
  });
  test("reduceWindow with base dilation is lax.reduce_window's", async () => {
    // 1 _ 2 _ 3 with windows of three.
    const y = reduceWindow(array([1, 2, 3]), "sum", [3], { baseDilation: 2 });
    expect(await y.toArray()).toEqual([3, 2, 5]);
  });
  test("globalAvgPool", async () => {
    const x = array([1, 2, 3, 4, 5, 6, 7, 8]).reshape([1, 2, 2, 2]);
    expect(await globalAvgPool(x).toArray()).toEqual([[4, 5]]);
    expect(await globalAvgPool(x, { layout: "NCHW" }).toArray()).toEqual([[2.5, 6.5]]);
  });
});

describe("messages", () => {
  test.each([
    [
      () => conv(zeros([8, 32, 32, 3]), zeros([3, 3, 4, 16])),
      /conv: x float32\[8,32,32,3\] \(layout "NHWC" \[batch, \.\.\.spatial, channels\]\) and w float32\[3,3,4,16\] \(HWIO.*x has 3 channels at axis 3 but w takes 4 at axis 2/,
    ],
    [
      () => conv(zeros([8, 3, 32, 32]), zeros([3, 3, 3, 16])),
      /if x has its channels at axis 1, give layout: "NCHW"/,
    ],
    [
      () => conv(zeros([8, 32, 32, 4]), zeros([3, 3, 4, 16]), { groups: 2 }),
      /has 4 channels at axis 3 but w takes 4 for each of 2 groups/,
    ],
    [
      () => conv(zeros([8, 9, 9, 3]), zeros([3, 3, 1, 16]), { groups: 3 }),
      /3 groups must divide the input and the output channels/,
    ],
    [() => conv(zeros([8, 9, 3]), zeros([3, 3, 3, 16])), /w needs as many axes as x/],
    [() => conv(zeros([8, 3]), zeros([3, 16])), /layout "NHWC".*needs at least 3 axes/],
    [
      () => conv(zeros([8, 2, 2, 3]), zeros([3, 3, 3, 1])),
      /a window of 3 does not fit into axis 1/,
    ],
    [
      () => conv(zeros([8, 9, 9, 3]), zeros([3, 3, 3, 1]), { padding: [[1, 1]] }),
      /padding \[\[1,1\]\] must be "SAME", "VALID".*each of the 2 dimensions/,
    ],
    [
      () => conv(zeros([8, 9, 9, 3]), zeros([3, 3, 3, 1]), { strides: 0 }),
      /strides 0 must be an integer of at least 1/,
    ],
    [
      () => conv(ones([1, 4, 1]), ones([1, 1, 1]), { layout: "NWC" as never }),
      /layout "NWC" is not one of "NHWC".*"NCHW"/,
    ],
    [() => maxPool(zeros([1, 2, 2, 1]), 3), /maxPool: a window of 3 does not fit into axis 1/],
    [() => reduceWindow(zeros([3]), "mean" as never, 2), /reduction "mean" is not one of "sum"/],
  ])("%#", (f, message) => {
    expect(f).toThrow(message);
  });
});
