/** linearTranspose and jet: closed forms, and what is not linear. */
import {
  array,
  cond,
  conv,
  cumsum,
  DtypeError,
  foriLoop,
  grad,
  jet,
  jit,
  linearTranspose,
  matmul,
  ShapeError,
  scan,
  sin,
  sum,
  type Tensor,
  vmap,
  zeros,
} from "dawngrad";
import { hostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";

const host = hostArray;

describe("linearTranspose", () => {
  test("<f(x), u> = <x, fT(u)>, through trees, closures and several arguments", async () => {
    const m = host([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const check = (w: Tensor, x: Tensor, y: Tensor, u: Tensor) => {
      const f = (p: { x: Tensor }, q: Tensor) => [cumsum(matmul(w, p.x)), q.mul(w.sum())] as const;
      const [out, scale] = f({ x }, y);
      const [cx, cy] = linearTranspose(f, { x: zeros([3]) }, zeros([]))([u, u.at(0)]);
      return [sum(out.mul(u)).add(scale.mul(u.at(0))), sum(x.mul(cx.x)).add(y.mul(cy))];
    };
    const [a, b] = await reference(check)(m, host([0.5, -1, 2]), host(3), host([7, -2]));
    expect(b!.item()).toBeCloseTo(a!.item() as number, 12);
  });

  test("the transpose of a convolution, twice, is the convolution", async () => {
    const run = (x: Tensor, w: Tensor) => {
      const f = (y: Tensor) => conv(y, w, { strides: 2, padding: "SAME" });
      const back = (c: Tensor) => linearTranspose(f, zeros(x.shape))(c)[0];
      return [f(x), linearTranspose(back, zeros(f(x).shape))(x)[0]];
    };
    const x = host(Array.from({ length: 5 }, (_, i) => [Math.sin(i), i / 4]));
    const w = host([
      [
        [1, 2, 3],
        [0, 1, -1],
      ],
      [
        [2, 0, 1],
        [1, 1, 4],
      ],
    ]);
    const [a, b] = await reference((v: Tensor, k: Tensor) => run(v.reshape([1, 5, 2]), k))(x, w);
    expect(b!.toArray()).toEqual(a!.toArray());
  });

  test("under jit, vmap and grad; a constant does not matter", async () => {
    const f = (x: Tensor) => x.mul(3).add(1);
    const t = (c: Tensor) => linearTranspose(f, zeros([2]))(c)[0];
    const run = (c: Tensor) => [
      jit(t)(c.at(0)),
      vmap(t)(c),
      grad((y: Tensor) => t(y).sum())(c.at(0)),
    ];
    const out = await reference(run)(
      host([
        [1, 2],
        [3, 4],
      ]),
    );
    expect(out.map((y) => y.toArray())).toEqual([
      [3, 6],
      [
        [3, 6],
        [9, 12],
      ],
      [3, 3],
    ]);
  });

  test("<f(x), u> = <x, fT(u)> through loops and branches", async () => {
    const check = (w: Tensor, x: Tensor, u: Tensor) => {
      const f = (xs: Tensor) =>
        scan(
          (c, y) => {
            const next = cond(
              w.sum().greater(0),
              (v) => matmul(v, w),
              (v) => v.neg(),
              c.add(y),
            );
            return [next, next.mul(2)];
          },
          zeros([2]),
          xs,
        )[1];
      return [
        f(x).mul(u).sum(),
        linearTranspose(
          f,
          zeros([3, 2]),
        )(u)[0]
          .mul(x)
          .sum(),
      ];
    };
    const rows = (k: number, n: number) =>
      host(Array.from({ length: n }, (_, i) => [Math.sin(k + i), Math.cos(k * i)]));
    const [a, b] = await reference(check)(rows(1, 2), rows(2, 3), rows(3, 3));
    expect(b!.item()).toBeCloseTo(a!.item() as number, 12);
  });

  test.each([
    [
      "mul within a loop",
      (x: Tensor) => scan((c, y) => [c.mul(y), null], x.at(0), x.reshape([2]))[0],
    ],
    [
      "floor in a later round only",
      (x: Tensor) =>
        foriLoop(0, 2, (_, [a, b]) => [b.floor(), a] as const, [x, x.mul(0)] as const)[0],
    ],
    [
      "floor in a branch",
      (x: Tensor) =>
        cond(
          true,
          (y) => y.floor(),
          (y) => y,
          x,
        ),
    ],
    ["mul", (x: Tensor) => x.mul(x)],
    ["sin", (x: Tensor) => sin(x)],
    ["floor", (x: Tensor) => x.floor().add(x)],
    ["select", (x: Tensor) => x.maximum(0).mul(2)],
    ["div", (x: Tensor) => x.reciprocal()],
  ])("what is not linear is refused: %s", (_, f) => {
    expect(() => linearTranspose(f, host1())).toThrow(
      /^linearTranspose: '.*' is not linear: it applies/,
    );
  });

  test("integers have no cotangent", () => {
    const n = array([1], { dtype: "int32" });
    expect(() => linearTranspose((x: Tensor) => x.add(x), n)).toThrow(DtypeError);
  });
});

const host1 = () => array([1, 2]);

describe("jet", () => {
  test("derivatives of e^sin along a curve, by Faà di Bruno", async () => {
    // x(t) = a + b t + c t²/2 + d t³/6
    const [a, b, c, d] = [0.3, 0.7, -0.4, 0.9];
    const run = (x: Tensor, x1: Tensor, x2: Tensor, x3: Tensor) =>
      jet((y: Tensor) => y.sin().exp(), [x], [[x1, x2, x3]]);
    const [y, [d1, d2, d3]] = await reference(run)(host(a), host(b), host(c), host(d));
    const s = Math.sin(a);
    const k = Math.cos(a);
    const f = Math.exp(s);
    const [f1, f2, f3] = [f * k, f * (k * k - s), f * (k ** 3 - 3 * k * s - k)];
    expect(y.item()).toBeCloseTo(f, 14);
    expect(d1!.item()).toBeCloseTo(f1 * b, 14);
    expect(d2!.item()).toBeCloseTo(f2 * b * b + f1 * c, 14);
    expect(d3!.item()).toBeCloseTo(f3 * b ** 3 + 3 * f2 * b * c + f1 * d, 14);
  });

  test("JAX's published example: sin along a line to third order", async () => {
    // jax.experimental.jet's documentation: f = sin, h0 = 0.1, h = (1, 0, 0)…
    const run = (x: Tensor) => jet((y: Tensor) => sin(y), [x], [[array(1), null, null]]);
    const [f0, [f1, f2, f3]] = await reference(run)(host(0.1));
    expect(f0.item()).toBeCloseTo(Math.sin(0.1), 14);
    expect(f1!.item()).toBeCloseTo(Math.cos(0.1), 14);
    expect(f2!.item()).toBeCloseTo(-Math.sin(0.1), 14);
    expect(f3!.item()).toBeCloseTo(-Math.cos(0.1), 14);
  });

  test("two arguments in a tree, a polynomial to its end, and under vmap and grad", async () => {
    // (x y)(t) with x = 1 + t, y = 2 + 3t: xy = 2 + 5t + 3t²; derivatives 5, 6, 0, 0.
    const f = (p: { x: Tensor }, y: Tensor) => p.x.mul(y);
    const run = (x: Tensor, y: Tensor) => {
      const line = [array(1), null, null, null];
      return jet(f, [{ x }, y], [line.map((v) => v && { x: v }), [array(3), null, null, null]]);
    };
    const [value, series] = await reference(run)(host(1), host(2));
    expect([value, ...series].map((v) => v.item())).toEqual([2, 5, 6, 0, 0]);
    const third = (x: Tensor) => jet((y: Tensor) => y.pow(5), [x], [[array(1), null, null]])[1][2]!;
    const out = await reference((x: Tensor) => [vmap(third)(x), vmap(grad(third))(x)])(
      host([1, 2]),
    );
    expect(out.map((v) => v.toArray())).toEqual([
      [60, 240],
      [120, 240],
    ]);
  });

  test("series of different lengths", () => {
    const f = (x: Tensor, y: Tensor) => x.mul(y);
    const [a, b] = [array(1), array(2)];
    expect(() => jet(f, [a, b], [[a], [a, b]])).toThrow(ShapeError);
    expect(() => jet(f, [a, b], [[a]] as never)).toThrow(/give one each/);
  });
});
