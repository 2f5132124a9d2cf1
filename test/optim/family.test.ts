/** Every member of the family against its paper's update in PyTorch (test/fixtures/make_family.py). */
import { random, type Tensor, type TensorLike, tree } from "dawngrad";
import {
  accumulate,
  aeSam,
  crSam,
  esam,
  gnp,
  gradientOf,
  gsam,
  lookSam,
  rhoOfLearningRate,
  rSam,
  saf,
  sam,
  ssam,
  withWeightDecay,
  wsam,
} from "dawngrad/optim";
import { type HostArray, hostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";
import { esamWith } from "../../optim/sharpness/esam.js";
import { rSamWith } from "../../optim/sharpness/r-sam.js";
import {
  type Batch,
  base,
  batchOf,
  fixture,
  hosted,
  largestDifference,
  names,
  type Params,
  type Values,
} from "./network.js";

type Step = (p: Params, s: null, b: Batch, k: Tensor) => { readonly grads: Params };

// In f64 both sides differ by rounding alone; constants that are folded at trace time are float32.
const tolerance = 1e-6;

const { rho } = fixture;
const weightsOnly = { w1: true, b1: false, w2: true, b2: false };
const cr = { alpha: 0.5, beta: 0.1 };
const paper = { variant: "paper", alpha: 0.01, beta: 0.02 } as const;
// The fixture's random numbers, traced with everything else, in the place of drawn ones.
let drawn: { readonly delta: Params; readonly mask: Params } | undefined;
const given = (which: "delta" | "mask") => () => drawn![which] as never;

/** The loss with weight decay λ‖w‖²/2, λ = 0.1. */
const decayed = withWeightDecay({ weightDecay: 0.1 })(base);

const stateless: [string, Step][] = [
  ["sam", sam({ rho })(base)],
  ["asam", sam({ rho, adaptive: true, eta: 0.01 })(base)],
  ["masked", sam({ rho, mask: weightsOnly })(base)],
  ["decayInside", sam({ rho })(decayed)],
  ["gnp", gnp({ rho, alpha: 0.7 })(base)],
  ["gsam", gsam({ rho, alpha: 0.4 })(base)],
  ["wsam", wsam({ rho, gamma: 0.9 })(base)],
  ["mSharpness", accumulate(sam({ rho })(base), { steps: 2 })],
  ["rSam", rSamWith({ rho, lambda: 2 }, given("delta"))(base)],
  ["esam", esamWith({ rho, weightShare: 0.6, exampleShare: 0.5 }, given("mask"))(base)],
  ["crCode", crSam({ rho, ...cr })(base)],
  ["crPaper", crSam({ rho, ...paper })(base)],
  ["crAdaptive", crSam({ rho, ...cr, adaptive: true, eta: 0.01 })(base)],
  ["crGap", crSam({ rho, ...cr, surrogateGap: 0.4 })(base)],
  [
    "crEsam",
    esamWith({ rho, weightShare: 0.6, exampleShare: 0.5, curvature: cr }, given("mask"))(base),
  ],
  ["crMasked", crSam({ rho, ...cr, mask: weightsOnly })(base)],
  ["throughCode", crSam({ rho, ...cr, through: "full" })(base)],
  ["throughPaper", crSam({ rho, ...paper, through: "full" })(base)],
  ["throughAdaptive", crSam({ rho, ...cr, through: "full", adaptive: true, eta: 0.01 })(base)],
  ["exactPaper", crSam({ rho, ...paper, curvature: "exact" })(base)],
  ["crCode", crSam({ rho, ...cr, perExample: true, lanes: "sequential" })(base)],
];

const key = random.key;
const at = () => [hosted(fixture.params), null, batchOf()] as const;

describe("one step", () => {
  test.each(stateless)("%s", async (name, step) => {
    const run = (p: Params, s: null, b: Batch, numbers: typeof drawn) => {
      drawn = numbers;
      return step(p, s, b, key(0)).grads;
    };
    const numbers = { delta: hosted(fixture.delta), mask: hosted(fixture.mask) };
    const grads = await reference(run)(...at(), numbers);
    expect(largestDifference(grads, fixture.steps[name]!)).toBeLessThan(tolerance);
  });

  test("every fixture has its test", () => {
    const tested = new Set([...stateless.map(([name]) => name), "ssam"]);
    expect([...tested].sort()).toEqual(Object.keys(fixture.steps).sort());
  });

  test("ssam: the mask is the top of the Fisher information", async () => {
    const sparse = ssam({ rho, sparsity: 0.6, samples: 5 })(base);
    const run = (p: Params, s: null, b: Batch) => sparse.apply(sparse.init(p), p, s, b, key(0));
    const [r, state] = await reference(run)(...at());
    expect(largestDifference(state.mask, fixture.ssamMask)).toBe(0);
    expect(largestDifference(r.grads, fixture.steps.ssam!)).toBeLessThan(tolerance);
  });

  test("wsam decoupled: gradient and sharpness apart add up to the coupled step", async () => {
    const step = wsam({ rho, gamma: 0.9, decouple: true })(base);
    const r = await reference((p: Params, s: null, b: Batch) => {
      const { grads, aux } = step(p, s, b, key(0));
      return { clean: base(p, s, b, key(0)).grads, grads, sum: tree.add(grads, aux.sharpness) };
    })(...at());
    expect(largestDifference(r.sum, fixture.steps.wsam!)).toBeLessThan(tolerance);
    for (const k of names) expect(r.grads[k].toArray()).toEqual(r.clean[k].toArray());
  });
});

/** Gradients of the first steps under gradient descent with rate 0.5, traced as one program. */
function trail<H>(
  member: {
    init(p: Params): H;
    apply(h: H, p: Params, s: null, b: Batch, k: Tensor): readonly [{ grads: Params }, H];
  },
  steps: number,
  batches: readonly ReturnType<typeof batchOf>[],
) {
  const run = (start: Params, all: readonly Batch[]) => {
    let p = start;
    let sharp = member.init(p);
    return Array.from({ length: steps }, (_, t) => {
      const [{ grads }, next] = member.apply(sharp, p, null, all[t % all.length]!, key(0));
      sharp = next;
      p = tree.axpy(-0.5, grads, p);
      return { grads, sharp };
    });
  };
  return reference(run)(hosted(fixture.params), batches);
}

const follows = (have: readonly { readonly grads: Params<HostArray> }[], want: readonly Values[]) =>
  have.forEach((h, t) => {
    expect(largestDifference(h.grads, want[t]!), `step ${t}`).toBeLessThan(tolerance);
  });

describe("members with a memory, over several steps", () => {
  test("lookSam", async () => {
    const member = lookSam({ rho, every: 3, alpha: 0.7 })(base);
    follows(await trail(member, 5, [batchOf()]), fixture.lookSam);
  });

  test("lookSam of CR-SAM", async () => {
    const member = lookSam({ every: 3, alpha: 0.7, member: crSam({ rho, ...cr }) })(base);
    follows(await trail(member, 5, [batchOf()]), fixture.lookCr);
  });

  test("lookSam's named parts are its apply", async () => {
    const member = lookSam({ rho, every: 2 })(base);
    const both = (p: Params, s: null, b: Batch) => {
      const [first, state] = member.full(member.init(p), p, s, b, key(0));
      const [second] = member.reuse(state, p, s, b, key(0));
      const [a, next] = member.apply(member.init(p), p, s, b, key(0));
      const [c] = member.apply(next, p, s, b, key(0));
      return [first, a, second, c].map((r) => r.grads) as [Params, Params, Params, Params];
    };
    const [first, a, second, c] = await reference(both)(...at());
    for (const k of names) {
      expect(a[k].toArray()).toEqual(first[k].toArray());
      expect(c[k].toArray()).toEqual(second[k].toArray());
      expect(c[k].toArray()).not.toEqual(a[k].toArray());
    }
  });

  test("the wrapped gradient function's aux comes along, from full steps and from those between", async () => {
    const counted = gradientOf((w: Tensor, state: null, x: Tensor) => ({
      loss: w.mul(x).square().sum(),
      state,
      aux: { largest: x.max() },
    }));
    const member = lookSam({ rho, every: 2 })(counted);
    const run = (w: Tensor, x: Tensor) => {
      const [first, h] = member.apply(member.init(w), w, null, x, null);
      const [second] = member.apply(h, w, null, x, null);
      return [first.aux, second.aux] as const;
    };
    const found = await reference(run)(hostArray([1, 2]), hostArray([3, -4]));
    expect(found.map((aux) => aux.inner.largest.item())).toEqual([3, 3]);
    expect(found.map((aux) => aux.full.item())).toEqual([1, 0]);
  });

  test("aeSam", async () => {
    const halves = [batchOf([0, 1, 2, 3, 4, 5, 6, 7]), batchOf([4, 5, 6, 7])];
    const member = aeSam({ rho, steps: 8, decay: 0.5 })(base);
    follows(await trail(member, 8, halves), fixture.aeSam);
    expect(new Set(fixture.aeSharp).size).toBe(2);
  });

  test.each([
    ["through the loss", base],
    ["through the logits of any gradient function", (...a: Parameters<typeof base>) => base(...a)],
  ] as const)("saf, %s", async (_, gradFn) => {
    const member = saf({ examples: 8, classes: 3, lambda: 0.8, temperature: 2, back: 2, start: 3 })(
      gradFn,
    );
    const batches = [batchOf([0, 1, 2, 3]), batchOf([3, 4, 5, 6, 7])];
    follows(await trail(member, 9, batches), fixture.saf);
  });
});

test("GSAM's radius follows the learning rate", async () => {
  const f = (rate: TensorLike) =>
    rhoOfLearningRate(rate, { rhoMax: 0.3, rhoMin: 0.1, rateMax: 0.05, rateMin: 0.01 });
  expect(Math.abs((await reference(f)(0.03)).item() - 0.2)).toBeLessThan(1e-7);
});

test("a random direction is the step along the public random numbers", async () => {
  const { randomDirection, salts } = await import("../../optim/sharpness/random-tree.js");
  for (const direction of ["rademacher", "normal"] as const) {
    const differ = await reference((p: Params, s: null, b: Batch) => {
      const k = key(5);
      const r = randomDirection(p, random.foldIn(k, salts.direction), direction);
      const e = tree.scale(r, tree.norm(r).pow(-1).mul(rho));
      const [g0, gp, gm] = [0, 1, -1].map((sign) => base(tree.axpy(sign, e, p), s, b, k).grads) as [
        Params,
        Params,
        Params,
      ];
      const want = tree.axpy(
        cr.alpha,
        tree.sub(tree.add(gp, gm), tree.scale(g0, 2)),
        tree.axpy(cr.beta, tree.sub(gp, gm), gp),
      );
      return tree.norm(tree.sub(crSam({ rho, ...cr, direction })(base)(p, s, b, k).grads, want));
    })(...at());
    expect(differ.item()).toBeLessThan(1e-7);
  }
});

test("rSam's noise scales with sigma and the filters' norms, and changes with the key", async () => {
  const noise = (sigma: number, seed: number) =>
    reference((p: Params, s: null, b: Batch) => {
      let seen: Params | undefined;
      const spy = rSam({ rho, sigma });
      // The second call of the gradient function is at w + δ.
      let calls = 0;
      const watching = (...a: Parameters<typeof base>) => {
        if (calls++ === 1) seen = tree.sub(a[0], p);
        return base(...a);
      };
      spy(watching as typeof base)(p, s, b, key(seed));
      return seen!;
    })(...at());
  const [one, two, other] = [await noise(0.1, 1), await noise(0.2, 1), await noise(0.1, 2)];
  const { w1 } = fixture.params as { w1: number[][] };
  for (let unit = 0; unit < 6; unit++) {
    const filter = Math.hypot(...w1.map((row) => row[unit]!));
    const numbers = (one.w1.toArray() as number[][]).map((row) => row[unit]! / (0.1 * filter));
    // Four standard normal numbers: their length is within these bounds but for one draw in 1e7.
    expect(Math.hypot(...numbers)).toBeLessThan(6.5);
    numbers.forEach((v, i) => {
      expect(
        Math.abs((two.w1.toArray() as number[][])[i]![unit]! / (0.2 * filter) - v),
      ).toBeLessThan(1e-6);
    });
  }
  expect(other.w1.toArray()).not.toEqual(one.w1.toArray());
});

test("esam draws the given share of the weights", async () => {
  const zeros = await reference((p: Params, s: null, b: Batch) => {
    let seen: Params | undefined;
    let calls = 0;
    const watching = (...a: Parameters<typeof base>) => {
      if (calls++ === 1) seen = tree.sub(a[0], p);
      return base(...a);
    };
    esam({ rho, weightShare: 0.25, exampleShare: 1 })(watching as typeof base)(p, s, b, key(3));
    return seen!;
  })(...at());
  const moved = names.flatMap((k) => [...zeros[k].data]).map((v) => Math.abs(v) > 1e-9);
  const share = moved.filter(Boolean).length / moved.length;
  // 51 weights at 1/4: within four standard deviations.
  expect(Math.abs(share - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / moved.length));
});
