/**
 * jax.random's own numbers (test/fixtures/make_jax.py): on the f64 reference and on the device. Bits,
 * integers, permutations and uniform numbers are equal; what goes through transcendental functions is
 * near.
 */
import { readFileSync } from "node:fs";
import { array, init, jit, random, type Tensor, vmap } from "dawngrad";
import { reference } from "dawngrad/testing";
import { beforeAll, describe, expect, test } from "vitest";

interface Values {
  readonly shape: readonly number[];
  readonly values: readonly (number | boolean)[];
}

const url = new URL("../fixtures/jax.json", import.meta.url);
const jax = JSON.parse(readFileSync(url, "utf8")) as {
  readonly seeds: readonly { readonly seed: number; readonly key: Values }[];
  readonly random: Readonly<Record<string, Values>>;
};

const k = random.key(42);
const ints = (...x: number[]): Tensor => array(x, { dtype: "int32" });
const matrix = (rows: number, columns: number): Tensor =>
  array(
    Float32Array.from({ length: rows * columns }, (_, i) => i),
    { shape: [rows, columns] },
  );
const logits = array([
  [0, 1, 2],
  [3, 0, -3],
]);
const p = array([0.1, 0.2, 0.3, 0.4]);
const perKey = (n: number, f: (key: Tensor) => Tensor): Tensor => vmap(f)(random.split(k, n));

const samples: Readonly<Record<string, () => Tensor>> = {
  uniform0: () => random.uniform(random.key(0)),
  uniformSplit0: () => random.uniform([...random.split(random.key(0))][1]!),
  normal0: () => random.normal(random.key(0)),
  split: () => random.split(k),
  split5: () => random.split(k, 5),
  splitShape: () => random.split(k, [2, 3]),
  foldIn: () => random.foldIn(k, 1),
  foldInLarge: () => random.foldIn(k, 4000000000),
  bits: () => random.bits(k, [3, 5]),
  bitsScalar: () => random.bits(k),
  uniform: () => random.uniform(k, [7]),
  uniformRange: () => random.uniform(k, [2, 3], { minval: -2, maxval: 3 }),
  normal: () => random.normal(k, [3, 4]),
  truncatedNormal: () => random.truncatedNormal(k, -1, 2, [8]),
  bernoulli: () => random.bernoulli(k, 0.3, [12]),
  bernoulliDefault: () => random.bernoulli(k),
  rademacher: () => random.rademacher(k, [12]),
  randint: () => random.randint(k, [9], 0, 10),
  randintNegative: () => random.randint(k, [9], -1000000, 2000000000),
  randintFull: () => random.randint(k, [4], -(2 ** 31), 2 ** 31 - 1),
  randintEmpty: () => random.randint(k, [3], 5, 5),
  randintUint: () => random.randint(k, [4], 3, 2000000000, { dtype: "uint32" }),
  randintBounds: () => random.randint(k, [2, 3], ints(0, 10, 100), ints(10, 20, 1000)),
  categorical: () => random.categorical(k, logits),
  categoricalAxis0: () => random.categorical(k, logits, { axis: 0 }),
  categoricalShape: () => random.categorical(k, logits, { shape: [5, 2] }),
  gumbel: () => random.gumbel(k, [6]),
  exponential: () => random.exponential(k, [6]),
  laplace: () => random.laplace(k, [6]),
  logistic: () => random.logistic(k, [6]),
  cauchy: () => random.cauchy(k, [6]),
  permutation: () => random.permutation(k, 10),
  permutation1700: () => random.permutation(k, 1700),
  permutationArray: () => random.permutation(k, matrix(4, 3)),
  permutationAxis: () => random.permutation(k, matrix(4, 3), { axis: 1 }),
  permutationIndependent: () => random.permutation(k, matrix(4, 3), { axis: 1, independent: true }),
  choice: () => random.choice(k, 10, [6]),
  choiceArray: () => random.choice(k, matrix(10, 1).mul(2).ravel(), [2, 3]),
  choiceAxis: () => random.choice(k, matrix(3, 4), [2], { axis: 1 }),
  choiceNoReplace: () => random.choice(k, 10, [4], { replace: false }),
  choiceNoReplaceArray: () => random.choice(k, matrix(3, 4), [2], { axis: 1, replace: false }),
  choiceP: () => random.choice(k, 4, [8], { p }),
  choicePNoReplace: () => random.choice(k, 4, [3], { p, replace: false }),
  vmapUniform: () => perKey(4, (q) => random.uniform(q, [3])),
  vmapPermutation: () => perKey(3, (q) => random.permutation(q, 5)),
  vmapRandint: () => perKey(3, (q) => random.randint(q, [2], 0, 100)),
};

/** Relative to max(1, |value|): a few roundings of float32, and of logarithms near 0. */
const room: Readonly<Record<string, number>> = {
  uniformRange: 2 ** -22,
  normal0: 2 ** -20,
  normal: 2 ** -20,
  truncatedNormal: 2 ** -20,
  gumbel: 2 ** -19,
  exponential: 2 ** -20,
  laplace: 2 ** -20,
  logistic: 2 ** -19,
  cauchy: 2 ** -18,
};

function compare(name: string, shape: readonly number[], data: ArrayLike<number>): void {
  const want = jax.random[name]!;
  expect(shape).toEqual(want.shape);
  const tolerance = room[name] ?? 0;
  want.values.forEach((v, i) => {
    const value = Number(v);
    const far = Math.abs(data[i]! - value) > tolerance * Math.max(1, Math.abs(value));
    expect(far, `${name}[${i}]: ${data[i]}, JAX has ${value}`).toBe(false);
  });
}

test("every fixture is tested", () => {
  expect(Object.keys(samples).sort()).toEqual(Object.keys(jax.random).sort());
});

describe("jax.random's numbers on the reference", () => {
  for (const [name, sample] of Object.entries(samples)) {
    test(name, async () => {
      const out = await reference(sample)();
      compare(name, out.shape, out.data);
    });
  }
});

describe("jax.random's numbers on the device", () => {
  beforeAll(async () => {
    await init();
  });
  for (const [name, sample] of Object.entries(samples)) {
    test(name, async () => {
      const out = jit(sample)();
      compare(name, out.shape, await out.data());
    });
  }
});

describe("keys", () => {
  for (const { seed, key } of jax.seeds) {
    test(`seed ${seed}`, async () => {
      expect([...(await random.key(seed).data())]).toEqual(key.values);
    });
  }

  test("an integer tensor is a seed", async () => {
    const out = await reference((s: Tensor) => random.key(s))(array(-1, { dtype: "int32" }));
    expect([...out.data]).toEqual([0, 2 ** 32 - 1]);
  });

  test.each([Number.NaN, 0.5, Number.POSITIVE_INFINITY, 2 ** 60])("seed %s is refused", (seed) => {
    expect(() => random.key(seed)).toThrow(/random\.key: the seed .* must be an integer/);
  });

  test("what is not a key says so", () => {
    expect(() => random.uniform(array([1, 2]))).toThrow(
      /random\.uniform: a key is a uint32\[2\], not float32\[2\]; make one with random\.key/,
    );
    const several = random.key(0).reshape([1, 2]);
    expect(() => random.normal(several)).toThrow(/several keys: take one, or use vmap/);
  });

  test("mistakes in parameters", () => {
    expect(() => random.choice(k, 3, [4], { replace: false })).toThrow(
      /random\.choice: cannot draw 4 of 3 without replacement/,
    );
    expect(() => random.choice(k, 3, [4], { p })).toThrow(/one probability for each of the 3/);
    expect(() => random.randint(k, [2], 0.5, 3)).toThrow(/bound 0\.5 must be a whole number/);
    expect(() => random.foldIn(k, 0.5)).toThrow(/data 0\.5 must be an integer/);
    expect(() => random.uniform(k, [-1])).toThrow(/random\.uniform: shape \[-1\]/);
    expect(() => jit((s: number) => random.key(s as never))(3)).toThrow(
      /a number that is traced is a float/,
    );
  });
});

describe("distributions", () => {
  // z-scores of the sample mean and mean square of n draws; 4.5σ is 7e-6.
  const n = 4096;
  const cases: readonly (readonly [string, () => Tensor, number, number, number])[] = [
    ["uniform", () => random.uniform(random.key(3), [n]), 1 / 2, 1 / 12, 1 / 80],
    ["normal", () => random.normal(random.key(3), [n]), 0, 1, 3],
    ["exponential", () => random.exponential(random.key(3), [n]), 1, 1, 9],
    ["laplace", () => random.laplace(random.key(3), [n]), 0, 2, 24],
    ["rademacher", () => random.rademacher(random.key(3), [n]), 0, 1, 1],
  ];
  test.each(cases)("moments of %s", async (_, sample, mean, variance, fourth) => {
    const { data } = await reference(sample)();
    const list = Array.from(data);
    const m = list.reduce((a, b) => a + b, 0) / n;
    const v = list.reduce((a, b) => a + (b - mean) ** 2, 0) / n;
    expect(Math.abs(m - mean)).toBeLessThan(4.5 * Math.sqrt(variance / n));
    const spread = Math.sqrt(Math.max(fourth - variance ** 2, 0) / n);
    expect(Math.abs(v - variance)).toBeLessThanOrEqual(4.5 * spread + 1e-12);
  });
});
