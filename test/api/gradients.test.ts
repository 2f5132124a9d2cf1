/**
 * Gradients of the operations against jax.grad (test/fixtures/make_jax.py), at points where a
 * convention decides (ties, kinks, zeros) and at plain ones; and where the convention here is another,
 * which is said in so many words.
 */
import { readFileSync } from "node:fs";
import * as dg from "dawngrad";
import { array, grad, type Tensor } from "dawngrad";
import { type HostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";

interface Values {
  readonly shape: readonly number[];
  readonly values: readonly (number | string)[];
}

const url = new URL("../fixtures/jax.json", import.meta.url);
const { gradients } = JSON.parse(readFileSync(url, "utf8")) as {
  readonly gradients: readonly { name: string; args: Values[]; grads: Values[] }[];
};

type Op = (...xs: Tensor[]) => Tensor;

/** Names of the fixtures that are not one-argument operations of that name. */
const special: Readonly<Record<string, Op>> = {
  geluExact: (x) => dg.gelu(x!, { approximate: false }),
  clip: (x) => dg.clip(x!, -1, 1.75),
  max: (x) => dg.max(x!, 1),
  min: (x) => dg.min(x!, 0),
  prod: (x) => dg.prod(x!, 1),
  prodAll: (x) => dg.prod(x!),
  cumprod: (x) => dg.cumprod(x!, 1),
  cumsum: (x) => dg.cumsum(x!, 0),
  var: (x) => dg.variance(x!, 0),
  std: (x) => dg.std(x!, 1),
  logsumexp: (x) => dg.logsumexp(x!, 1),
  pow2: (x) => x!.pow(2),
  pow0: (x) => x!.pow(0),
  pow3: (x) => x!.pow(3),
  powTensor: (x, y) => dg.pow(x!, y!),
  sum: (x) => dg.sum(x!, 0),
  mean: (x) => dg.mean(x!, 1),
  take: (x) => dg.take(x!, array([2, 0, 2], { dtype: "int32" }), 1),
  roll: (x) => dg.roll(x!, 1),
  pad: (x) =>
    dg.pad(
      x!,
      [
        [1, 1],
        [0, 2],
      ],
      { mode: "reflect" },
    ),
  tile: (x) => dg.tile(x!, [2, 1]),
  diagonal: (x) => dg.diagonal(x!, { offset: 1 }),
  median: (x) => dg.median(x!, 0),
  norm: (x) => dg.norm(x!, { axis: 1 }),
  sort: (x) => dg.sort(x!, 1),
  einsum: (a, b, c) => dg.einsum("ij,kj,k->i", a!, b!, c!),
  where: (a, b) => dg.where(a!.greater(0), a!, b!),
};

const named = dg as unknown as Record<string, Op>;

/** Weights that tell the outputs apart, as in the fixture. */
function loss(f: Op, xs: readonly Tensor[]): Tensor {
  const y = f(...xs);
  const w = dg.arange(y.size).add(1).div(4).reshape(y.shape);
  return y.mul(w).sum();
}

const number = (v: number | string): number => Number(v);

async function gradientsOf(f: Op, args: readonly Tensor[]): Promise<HostArray[]> {
  const g = grad((...xs: Tensor[]) => loss(f, xs), { argnums: args.map((_, i) => i) });
  return (await reference(g as (...xs: Tensor[]) => Tensor[])(...args)) as HostArray[];
}

/** |x| has derivative 0 at 0 here, the middle of its subgradients, as in PyTorch; 1 in JAX. */
const others = new Set(["abs"]);

test("abs at 0", async () => {
  const [g] = await gradientsOf((x) => dg.abs(x!), [array([-1, 0, 1])]);
  expect([...g!.data]).toEqual([-0.25, 0, 0.75]);
});

describe("gradients are JAX's", () => {
  for (const { name, args, grads } of gradients.filter((g) => !others.has(g.name))) {
    test(name, async () => {
      const xs = args.map((a) => array(a.values.map(number), { shape: a.shape }));
      const out = await gradientsOf(special[name] ?? named[name]!, xs);
      out.forEach((g, i) => {
        const want = grads[i]!;
        expect(g.shape).toEqual(want.shape);
        want.values.forEach((v, k) => {
          const value = number(v);
          const have = g.data[k]!;
          // JAX computes in float32; a handful of roundings of sums of a few terms.
          const near = Math.abs(have - value) <= 2 ** -18 * Math.max(1, Math.abs(value));
          expect(near || Object.is(have, value), `${name}'${i}[${k}]: ${have}, JAX ${value}`).toBe(
            true,
          );
        });
      });
    });
  }
});

describe("gradients that are 0 where JAX's are NaN or infinite", () => {
  const zero = array([0, 0]);
  const cases: readonly (readonly [string, Op])[] = [
    ["norm", (x) => dg.norm(x!)],
    ["norm of order 3", (x) => dg.norm(x!, { ord: 3 })],
    ["std", (x) => dg.std(x!)],
    ["hypot", (x) => dg.hypot(x!, x!)],
    ["cbrt", (x) => dg.cbrt(x!)],
    ["tree.norm", (x) => dg.tree.norm({ a: x!, b: [x!] })],
    ["norm inside a product", (x) => dg.norm(x!).mul(x!.sum().add(1))],
  ];
  test.each(cases)("%s at 0", async (_, f) => {
    const [g] = await gradientsOf(f, [zero]);
    expect([...g!.data].map(Math.abs)).toEqual([0, 0]);
  });

  test("second derivatives of norm at 0 are finite", async () => {
    const h = dg.hessian((x: Tensor) => dg.norm(x));
    const out = await reference(h as (x: Tensor) => Tensor)(zero);
    expect([...out.data].every((v) => v === 0)).toBe(true);
  });
});

describe("no gradient overflows on the branch not taken", () => {
  const big = array([1000, -1000]);
  test.each(["softplus", "elu", "selu", "logSigmoid", "sigmoid", "silu", "mish", "gelu"])(
    "%s",
    async (name) => {
      const [g] = await gradientsOf(named[name]!, [big]);
      expect([...g!.data].every(Number.isFinite)).toBe(true);
    },
  );

  test("logsumexp and softmax of huge and infinite numbers", async () => {
    const x = array([1e30, 1e30, Number.NEGATIVE_INFINITY]);
    const [g] = await gradientsOf((v) => dg.logsumexp(v!), [x]);
    [1 / 8, 1 / 8, 0].forEach((want, i) => {
      expect(g!.data[i]).toBeCloseTo(want, 6);
    });
    const [s] = await gradientsOf((v) => dg.softmax(v!), [x]);
    expect([...s!.data].every(Number.isFinite)).toBe(true);
    const none = await reference((v: Tensor) => dg.logsumexp(v))(
      array([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]),
    );
    expect(none.item()).toBe(Number.NEGATIVE_INFINITY);
  });
});
