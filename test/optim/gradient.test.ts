/** gradientOf, accumulate, and the laws that every member of the sharpness family keeps. */
import { array, init, jit, makeGraph, random, type Tensor, type TensorLike, tree } from "dawngrad";
import { dense, dropout, relu, serial, softmaxCrossEntropy } from "dawngrad/nn";
import {
  accumulate,
  applyUpdates,
  type CrSamOptions,
  crSam,
  type GradFn,
  gnp,
  gradientOf,
  gsam,
  sam,
  sgd,
} from "dawngrad/optim";
import { type HostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";

await init();

interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}
interface Counter {
  readonly seen: Tensor;
  readonly mean: Tensor;
}

const model = serial([dense(5), relu(), dropout(0.25), dense(3)]);
const made = () => model.init(random.key(1), [4, 6]);
type Params = ReturnType<typeof made>["params"];

/** State as batch norm keeps it: depends on params and batch, so a perturbed pass would show. */
const loss = (params: Params, state: Counter, { x, y }: Batch, key: Tensor) => {
  const [logits] = model.apply(params, [null, null, null, null], x, { train: true, key });
  const perExample = softmaxCrossEntropy(logits, y);
  return {
    loss: perExample.mean(),
    state: { seen: state.seen.add(1), mean: state.mean.mul(0.9).add(logits.mean().mul(0.1)) },
    aux: { logitMean: logits.mean(), largest: logits.max() },
    perExample,
    logits,
  };
};
const base = gradientOf(loss);

const batchOf = (n: number): Batch => ({
  x: random.normal(random.key(2), [n, 6]),
  y: random.randint(random.key(3), [n], 0, 3),
});
const start = (): Counter => ({ seen: array(0, { dtype: "int32" }), mean: array(0.5) });

const bits = async (x: unknown): Promise<number[][]> =>
  Promise.all(tree.leaves(x as never).map(async (t) => [...(await (t as Tensor).data())]));

test("gradientOf gives loss, gradients in the parameters' structure, state and aux", async () => {
  const { params } = made();
  const r = base(params, start(), batchOf(4), random.key(0));
  expect(String(tree.structure(r.grads as never))).toBe(String(tree.structure(params as never)));
  expect(await r.state.seen.item()).toBe(1);
  expect(r.perExample!.shape).toEqual([4]);
  expect(r.logits!.shape).toEqual([4, 3]);
  expect(Object.keys(r.aux)).toEqual(["largest", "logitMean"]);
});

test("gradientOf refuses a loss function that returns something else", () => {
  const wrong = ((w: Tensor) => w.sum()) as never;
  expect(() =>
    gradientOf(wrong)(array([1]) as never, null as never, null as never, null as never),
  ).toThrow(/must return \{ loss, state, aux\? \}/);
});

type Step = GradFn<Params, Counter, Batch, Tensor, unknown>;
const members: [string, (rho: TensorLike) => Step][] = [
  ["sam", (rho) => sam({ rho })(base)],
  ["adaptive sam", (rho) => sam({ rho, adaptive: true, eta: 0.01 })(base)],
  ["gnp", (rho) => gnp({ rho, alpha: 0.7 })(base)],
  ["gsam", (rho) => gsam({ rho, alpha: 0.4 })(base)],
  ...(
    [
      {},
      { lanes: "sequential" },
      { variant: "paper" },
      { variant: "paper", negative: "softabs" },
      { variant: "paper", through: "full" },
      { curvature: "exact", variant: "paper" },
      { direction: "rademacher" },
      { direction: "normal", variant: "paper" },
    ] satisfies CrSamOptions[]
  ).map((o): [string, (rho: TensorLike) => Step] => [
    `crSam ${JSON.stringify(o)}`,
    (rho) => crSam({ ...o, rho })(base),
  ]),
];

describe.each(members)("%s", (_, member) => {
  const { params } = made();
  const args = [params, start(), batchOf(8), random.key(7)] as const;

  test("rho = 0 as data is the base gradient, bit for bit; loss and state are the clean pass's", async () => {
    const both = jit((rho: number, ...rest: Parameters<typeof base>) => ({
      clean: base(...rest),
      sharp: member(rho)(...rest),
    }));
    const still = both(0, ...args);
    expect(await bits(still.sharp.grads)).toEqual(await bits(still.clean.grads));
    const { clean, sharp } = both(0.1, ...args);
    expect(await bits(sharp.grads)).not.toEqual(await bits(clean.grads));
    expect(await sharp.loss.item()).toBe(await clean.loss.item());
    expect(await bits(sharp.state)).toEqual(await bits(clean.state));
  }, 180_000);

  test("rho = 0 as an option leaves the base optimizer's program", () => {
    const optimizer = sgd({ learningRate: 0.1, momentum: 0.9 });
    const step =
      (gradFn: Step) =>
      (...[p, s, batch, k]: Parameters<typeof base>) => {
        const { loss: value, grads, state } = gradFn(p, s, batch, k);
        const [updates, next] = optimizer.update(grads, optimizer.init(p), p);
        return [applyUpdates(p, updates), state, next, value];
      };
    expect(String(makeGraph(step(member(0)))(...args))).toBe(
      String(makeGraph(step(base))(...args)),
    );
  });
});

describe("a gradient of zero", () => {
  const flat = gradientOf((w: Tensor, state: null) => ({ loss: w.mul(w).sum(), state }));
  const zero = array([0, 0]);
  test.each([
    ["sam", sam({ rho: 0.1 })(flat)],
    ["adaptive sam", sam({ rho: 0.1, adaptive: true })(flat)],
    ["gnp", gnp({ rho: 0.1, alpha: 0.5 })(flat)],
    ["gsam", gsam({ rho: 0.1, alpha: 0.5 })(flat)],
    ["crSam code", crSam()(flat)],
    ["crSam paper", crSam({ variant: "paper" })(flat)],
    ["crSam zero", crSam({ variant: "paper", negative: "zero" })(flat)],
    ["crSam softabs", crSam({ variant: "paper", negative: "softabs" })(flat)],
    ["crSam full", crSam({ variant: "paper", through: "full" })(flat)],
    ["crSam exact", crSam({ variant: "paper", curvature: "exact" })(flat)],
    ["crSam exact, full", crSam({ variant: "paper", curvature: "exact", through: "full" })(flat)],
  ] as const)("%s stays put and gives no NaN", async (_, step) => {
    const r = jit(step as GradFn<Tensor, null, null, null, unknown>)(zero, null, null, null);
    expect(await r.grads.toArray()).toEqual([0, 0]);
    for (const x of (await bits(r.aux)).flat()) expect(Number.isFinite(x)).toBe(true);
  });
});

const closeTrees = (a: unknown, b: unknown, tolerance: number): void => {
  const [x, y] = [a, b].map((t) => tree.leaves(t as never) as unknown as HostArray[]);
  x!.forEach((leaf, i) => {
    leaf.data.forEach((v, j) => {
      expect(Math.abs(v - y![i]!.data[j]!)).toBeLessThanOrEqual(
        tolerance * Math.max(1, Math.abs(v)),
      );
    });
  });
};

test("vmapped lanes equal sequential ones", async () => {
  const { params } = made();
  const args = [params, start(), batchOf(8), random.key(7)] as const;
  for (const variant of ["code", "paper"] as const) {
    const run = (lanes: "vmap" | "sequential") =>
      reference(crSam({ variant, lanes, rho: 0.1 })(base))(...args);
    closeTrees(await run("vmap"), await run("sequential"), 1e-12);
  }
});

test("along random directions per-example differences keep the curvature that the mean rounds away", async () => {
  // A large constant offset in the losses: naive differences of means lose everything.
  const offset = (w: Tensor, state: null, x: Tensor) => {
    const perExample = w.mul(x).sum(1).square().add(1000);
    return { loss: perExample.mean(), state, perExample };
  };
  const w = array([0.5, -0.25]);
  const x = random.normal(random.key(5), [64, 2]);
  const o = { rho: 0.05, direction: "rademacher" } as const;
  const exact = await reference(crSam(o)(gradientOf(offset)))(w, null, x, random.key(1));
  const device = jit(crSam(o)(gradientOf(offset)))(w, null, x, random.key(1));
  expect(exact.aux.A.item()).toBeGreaterThan(0);
  // Each example's loss has an error of 2^-24·1000; the difference of three keeps about four of them.
  expect(Math.abs((await device.aux.A.item()) - exact.aux.A.item())).toBeLessThan(
    4 * 1000 * 2 ** -23,
  );
});

test("a random direction needs a key", () => {
  const f = crSam({ direction: "normal" })(
    gradientOf((w: Tensor, s: null) => ({ loss: w.sum(), state: s })),
  );
  expect(() => f(array([1]), null, null, null)).toThrow(/draws from the step's key.*random\.key/);
});

test("wrong options name themselves", () => {
  expect(() => crSam({ rho: -1 })).toThrow(/crSam: rho is -1/);
  expect(() => crSam({ variant: "Paper" as "paper" })).toThrow(
    /variant is "Paper"; it is one of "code", "paper"/,
  );
  expect(() => crSam({ floor: { A: 1, B: Number.NaN } })).toThrow(/floor\.B is NaN/);
  expect(() => sam({ rho: Number.POSITIVE_INFINITY })).toThrow(/sam: rho is Infinity/);
});

describe("accumulate", () => {
  const plain = gradientOf((w: Tensor, seen: Tensor, batch: { x: Tensor; weights?: Tensor }) => {
    const values = batch.x.mul(w).sum(1).square();
    const loss = batch.weights
      ? values.mul(batch.weights).sum().div(batch.weights.sum())
      : values.mean();
    return { loss, state: seen.add(1), aux: { top: values.max() }, perExample: values };
  });
  const w = array([0.5, -1]);
  const x = random.normal(random.key(9), [12, 2]);
  const weights = array([1, 2, 3, 4, 5, 6, 1, 1, 1, 2, 2, 2]);

  test.each(["sequential", "vmap"] as const)(
    "%s: the mean over parts is the whole batch's",
    async (mode) => {
      for (const batch of [{ x }, { x, weights }]) {
        const whole = await reference(plain)(w, array(0), batch, null);
        const parts = await reference(accumulate(plain, { steps: 3, mode }))(
          w,
          array(0),
          batch,
          null,
        );
        closeTrees(parts.grads, whole.grads, 1e-12);
        closeTrees(parts.loss, whole.loss, 1e-12);
        closeTrees(parts.perExample, whole.perExample, 1e-12);
        expect(parts.state.item()).toBe(mode === "sequential" ? 3 : 1);
      }
    },
  );

  test.each(["sequential", "vmap"] as const)(
    "%s: a part that is all padding adds nothing",
    async (mode) => {
      const padded = { x, weights: array([1, 2, 3, 4, 5, 6, 1, 1, 0, 0, 0, 0]) };
      const whole = await reference(plain)(w, array(0), padded, null);
      const parts = await reference(accumulate(plain, { steps: 3, mode }))(
        w,
        array(0),
        padded,
        null,
      );
      closeTrees(parts.grads, whole.grads, 1e-12);
      expect(Math.abs(parts.loss.item() - whole.loss.item())).toBeLessThan(1e-12);
    },
  );

  test("one step is the gradient function itself", async () => {
    const one = await reference(accumulate(plain, { steps: 1 }))(w, array(0), { x }, null);
    closeTrees(one, await reference(plain)(w, array(0), { x }, null), 0);
  });

  test("accumulate(sam) perturbs each part by itself; sam(accumulate) the whole", async () => {
    const rho = 0.3;
    const inner = await reference(accumulate(sam({ rho })(plain), { steps: 3 }))(
      w,
      array(0),
      { x },
      null,
    );
    const outer = await reference(sam({ rho })(accumulate(plain, { steps: 3 })))(
      w,
      array(0),
      { x },
      null,
    );
    const whole = await reference(sam({ rho })(plain))(w, array(0), { x }, null);
    closeTrees(outer.grads, whole.grads, 1e-12);
    expect(inner.grads.toArray()).not.toEqual(outer.grads.toArray());
    const parts = await Promise.all(
      [0, 4, 8].map((i) =>
        reference((p: Tensor, s: Tensor, all: Tensor) =>
          sam({ rho })(plain)(p, s, { x: all.slice([i, 0], [i + 4, 2]) }, null),
        )(w, array(0), x),
      ),
    );
    const mean = [0, 1].map((k) => parts.reduce((s, p) => s + p.grads.data[k]!, 0) / 3);
    mean.forEach((v, k) => {
      expect(Math.abs(inner.grads.data[k]! - v)).toBeLessThan(1e-12);
    });
  });

  test("a batch that does not divide names the leaf", () => {
    expect(() => accumulate(plain, { steps: 5 })(w, array(0), { x }, null)).toThrow(
      /batch's leaf "\.x" float32\[12,2\] has 12 elements, which 5 steps do not divide/,
    );
    expect(() => accumulate(plain, { steps: 0 })).toThrow(/steps is 0/);
  });
});
