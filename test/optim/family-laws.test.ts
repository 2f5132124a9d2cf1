/** Laws of the whole family: rho = 0, gradients of zero, one program a step, masks that are exact. */
import { array, explain, init, jit, random, type Tensor, type TensorLike, tree } from "dawngrad";
import {
  aeSam,
  applyUpdates,
  chain,
  clipByGlobalNorm,
  crSam,
  esam,
  type GradFn,
  gradientOf,
  gsam,
  lookSam,
  rSam,
  saf,
  sam,
  sgd,
  ssam,
  wsam,
} from "dawngrad/optim";
import { hostArray, reference } from "dawngrad/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { topMask } from "../../optim/sharpness/top-mask.js";
import {
  type Batch,
  base,
  batchOf,
  fixture,
  flat,
  hosted,
  loss,
  names,
  type Params,
} from "./network.js";

beforeAll(() => init());

type Base<P, B> = GradFn<P, null, B, Tensor, null>;
type Step<P, B> = (p: P, s: null, b: B, k: Tensor) => { readonly grads: P; readonly aux: unknown };

/** The first two steps of a member with a memory, at the same weights; the second step's result. */
const second =
  <H, P, B, R>(member: {
    init(p: P): H;
    apply(h: H, p: P, s: null, b: B, k: Tensor): readonly [R, H];
  }) =>
  (p: P, s: null, b: B, k: Tensor): R => {
    const [, next] = member.apply(member.init(p), p, s, b, k);
    return member.apply(next, p, s, b, k)[0];
  };

const half = { steps: 10, sparsity: 0.5 };
/** Members that existing tests of rho = 0 do not have; each is the base gradient there. */
const members = <P, B>(g: Base<P, B>, rho: TensorLike, mask?: unknown): [string, Step<P, B>][] => [
  ["rSam", rSam({ rho })(g)],
  ["wsam", wsam({ rho })(g)],
  ["esam, both shares 1", esam({ rho, weightShare: 1, exampleShare: 1 })(g)],
  ["esam with CR", esam({ rho, weightShare: 0.5, exampleShare: 1, curvature: {} })(g)],
  ["sam, masked", sam({ rho, ...(mask ? { mask } : {}) })(g)],
  ["crSam adaptive, full", crSam({ rho, adaptive: true, through: "full" })(g)],
  ["crSam with a surrogate gap", crSam({ rho, surrogateGap: 0.4 })(g)],
  ["lookSam", second(lookSam({ rho, every: 2 })(g))],
  ["lookSam of crSam", second(lookSam({ every: 2, member: crSam({ rho }) })(g))],
  ["aeSam", second(aeSam({ rho, steps: 10, lambda1: -5, lambda2: -5 })(g))],
  ["ssam", second(ssam({ rho, ...half, samples: "batch" })(g))],
  ["ssam, dynamic", second(ssam({ rho, ...half, variant: "dynamic", updateEvery: 1 })(g))],
];

const onDevice = (): [Params, null, Batch, Tensor] => [
  Object.fromEntries(names.map((k) => [k, array(fixture.params[k])])) as unknown as Params,
  null,
  {
    x: array(fixture.x),
    y: array(fixture.y, { dtype: "int32" }),
    indices: array([0, 1, 2, 3, 4, 5, 6, 7], { dtype: "int32" }),
  },
  random.key(2),
];

const bits = (x: Params): Promise<number[][]> =>
  Promise.all(names.map(async (k) => [...(await x[k].data())]));

const hosts = () => [hosted(fixture.params), null, batchOf()] as const;

describe("rho = 0 as data is the base gradient exactly, and rho = 0.1 is not", () => {
  const law = (i: number) => (rho: TensorLike, p: Params, s: null, b: Batch) => ({
    clean: base(p, s, b, random.key(2)).grads,
    sharp: members(base, rho)[i]![1](p, s, b, random.key(2)).grads,
  });
  const listed = members(base, 0).map(([name], i) => [name, i] as const);
  test.each(listed)("%s", async (_, i) => {
    const of = async (rho: number) => {
      const { clean, sharp } = await reference(law(i))(rho, ...hosts());
      return [sharp, clean].map((x) => names.map((k) => x[k].toArray()));
    };
    const [still, clean] = await of(0);
    expect(still).toEqual(clean);
    const [moved, other] = await of(0.1);
    expect(moved).not.toEqual(other);
  });

  // On the device the kernels of a perturbed pass may add up in another order.
  test.each(listed.filter(([name]) => /^(rSam|esam with CR)$/.test(name)))(
    "%s, bit for bit on the device",
    async (_, i) => {
      const [p, s, b] = onDevice();
      const { clean, sharp } = jit(law(i))(0, p, s, b);
      expect(await bits(sharp)).toEqual(await bits(clean));
    },
  );
});

describe("a gradient of zero gives neither NaN nor a step", () => {
  const flatLoss = (p: { w: Tensor }, state: null, b: { x: Tensor; weights: Tensor }) => {
    const perExample = p.w.mul(b.x).square().mean(1);
    return { loss: perExample.mean(), state, perExample };
  };
  const g = gradientOf(flatLoss) as Base<{ w: Tensor }, { x: Tensor; weights: Tensor }>;
  const at = () =>
    [
      { w: hostArray([0, 0, 0, 0]) },
      null,
      {
        x: hostArray([
          [1, 2, 3, 4],
          [4, 3, 2, 1],
        ]),
        weights: hostArray([1, 2]),
      },
    ] as const;
  const all = members(g, 0.1).map(([name], i) => [name, i] as const);
  test.each(all.filter(([name]) => name !== "rSam"))("%s", async (_, i) => {
    const run = (p: { w: Tensor }, s: null, b: { x: Tensor; weights: Tensor }) =>
      members(g, 0.1)[i]![1](p, s, b, random.key(0));
    const r = await reference(run)(...at());
    expect(Array.from(r.grads.w.data, Math.abs)).toEqual([0, 0, 0, 0]);
    for (const x of tree.leaves(r.aux as never) as { data: ArrayLike<number> }[]) {
      for (const v of Array.from(x.data)) expect(Number.isFinite(v)).toBe(true);
    }
  });
});

describe("a whole training step is one program and one submission", () => {
  const optimizer = chain(clipByGlobalNorm(1), sgd({ learningRate: 0.1, momentum: 0.9 }));
  test.each(members(base, 0.1).map(([name], i) => [name, i] as const))("%s", (_, i) => {
    const step = (...at: ReturnType<typeof onDevice>) => {
      const { grads } = members(base, 0.1)[i]![1](...at);
      const [updates, next] = optimizer.update(grads, optimizer.init(at[0]), at[0]);
      return [applyUpdates(at[0], updates), next];
    };
    expect(explain(step)(...onDevice()).submits).toBe(1);
  });
});

test("lookSam's full step is no dearer than its member's", () => {
  const at = onDevice();
  const rho = 0.1;
  const look = lookSam({ rho })(base);
  const full = (...a: typeof at) => look.full(look.init(a[0]), ...a)[0].grads;
  const alone = (...a: typeof at) => sam({ rho })(base)(...a).grads;
  const more = explain(full)(...at).dispatches - explain(alone)(...at).dispatches;
  // ⟨d, g0⟩, ‖g0‖² and the state: not another pass of the network.
  const pass = explain((...a: typeof at) => base(...a).grads)(...at).dispatches;
  expect(more).toBeLessThan(pass);
});

describe("topMask", () => {
  const values = [0.5, 0, 3, 0.5, 1e-30, 7, 0.5, 0, 2 ** -140, 1e30];
  const order = (k: number) => {
    const ranked = values.map((v, i) => [v, i] as const).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    const chosen = new Set(ranked.slice(0, k).map(([, i]) => i));
    return values.map((_, i) => chosen.has(i));
  };
  test.each(values.map((_, i) => i + 1))("k = %i: exactly k, ties by position", async (k) => {
    const run = jit((v: Tensor, n: Tensor) => topMask(v, n));
    const mask = await run(array(values), array(k, { dtype: "int32" })).toArray();
    expect((mask as unknown[]).map(Boolean)).toEqual(order(k));
  });
});

test("ssam's dynamic mask keeps its size, drops the smallest gradients and lets others in", async () => {
  const size = 51;
  const kept = Math.round(0.6 * size);
  const member = ssam({
    rho: 0.1,
    sparsity: 0.4,
    variant: "dynamic",
    steps: 100,
    dropRate: 0.5,
    updateEvery: 1,
  })(base);
  const run = (p: Params, s: null, b: Batch) => {
    const a = [p, s, b, random.key(2)] as const;
    const [, first] = member.apply(member.init(a[0]), ...a);
    const renewed = member.renew(first, ...a);
    return { first: first.mask, renewed: renewed.mask, g: base(...a).grads };
  };
  const r = await reference(run)(...hosts());
  const [before, after, gradient] = [r.first, r.renewed, r.g].map((x) =>
    names.flatMap((k) => flat(x[k].toArray())),
  );
  const count = (xs: readonly number[]) => xs.filter((x) => x === 1).length;
  expect(count(before!)).toBe(kept);
  expect(count(after!)).toBe(kept);
  const dropped = before!.flatMap((b, i) => (b === 1 && after![i] === 0 ? [i] : []));
  const stayed = before!.flatMap((b, i) => (b === 1 && after![i] === 1 ? [i] : []));
  // ½·(1 + cos(π/100))·0.5 of them, within the room outside.
  expect(dropped.length).toBe(
    Math.min(Math.round(0.25 * (1 + Math.cos(Math.PI / 100)) * kept), size - kept),
  );
  const sizeOf = (i: number) => Math.abs(gradient![i]!);
  expect(Math.max(...dropped.map(sizeOf))).toBeLessThanOrEqual(Math.min(...stayed.map(sizeOf)));
});

describe("wrong uses say what to do", () => {
  const nothing = null as never;
  test("esam needs losses of examples", () => {
    const plain = gradientOf((w: Tensor, state: null, x: Tensor) => ({
      loss: w.mul(x).sum(),
      state,
    }));
    const step = esam({ rho: 0.1, weightShare: 1 })(plain);
    expect(() => step(array([1]), null, array([1]), null)).toThrow(
      /esam: exampleShare < 1.*perExample/,
    );
  });
  test("saf needs indices and logits", () => {
    const free = saf({ examples: 8, classes: 3 })(gradientOf(loss) as never);
    expect(() => free.apply(free.init(nothing), nothing, nothing, nothing, nothing)).toThrow(
      /saf: the batch has no indices/,
    );
  });
  test("random members need a key", () => {
    const at = onDevice();
    expect(() => rSam({ rho: 0.1 })(base)(at[0], null, at[2], null as never)).toThrow(
      /rSam: the smoothing noise draws from the step's key/,
    );
  });
  test("options out of range", () => {
    expect(() => wsam({ rho: 0.1, gamma: 1 })).toThrow(
      /wsam: gamma is 1; give a number >= 0 and < 1/,
    );
    expect(() => esam({ rho: 0.1, weightShare: 0 })).toThrow(/weightShare is 0/);
    expect(() => lookSam({ every: 0 })).toThrow(/every is 0/);
    expect(() => ssam({ rho: 0.1, variant: "dynamic" })).toThrow(/steps is 0/);
    expect(() => aeSam({ steps: 1.5 })).toThrow(/steps is 1.5/);
    expect(() => gsam({ rho: 0.1, alpha: Number.NaN })).toThrow(/alpha is NaN/);
    expect(() => sam({ rho: 0.1, mask: { w: true } })(base)(...onDevice())).toThrow(
      /sam: the mask has the structure/,
    );
  });
});
