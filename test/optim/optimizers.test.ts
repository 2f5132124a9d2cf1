/** Optimizers against trajectories of PyTorch (test/fixtures/make_optim.py), evaluated in f64. */
import { readFileSync } from "node:fs";
import { array, grad, init, jit, type Tensor, type TensorLike, tree } from "dawngrad";
import * as optim from "dawngrad/optim";
import { hostArray, reference } from "dawngrad/testing";
import { beforeAll, describe, expect, test } from "vitest";

interface Params<T> {
  readonly w: T;
  readonly b: T;
}
type Values = Params<number[][] | number[]>;
interface Fixture {
  readonly start: Values;
  readonly trajectories: readonly {
    readonly optimizer: "sgd" | "adam" | "adamw" | "rmsprop";
    readonly options: { readonly learningRate: number };
    readonly params: readonly Values[];
  }[];
  readonly scheduled: readonly Values[];
}
const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/optim.json", import.meta.url), "utf8"),
) as Fixture;

/** Σw⁴/4 + w₀·w₁ + Σb² + Σsin(b)·Σw, as in the fixture's script. */
function loss({ w, b }: Params<Tensor>): Tensor {
  const [row0, row1] = [w.slice([0, 0], [1, 3]), w.slice([1, 0], [2, 3])];
  return w
    .mul(w)
    .mul(w)
    .mul(w)
    .sum()
    .div(4)
    .add(row0.mul(row1).sum())
    .add(b.mul(b).sum())
    .add(b.sin().sum().mul(w.sum()));
}

/** The parameters after each of `steps` steps, unrolled: one graph, one evaluation. */
const unrolled =
  (optimizer: optim.Transformation, steps: number) =>
  (start: Params<Tensor>): Params<Tensor>[] => {
    let params = start;
    let state = optimizer.init(params);
    return Array.from({ length: steps }, () => {
      const [updates, next] = optimizer.update(grad(loss)(params), state, params);
      state = next;
      params = optim.applyUpdates(params, updates);
      return params;
    });
  };

const flat = (x: unknown): number[] => (Array.isArray(x) ? x.flatMap(flat) : [x as number]);
const start = () => ({ w: hostArray(fixture.start.w), b: hostArray(fixture.start.b) });

// Constants that are folded at trace time are rounded to float32; a few steps carry that on.
const tolerance = 1e-6;
function compare(have: readonly Params<{ toArray(): unknown }>[], want: readonly Values[]): void {
  want.forEach((values, t) => {
    for (const k of ["w", "b"] as const) {
      const a = flat(have[t]![k].toArray());
      flat(values[k]).forEach((v, i) => {
        expect(Math.abs(a[i]! - v), `step ${t}, ${k}[${i}]: ${a[i]} against ${v}`).toBeLessThan(
          tolerance * Math.max(1, Math.abs(v)),
        );
      });
    }
  });
}

const make = (name: Fixture["trajectories"][number]["optimizer"], options: optim.SgdOptions) =>
  ({ sgd: optim.sgd, adam: optim.adam, adamw: optim.adamw, rmsprop: optim.rmsprop })[name](options);

describe("PyTorch's trajectories", () => {
  test.each(
    fixture.trajectories.map((t) => [`${t.optimizer} ${JSON.stringify(t.options)}`, t] as const),
  )("%s", async (_, t) => {
    const f = unrolled(make(t.optimizer, t.options), t.params.length);
    compare(await reference(f)(start()), t.params);
  });

  test("a schedule counts its steps in the state", async () => {
    const optimizer = optim.sgd({ learningRate: optim.exponential(0.05, 1, 0.5), momentum: 0.9 });
    compare(
      await reference(unrolled(optimizer, fixture.scheduled.length))(start()),
      fixture.scheduled,
    );
  });
});

const g3 = { a: hostArray([3, 0]), b: hostArray(4) };
const apply = (t: optim.Transformation, steps = 1) =>
  reference((g: { a: Tensor; b: Tensor }, p: { a: Tensor; b: Tensor }) => {
    let state = t.init(p);
    let out = g;
    for (let i = 0; i < steps; i++) [out, state] = t.update(g, state, p);
    return out;
  })(g3, { a: hostArray([10, 20]), b: hostArray(30) });
const show = async (r: ReturnType<typeof apply>) => {
  const { a, b } = await r;
  return flat([a.toArray(), b.toArray()]).map((x) => Number(x.toFixed(6)));
};

describe("transformations", () => {
  test("clipByGlobalNorm scales the whole tree, and only where it is too long", async () => {
    expect(await show(apply(optim.clipByGlobalNorm(1)))).toEqual([0.6, 0, 0.8]);
    expect(await show(apply(optim.clipByGlobalNorm(5)))).toEqual([3, 0, 4]);
    expect(await show(apply(optim.chain(optim.scale(0), optim.clipByGlobalNorm(1))))).toEqual([
      0, 0, 0,
    ]);
  });
  test("clip is elementwise", async () => {
    expect(await show(apply(optim.clip(3.5)))).toEqual([3, 0, 3.5]);
  });
  test("addDecayedWeights, with and without a mask", async () => {
    expect(await show(apply(optim.addDecayedWeights(0.1)))).toEqual([4, 2, 7]);
    expect(await show(apply(optim.addDecayedWeights(0.1, { a: true, b: false })))).toEqual([
      4, 2, 4,
    ]);
    const byRank = (p: unknown) => tree.map((x: Tensor) => x.ndim > 0, p as never);
    expect(await show(apply(optim.addDecayedWeights(0.1, byRank)))).toEqual([4, 2, 4]);
  });
  test("masked leaves the others alone", async () => {
    const t = optim.masked(optim.trace({ decay: 0.5 }), { a: false, b: true });
    expect(await show(apply(t, 3))).toEqual([3, 0, 7]);
  });
  test("ema, debiased and not", async () => {
    expect(await show(apply(optim.ema({ decay: 0.9 }), 3))).toEqual([3, 0, 4]);
    expect(await show(apply(optim.ema({ decay: 0.5, debias: false }), 2))).toEqual([2.25, 0, 3]);
  });
  test("lion: two steps by hand", async () => {
    // m = 0: c = 0.1 g, m = 0.01 g. Update −lr(sign(c) + wd·w).
    const t = optim.lion({ learningRate: 0.1, weightDecay: 0.01 });
    expect(await show(apply(t, 2))).toEqual([-0.11, -0.02, -0.13]);
  });
  test("scaleBySchedule uses the count before the update", async () => {
    const t = optim.scaleBySchedule(optim.piecewise(1, { 2: 10 }));
    expect(await show(apply(t, 2))).toEqual([3, 0, 4]);
    expect(await show(apply(t, 3))).toEqual([30, 0, 40]);
  });
});

describe("errors", () => {
  const p = { a: hostArray([1, 2]), b: hostArray(0) };
  const withState = (t: optim.Transformation, other: optim.Transformation) =>
    reference((x: { a: Tensor; b: Tensor }) => t.update(x, other.init(x), x)[0])(p);
  test("a state of another optimizer", async () => {
    await expect(
      withState(optim.adam({ learningRate: 1 }), optim.sgd({ learningRate: 1 })),
    ).rejects.toThrow(/chain: the state does not belong/);
    await expect(withState(optim.scaleByAdam(), optim.trace({ decay: 0.9 }))).rejects.toThrow(
      /scaleByAdam: the optimizer's state has no "mu".*init\(params\)/,
    );
  });
  test("options out of range", () => {
    expect(() => optim.sgd({ learningRate: -1 })).toThrow(/learningRate is -1/);
    expect(() => optim.sgd({ learningRate: 1, nesterov: true })).toThrow(/nesterov needs momentum/);
    expect(() => optim.sgd({ learningRate: Number.NaN })).toThrow(/learningRate is NaN/);
    expect(() => optim.adam({ learningRate: 1, b1: 2 })).toThrow(/b1 is 2/);
    // Its bias correction would divide by 1 − 1ᵗ.
    expect(() => optim.adamw({ learningRate: 1, b2: 1 })).toThrow(/b2 is 1; .* < 1/);
    expect(() => optim.ema({ decay: 1 })).toThrow(/ema: decay is 1; .* < 1/);
  });
  test("a mask of another structure", async () => {
    const t = optim.masked(optim.scale(1), { a: true });
    await expect(withState(t, t)).rejects.toThrow(/masked: the mask has the structure/);
  });
});

describe("on the device", () => {
  beforeAll(() => init());
  const device = () => ({ w: array(fixture.start.w), b: array(fixture.start.b) });

  test("a compiled step takes learning rates as data and counts its schedule", async () => {
    const step = jit((params: Params<Tensor>, state: optim.OptimizerState, rate: TensorLike) => {
      const optimizer = optim.sgd({ learningRate: rate, momentum: 0.9 });
      const [updates, next] = optimizer.update(grad(loss)(params), state, params);
      return [optim.applyUpdates(params, updates), next] as const;
    });
    let params: Params<Tensor> = device();
    let state = optim.sgd({ learningRate: 1, momentum: 0.9 }).init(params);
    for (let t = 0; t < fixture.scheduled.length; t++) {
      [params, state] = step(params, state, 0.05 * 0.5 ** t);
      const want = fixture.scheduled[t]!;
      const have = flat(await params.w.toArray());
      // Six steps of a contraction: a few hundred roundings of values below 4.
      flat(want.w).forEach((v, i) => {
        expect(Math.abs(have[i]! - v)).toBeLessThan(2e-5);
      });
    }
  });

  test("adam's first bias correction keeps float32's accuracy", async () => {
    const t = optim.scaleByAdam({ eps: 0 });
    const one = jit((g: Tensor) => t.update(g, t.init(g), g)[0])(array([0.3, -2]));
    const [x, y] = (await one.toArray()) as number[];
    expect(Math.abs(x! - 1)).toBeLessThan(1e-6);
    expect(Math.abs(y! + 1)).toBeLessThan(1e-6);
  });
});
