/** customJvp and customVjp: the examples of JAX's documentation with its numbers, and the hard cases. */
import {
  add,
  array,
  customJvp,
  customVjp,
  DawngradError,
  grad,
  hessian,
  init,
  jacfwd,
  jit,
  jvp,
  linearize,
  mul,
  psum,
  random,
  ShapeError,
  sin,
  stopGradient,
  type Tensor,
  valueAndGrad,
  vjp,
  vmap,
  where,
} from "dawngrad";
import { checkGrads, hostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";

type Unary = (x: Tensor) => Tensor;

const at = async (f: (...xs: Tensor[]) => Tensor, ...xs: Parameters<typeof hostArray>[0][]) =>
  (await reference(f)(...xs.map((x) => hostArray(x)))).toArray();

const log1pexp: Unary = customJvp(
  (x: Tensor) => x.exp().add(1).log(),
  ([x], [t]) => [log1pexp(x), t.mul(x.exp().add(1).reciprocal().neg().add(1))],
);

describe("examples of JAX's documentation", () => {
  test("log1pexp: grad at 100 is 1, not NaN", async () => {
    expect(await at(grad(log1pexp), 100)).toBe(1);
    expect(await at(jit(grad(log1pexp)), 3)).toBeCloseTo(0.9525741, 7);
    const many = (await at(vmap(jit(grad(log1pexp))), [0, 1, 2])) as number[];
    [0.5, 0.7310586, 0.8807971].forEach((v, i) => {
      expect(many[i]).toBeCloseTo(v, 7);
    });
    // The rule applies to the derivative's own call of the function.
    expect(await at(grad(grad(log1pexp)), 0)).toBeCloseTo(0.25, 12);
  });

  test("x / (1 + sqrt x): grad at 0 is 1", async () => {
    const f: Unary = customJvp((x: Tensor) => x.div(x.sqrt().add(1)));
    (f as ReturnType<typeof customJvp<[Tensor], Tensor>>).defjvp((...args: never[]) => {
      const [[x], [t]] = args as unknown as [[Tensor], [Tensor]];
      const slope = x.sqrt().add(2).div(x.sqrt().add(1).square().mul(2));
      return [f(x), t.mul(slope)];
    });
    expect(await at(grad(f), 0)).toBe(1);
  });

  test("clip_gradient: three arguments, null cotangents", async () => {
    const clipGradient = customVjp(
      (_lo: Tensor | number, _hi: Tensor | number, x: Tensor) => x,
      (lo, hi, x) => [x, [lo, hi] as const],
      ([lo, hi], g: Tensor) => [null, null, g.clip(lo, hi)],
    );
    const clipped = (x: Tensor) => sin(clipGradient(-0.75, 0.75, x));
    const g = (await at(vmap(grad(clipped)), [0, 1, 3])) as number[];
    [0.75, Math.cos(1), -0.75].forEach((v, i) => {
      expect(g[i]).toBeCloseTo(v, 12);
    });
  });

  test("f(x, y) = sin(x) y by defjvp, defjvps and defvjp", async () => {
    const rule = customJvp(
      (x: Tensor, y: Tensor) => sin(x).mul(y),
      ([x, y], [tx, ty]) => [sin(x).mul(y), x.cos().mul(tx).mul(y).add(sin(x).mul(ty))],
    );
    const perArgument = customJvp((x: Tensor, y: Tensor) => sin(x).mul(y)).defjvps(
      (t, _out, x, y) => x.cos().mul(t).mul(y),
      (t, _out, x) => sin(x).mul(t),
    );
    for (const f of [rule, perArgument]) {
      const [y, t] = await reference((a: Tensor, b: Tensor) =>
        jvp(f, [a, b], [array(1), array(0)]),
      )(hostArray(2), hostArray(3));
      expect(y.item()).toBeCloseTo(2.7278922, 6);
      expect(t.item()).toBeCloseTo(-1.2484405, 7);
      expect(await at(grad(f), 2, 3)).toBeCloseTo(-1.2484405, 7);
      await checkGrads(f, [hostArray(0.7), hostArray(-1.2)], { order: 2 });
    }
    const back = customVjp(
      (x: Tensor, y: Tensor) => sin(x).mul(y),
      (x, y) => [back(x, y) as Tensor, [x.cos(), sin(x), y] as const],
      ([cosX, sinX, y], g: Tensor) => [cosX.mul(g).mul(y), sinX.mul(g)],
    ) as (x: Tensor, y: Tensor) => Tensor;
    expect(await at(grad(back), 2, 3)).toBeCloseTo(-1.2484405, 7);
    await checkGrads(back, [hostArray(0.7), hostArray(-1.2)], { modes: ["rev"], order: 2 });
  });

  test("nondiffArgnums: app and app2", async () => {
    const cube: Unary = (x) => x.pow(3);
    const app = customJvp(
      (f: Unary, x: Tensor) => f(x),
      (f: Unary, [x]: [Tensor], [t]: [Tensor]) => [f(x), t.mul(2)],
      { nondiffArgnums: 0 },
    );
    const value = valueAndGrad((x: Tensor) => app(cube, x));
    expect((await reference(value)(hostArray(3))).map((v) => v.item())).toEqual([27, 2]);
    const app2 = customJvp(
      (f: Unary, x: Tensor, g: Unary) => f(g(x)),
      (f: Unary, g: Unary, [x]: [Tensor], [t]: [Tensor]) => [f(g(x)), t.mul(3)],
      { nondiffArgnums: [0, 2] },
    );
    const both = valueAndGrad((x: Tensor) => app2(cube, x, (y) => y.mul(5)));
    expect((await reference(both)(hostArray(3))).map((v) => v.item())).toEqual([3375, 3]);
    const appBack = customVjp(
      (f: Unary, x: Tensor) => f(x),
      (f: Unary, x: Tensor) => [f(x), x],
      (_f: Unary, _x: Tensor, g: Tensor) => [g.mul(5)],
      { nondiffArgnums: 0 },
    );
    expect(
      await at(
        grad((x: Tensor) => appBack(cube, x)),
        4,
      ),
    ).toBe(5);
  });

  test("fixed_point by its implicit derivative: sqrt(2) and two derivatives", async () => {
    type Packed = readonly Tensor[];
    type F = (a: Packed, x: Tensor) => Tensor;
    // A loop of fixed length in place of while: 30 Newton steps are past convergence.
    const iterate = (f: Unary, x: Tensor, n = 30): Tensor =>
      n === 0 ? x : iterate(f, f(x), n - 1);
    const fixedPoint = customVjp(
      (f: F, a: Packed, guess: Tensor) => iterate((x) => f(a, x), guess),
      (f: F, a: Packed, guess: Tensor) => {
        const star = fixedPoint(f, a, guess) as Tensor;
        return [star, [a, star]] as const;
      },
      (f: F, [a, star]: [Packed, Tensor], ct: Tensor) => {
        const [, pullA] = vjp((v: Packed) => f(v, star), a);
        const back: F = (packed, u) => {
          const [b, at, bar] = [packed.slice(0, -2), packed.at(-2)!, packed.at(-1)!];
          const [, pullX] = vjp((v: Tensor) => f(b, v), at);
          return add(bar, pullX(u)[0]);
        };
        // A call of the function within its own backward rule.
        const w = fixedPoint(back, [...a, star, ct], ct) as Tensor;
        return [pullA(w)[0], null];
      },
      { nondiffArgnums: 0 },
    ) as (f: F, a: Packed, guess: Tensor) => Tensor;
    const newtonSqrt = (a: Tensor) =>
      fixedPoint(([c], x) => x.add(c!.div(x)).mul(0.5), [a], stopGradient(a));
    expect(await at(newtonSqrt, 2)).toBeCloseTo(Math.SQRT2, 6);
    expect(await at(grad(newtonSqrt), 2)).toBeCloseTo(0.35355338, 7);
    expect(await at(grad(grad(newtonSqrt)), 2)).toBeCloseTo(-0.088388346, 7);
    expect(await at(vmap(grad(newtonSqrt)), [2])).toEqual([await at(grad(newtonSqrt), 2)]);
  });
});

describe("composition", () => {
  // Rules that are wrong on purpose by a factor, so that it shows which rule was used.
  const doubled: Unary = customJvp(
    (x: Tensor) => sin(x),
    ([x], [t]) => [doubled(x), x.cos().mul(t).mul(2)],
  );
  const tripled: Unary = customVjp(
    (x: Tensor) => sin(x),
    (x) => [tripled(x), x] as const,
    (x: Tensor, g: Tensor) => [g.mul(x.cos()).mul(3)],
  );

  test("every nesting uses the rule", async () => {
    const k = Math.cos(0.5);
    const one = array(1);
    expect(await at(grad(doubled), 0.5)).toBeCloseTo(2 * k, 12);
    expect(await at(jit(grad(jit(doubled))), 0.5)).toBeCloseTo(2 * k, 12);
    expect(await at((x) => jvp(doubled, [x], [one])[1], 0.5)).toBeCloseTo(2 * k, 12);
    expect(await at((x) => linearize(doubled, x)[1](one), 0.5)).toBeCloseTo(2 * k, 12);
    expect(await at(jacfwd(doubled), 0.5)).toBeCloseTo(2 * k, 12);
    expect(await at(grad(tripled), 0.5)).toBeCloseTo(3 * k, 12);
    expect(await at((x) => vjp(tripled, x)[1](one)[0], 0.5)).toBeCloseTo(3 * k, 12);
    for (const [f, factor] of [
      [doubled, 2],
      [tripled, 3],
    ] as const) {
      const want = [0.5, 1].map((v) => factor * Math.cos(v));
      for (const g of [
        vmap(grad(f)),
        grad((x: Tensor) => vmap(f)(x).sum()),
        grad((x: Tensor) => vmap(vmap(f))(x.reshape([1, 2])).sum()),
        jit(vmap(jit(grad(f)))),
      ]) {
        const got = (await at(g, [0.5, 1])) as number[];
        want.forEach((w, i) => {
          expect(got[i]).toBeCloseTo(w, 12);
        });
      }
    }
  });

  test("derivatives of the rules: cos is differentiated as it is", async () => {
    const s = -Math.sin(0.5);
    expect(await at(grad(grad(doubled)), 0.5)).toBeCloseTo(2 * s, 12);
    expect(await at(hessian(doubled), 0.5)).toBeCloseTo(2 * s, 12);
    expect(await at(grad(grad(tripled)), 0.5)).toBeCloseTo(3 * s, 12);
    expect(await at(grad(grad(grad(doubled))), 0.5)).toBeCloseTo(-2 * Math.cos(0.5), 12);
  });

  test("a rule that uses its own output: exp with a factor, to third order", async () => {
    // f' = 2 f by the rule, so the n-th derivative is 2ⁿ f.
    const f: Unary = customJvp(
      (x: Tensor) => x.exp(),
      ([x], [t]) => [f(x), f(x).mul(t).mul(2)],
    );
    const g: Unary = customVjp(
      (x: Tensor) => x.exp(),
      (x) => {
        const y = g(x);
        return [y, y] as const;
      },
      (y: Tensor, ct: Tensor) => [ct.mul(y).mul(2)],
    );
    for (const h of [f, g]) {
      const e = Math.exp(0.3);
      expect(await at(grad(h), 0.3)).toBeCloseTo(2 * e, 12);
      expect(await at(grad(grad(h)), 0.3)).toBeCloseTo(4 * e, 12);
      expect(await at(grad(grad(grad(h))), 0.3)).toBeCloseTo(8 * e, 11);
      expect(await at(vmap(grad(grad(h))), [0.3])).toEqual([await at(grad(grad(h)), 0.3)]);
      const lanes = (x: Tensor) => vmap(h)(x).sum();
      const twice = grad((x: Tensor) => grad(lanes)(x).sum());
      expect(((await at(twice, [0.3])) as number[])[0]).toBeCloseTo(4 * e, 12);
    }
  });

  test("arguments without lanes get the sum of their lanes' cotangents", async () => {
    const f = customVjp(
      (w: Tensor, x: Tensor) => w.mul(x).sum(),
      (w, x) => [w.mul(x).sum(), [w, x]] as const,
      ([w, x]: Tensor[], g: Tensor) => [x!.mul(g), w!.mul(g)],
    );
    const loss = (w: Tensor, x: Tensor) => vmap(f, [null, 0])(w, x).square().sum();
    const plain = (w: Tensor, x: Tensor) =>
      vmap((u: Tensor, v: Tensor) => u.mul(v).sum(), [null, 0])(w, x)
        .square()
        .sum();
    const args = [
      [1, -2],
      [
        [1, 2],
        [3, 5],
        [0, 4],
      ],
    ];
    for (const argnums of [0, 1]) {
      expect(await at(grad(loss, { argnums }), ...args)).toEqual(
        await at(grad(plain, { argnums }), ...args),
      );
    }
  });

  test("collectives within function and rule", async () => {
    const f: Unary = customJvp(
      (x: Tensor) => psum(x, "i"),
      ([x], [t]) => [f(x), psum(t, "i").mul(10)],
    );
    const mapped = (g: Unary) => vmap(g, 0, 0, { axisName: "i" });
    expect(await at(mapped(f), [1, 2])).toEqual([3, 3]);
    expect(await at(mapped(grad((x: Tensor) => f(x.mul(x)))), [1, 2])).toEqual([40, 80]);
    const total = (x: Tensor) => mapped((y: Tensor) => f(y.mul(y)))(x).sum();
    expect(await at(grad(total), [1, 2])).toEqual([40, 80]);
    expect(
      await at(
        grad((x: Tensor) => grad(total)(x).sum()),
        [1, 2],
      ),
    ).toEqual([40, 40]);
  });

  test("trees, integers and outputs that have no tangent", async () => {
    type P = { a: Tensor; n: Tensor };
    const f = customJvp(
      (p: P) => ({ y: p.a.mul(2), n: p.n.add(1), z: [p.a.sum()] as const }),
      ([p], [t]) => {
        expect(t.n).toBeNull();
        return [
          { y: p.a.mul(2), n: p.n.add(1), z: [p.a.sum()] },
          { y: t.a.mul(20), n: null, z: [null] },
        ];
      },
    );
    const g = customVjp(
      (p: P) => ({ y: p.a.mul(2), n: p.n.add(1) }),
      (p) => [{ y: p.a.mul(2), n: p.n.add(1) }, null] as const,
      (_: null, ct: P & { y: Tensor }) => {
        expect(ct.n).toBeNull();
        return [{ a: ct.y.mul(30), n: null }];
      },
    );
    const n = array([1, 2], { dtype: "int32" });
    const run = (h: (p: P) => { y: Tensor; n: Tensor }) => (x: Tensor) => h({ a: x, n }).y.sum();
    expect(await at(grad(run(f)), [1, 2])).toEqual([20, 20]);
    expect(await at(grad(run(g)), [1, 2])).toEqual([30, 30]);
    const tangents = await reference(
      (x: Tensor) => jvp(f, [{ a: x, n }], [{ a: x, n: null }] as never)[1],
    )(hostArray([1, 2]));
    expect([tangents.y.toArray(), tangents.n, tangents.z[0].item()]).toEqual([[20, 40], null, 0]);
  });

  test("a function within the rule of another, and within grad, under both", async () => {
    const inner = doubled;
    const outer: Unary = customJvp(
      (x: Tensor) => inner(x).mul(x),
      ([x], [t]) => jvp((y: Tensor) => inner(y).mul(y), [x], [t]),
    );
    const want = 2 * Math.cos(0.5) * 0.5 + Math.sin(0.5);
    expect(await at(grad(outer), 0.5)).toBeCloseTo(want, 12);
    expect(await at(vmap(grad(outer)), [0.5])).toEqual([await at(grad(outer), 0.5)]);
    const right: Unary = customJvp(
      (x: Tensor) => log1pexp(x).mul(x),
      ([x], [t]) => jvp((y: Tensor) => log1pexp(y).mul(y), [x], [t]),
    );
    await checkGrads(right, [hostArray(0.5)], { order: 2 });
  });
});

describe("closures", () => {
  test("concrete tensors, keys and traced values that are not differentiated", async () => {
    const c = array([2, 3]);
    const run = (scale: Tensor) => {
      const f: Unary = customJvp(
        (x: Tensor) => x.mul(c).mul(scale),
        ([x], [t]) => [
          f(x),
          t
            .mul(array([1, 1]))
            .mul(c)
            .mul(scale)
            .mul(10),
        ],
      );
      return [grad((x: Tensor) => f(x).sum()), vmap(grad((x: Tensor) => f(x).sum()))] as const;
    };
    const first = (x: Tensor, s: Tensor) => run(s)[0](x);
    expect(await at(first, [1, 1], 5)).toEqual([100, 150]);
    const lanes = (x: Tensor, s: Tensor) => vmap((k: Tensor) => run(k)[0](x))(s);
    expect(await at(lanes, [1, 1], [5, 1])).toEqual([
      [100, 150],
      [20, 30],
    ]);
    expect(await at((x, s) => run(s)[1](x), [[1, 1]], 5)).toEqual([[100, 150]]);
  });

  test("second derivatives close over the same values again", async () => {
    const run = (x: Tensor, k: Tensor) => {
      const c = array(3);
      const f: Unary = customVjp(
        (y: Tensor) => y.pow(3).mul(k),
        (y) => [f(y), y] as const,
        // Tensors that are made anew each time the rule is traced.
        (y: Tensor, g: Tensor) => [g.mul(k).mul(c).mul(array(1)).mul(f(y).div(y).div(k))],
      );
      const g = customJvp(
        (y: Tensor) => y.pow(3).mul(k),
        ([y], [t]): [Tensor, Tensor] => [g(y), t.mul(c).mul(array(1)).mul(g(y).div(y))],
      ) as Unary;
      return [f, g].map((h) => [grad(h)(x), grad(grad(h))(x), grad(grad(grad(h)))(x)]);
    };
    const out = await reference(run)(hostArray(2), hostArray(5));
    for (const list of out) {
      [60, 60, 30].forEach((v, i) => {
        expect(list[i]!.item()).toBeCloseTo(v, 10);
      });
    }
  });

  test("differentiating what the function closes over is an error, never zero", () => {
    const viaJvp = (k: Tensor) =>
      customJvp(
        (x: Tensor) => x.mul(k),
        ([x], [t]) => [x.mul(k), t.mul(k)],
      );
    const viaVjp = (k: Tensor) =>
      customVjp(
        (x: Tensor) => x.mul(k),
        (x) => [x.mul(k), null] as const,
        (_, g: Tensor) => [g.mul(k)],
      );
    for (const make of [viaJvp, viaVjp]) {
      expect(() => grad((k: Tensor) => make(k)(array(2)))(array(3))).toThrow(
        /closes over a value that is being differentiated/,
      );
      // Only the rule closes over it.
      expect(() => grad((k: Tensor) => make(k)(k))(array(3))).toThrow(DawngradError);
    }
    const ruleOnly = (k: Tensor) =>
      customJvp(
        (x: Tensor) => x,
        ([x], [t]) => [x, t.mul(k)],
      );
    expect(() => grad((k: Tensor) => ruleOnly(k)(k))(array(3))).toThrow(/closes over/);
  });
});

describe("errors", () => {
  test("forward mode of customVjp", async () => {
    await init();
    const f = customVjp(
      (x: Tensor) => x,
      (x) => [x, null] as const,
      (_, g: Tensor) => [g],
    );
    expect(() => jvp(f, [array(1)], [array(1)])).toThrow(
      /^jvp: .* has a customVjp rule, which gives derivatives in reverse mode only/,
    );
    expect(() => jacfwd(f)(array(1))).toThrow(/customVjp/);
    expect(() => linearize(f, array(1))[1](array(1))).toThrow(/customVjp/);
  });

  test("rules whose results do not fit", () => {
    const x = array([1, 2]);
    const bad = (rule: () => unknown) => () =>
      grad((y: Tensor) => customJvp((v: Tensor) => v.mul(2), rule as never)(y).sum())(x);
    expect(bad(() => x)).toThrow(/must return a list of two/);
    expect(bad(() => [[x], x])).toThrow(
      /has the structure \[leaf\], but the function returns leaf/,
    );
    expect(bad(() => [x.sum(), x])).toThrow(
      /float32\[\] at "\(root\)", but the function returns float32\[2\]/,
    );
    expect(bad(() => [x, x.sum()])).toThrow(ShapeError);
    const badBack = (bwd: () => unknown) => () =>
      grad((y: Tensor) =>
        customVjp(
          (v: Tensor) => v.mul(2),
          (v) => [v.mul(2), null],
          bwd as never,
        )(y).sum(),
      )(x);
    expect(badBack(() => x)).toThrow(/must return a list of 1/);
    expect(badBack(() => [x.sum()])).toThrow(/its cotangent is float32\[\]/);
    expect(() => grad(customJvp((v: Tensor) => v))(array(1))).toThrow(/has no rule yet/);
  });
});

test("a straight-through estimator and a loss on the device, one program each", async () => {
  await init();
  const round: Unary = customVjp(
    (x: Tensor) => x.round(),
    (x) => [x.round(), null] as const,
    (_, g: Tensor) => [g],
  );
  const step = jit(grad((w: Tensor) => round(w.mul(4)).square().sum()));
  expect(await step(array([0.3, -0.6])).toArray()).toEqual([8, -16]);
  // Eagerly, vmapped, and with a random key closed over.
  expect(await vmap(round)(array([0.4, 1.6])).toArray()).toEqual([0, 2]);
  const key = random.key(0);
  const noisy = customJvp(
    (x: Tensor) => x.add(random.normal(key)),
    ([x], [t]) => [mul(x, 1), t],
  );
  expect(await grad(noisy)(array(1)).item()).toBe(1);
  const safe = where(array([true]), round(array([0.6])), 0);
  expect(await safe.toArray()).toEqual([1]);
});
