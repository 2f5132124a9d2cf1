/** CR-SAM against closed forms: in f64 to 1e-9, on the device within derived float32 bounds. */
import { array, init, jit, type TensorLike } from "dawngrad";
import { type CrSamOptions, crSam, gnp, gradientOf, gsam, sam } from "dawngrad/optim";
import { hostArray, reference } from "dawngrad/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { closedForm, type Example, type FormOptions, N, type Point2, Q, S } from "./examples.js";

const alpha = 0.1;
const beta = 0.01;

const lossOf = (e: Example) => (w: Point2, state: null) => ({ loss: e.loss(w), state });

/** rho, alpha and beta as arguments: data, neither folded nor rounded before the reference sees it. */
const crSamStep =
  (e: Example, options: CrSamOptions) =>
  (w: Point2, rho: TensorLike, a: TensorLike, b: TensorLike) =>
    crSam({ ...options, rho, alpha: a, beta: b })(gradientOf(lossOf(e)))(w, null, null, null);

const hosted = (e: Example) => ({ x: hostArray(e.w[0]), y: hostArray(e.w[1]) });

async function inF64(e: Example, options: CrSamOptions, rho = e.rho) {
  const r = await reference(crSamStep(e, options))(hosted(e), rho, alpha, beta);
  return {
    step: [r.grads.x.item(), r.grads.y.item()],
    loss: r.loss.item(),
    aux: Object.fromEntries(Object.entries(r.aux).map(([k, x]) => [k, x.item()])) as Record<
      keyof typeof r.aux,
      number
    >,
  };
}

const near = (actual: number, expected: number, tolerance: number, what = ""): void =>
  expect(Math.abs(actual - expected), `${what}: ${actual} against ${expected}`).toBeLessThanOrEqual(
    tolerance,
  );

const forms: FormOptions[] = (["code", "paper"] as const).flatMap((variant) =>
  (["stop", "full"] as const).flatMap((through) =>
    (["finite-difference", "exact"] as const).map((curvature) => ({
      alpha,
      beta,
      variant,
      through,
      curvature,
    })),
  ),
);

const named = (f: FormOptions): string => `${f.variant}, ${f.through}, ${f.curvature}`;
const optionsOf = ({ alpha: _a, beta: _b, ...options }: FormOptions): CrSamOptions => options;

describe.each([Q, S])("example $name in f64", (e) => {
  test.each(forms.map((f) => [named(f), f] as const))("%s", async (_, f) => {
    const want = closedForm(e, f);
    const have = await inF64(e, optionsOf(f));
    near(have.step[0]!, want.step[0], 1e-9);
    near(have.step[1]!, want.step[1], 1e-9);
    for (const k of ["L0", "Lp", "Lm", "A", "B", "gradNorm"] as const) {
      near(have.aux[k], want[k], 1e-12, k);
    }
    near(have.aux.c0, -2 * want.a, 1e-9, "c0");
    near(have.aux.cp, 1 + want.a + want.b, 1e-9, "cp");
    near(have.aux.cm, want.a - want.b, 1e-9, "cm");
    near(have.aux.c0 + have.aux.cp + have.aux.cm, 1, 1e-12, "sum of coefficients");
    expect(have.aux.clamped).toBe(0);
    expect(have.loss).toBe(have.aux.L0);
  });
});

// The printed decimals, so that the closed form above is held to something too.
const printed: [string, Example, CrSamOptions, [number, number], number][] = [
  ["Q code", Q, {}, [3.0306, 4.1632], 1e-12],
  ["Q paper", Q, { variant: "paper" }, [3.0312, 4.1664], 1e-12],
  ["Q paper, full", Q, { variant: "paper", through: "full" }, [3.014843178, 4.215470466], 1e-9],
  ["S code", S, {}, [1.77838032, 2.2244], 1e-8],
  ["S paper", S, { variant: "paper" }, [1.8464632, 2.228792403], 1e-7],
  ["S paper, full", S, { variant: "paper", through: "full" }, [1.88562694, 2.22008935], 1e-8],
];
test.each(printed)("printed step: %s", async (_, e, options, want, tolerance) => {
  const { step } = await inF64(e, options);
  near(step[0]!, want[0], tolerance);
  near(step[1]!, want[1], tolerance);
});

test("printed quantities", async () => {
  const q = (await inF64(Q, {})).aux;
  expect([q.L0, q.Lp, q.Lm, q.A, q.B].map((v) => Number(v.toFixed(9)))).toEqual([
    6.5, 6.75365, 6.25365, 0.0073, 0.5,
  ]);
  const s = (await inF64(S, {})).aux;
  expect([s.Lp, s.Lm, s.A, s.B].map((v) => Number(v.toFixed(8)))).toEqual([
    1.26681924, 0.76638724, 0.03320648, 0.500432,
  ]);
  const n = (await inF64(N, {})).aux;
  expect([n.A, n.B].map((v) => Number(v.toFixed(8)))).toEqual([-0.00875, 0.038]);
});

test("exact curvature of S: derivatives along v and the gradients of their logarithms", async () => {
  const { aux } = await inF64(S, { curvature: "exact", variant: "paper" });
  near(aux.A / S.rho ** 2, 3.32, 1e-12);
  near(aux.B / (2 * S.rho), 2.5, 1e-12);
  // beta alone gives g₊ + β·∇log vᵀg, alpha alone g₊ + α·∇log vᵀHv.
  const step = async (a: number, b: number) => {
    const r = await reference(crSamStep(S, { curvature: "exact", variant: "paper" }))(
      hosted(S),
      S.rho,
      a,
      b,
    );
    return [r.grads.x.item(), r.grads.y.item()] as const;
  };
  const none = await step(0, 0);
  const slope = await step(0, 1);
  const curvature = await step(1, 0);
  near(slope[0] - none[0], 1.04, 1e-12);
  near(slope[1] - none[1], 0.88, 1e-12);
  near(curvature[0] - none[0], 0.650602, 1e-6);
  near(curvature[1] - none[1], 0, 1e-12);
});

test("on a quadratic the code form is SAM at rho(1 + 2 beta), the paper form SAM at rho + beta/|g|", async () => {
  const samStep = (w: Point2, rho: TensorLike) =>
    sam({ rho })(gradientOf(lossOf(Q)))(w, null, null, null).grads;
  for (const [variant, rho] of [
    ["code", Q.rho * (1 + 2 * beta)],
    ["paper", Q.rho + beta / 5],
  ] as const) {
    const control = await reference(samStep)(hosted(Q), rho);
    const { step } = await inF64(Q, { variant });
    near(step[0]!, control.x.item(), 1e-12);
    near(step[1]!, control.y.item(), 1e-12);
  }
});

describe("floors", () => {
  test("far below A and B they change nothing; above both, slopes are 1/floor", async () => {
    const want = await inF64(S, { variant: "paper" });
    const low = await inF64(S, { variant: "paper", floor: 1e-3 });
    expect(low.step).toEqual(want.step);
    const high = await inF64(S, { variant: "paper", floor: { A: 0.5, B: 2 } });
    near(high.aux.cp, 1 + alpha / 0.5 + beta / 2, 1e-12);
    near(high.aux.cm, alpha / 0.5 - beta / 2, 1e-12);
    expect(high.aux.clamped).toBe(1);
  });

  test("a number is both floors", async () => {
    const both = await inF64(S, { variant: "paper", floor: { A: 0.7, B: 0.7 } });
    expect((await inF64(S, { variant: "paper", floor: 0.7 })).step).toEqual(both.step);
  });

  test("never under the rounding of the losses", async () => {
    const { aux } = await inF64(N, { variant: "paper", floor: 1e-30 });
    const least = 64 * 2 ** -24 * (Math.abs(aux.Lp) + Math.abs(aux.Lm) + 2 * Math.abs(aux.L0));
    near(aux.c0 / ((-2 * alpha) / least), 1, 1e-9);
    expect(aux.clamped).toBe(1);
  });

  test.each([
    ["linear", 1 / 0.02],
    ["zero", 0],
    ["softabs", -0.00875 / (0.00875 ** 2 + 0.02 ** 2)],
  ] as const)("negative curvature, %s", async (negative, slope) => {
    const { aux } = await inF64(N, { variant: "paper", floor: 0.02, negative });
    near(aux.A, -0.00875, 1e-12);
    near(aux.c0, -2 * alpha * slope, 1e-9);
    near(
      aux.cp - aux.cm - 1,
      (2 * beta) / (negative === "softabs" ? (0.038 ** 2 + 4e-4) / 0.038 : 0.038),
      1e-9,
    );
  });
});

describe("the family's coefficients", () => {
  const coefficients = closedForm(Q, { alpha, beta, variant: "code" });
  const mixed = (c0: number, cp: number) =>
    [0, 1].map((i) => c0 * coefficients.g0[i]! + cp * coefficients.gp[i]!);
  const run = async (
    f: (w: Point2, rho: TensorLike, a: TensorLike) => { grads: Point2 },
    a: number,
  ) => {
    const r = await reference(f)(hosted(Q), Q.rho, a);
    return [r.grads.x.item(), r.grads.y.item()];
  };
  const base = gradientOf(lossOf(Q));

  test("SAM is g+", async () => {
    const step = await run((w, rho) => sam({ rho })(base)(w, null, null, null), 0);
    expect(step.map((x) => Number(x.toFixed(12)))).toEqual([3.03, 4.16]);
  });
  test("GNP is (1 - a) g0 + a g+", async () => {
    const step = await run((w, rho, a) => gnp({ rho, alpha: a })(base)(w, null, null, null), 0.8);
    mixed(0.2, 0.8).forEach((x, i) => {
      near(step[i]!, x, 1e-12);
    });
    near(step[0]!, 3.024, 1e-12);
    near(step[1]!, 4.128, 1e-12);
  });
  test("GSAM is g+ - a (g0 - proj g0)", async () => {
    const { g0, gp } = coefficients;
    const along = (g0[0] * gp[0] + g0[1] * gp[1]) / (gp[0] ** 2 + gp[1] ** 2);
    const step = await run((w, rho, a) => gsam({ rho, alpha: a })(base)(w, null, null, null), 0.4);
    mixed(-0.4, 1 + 0.4 * along).forEach((x, i) => {
      near(step[i]!, x, 1e-12);
    });
    near(step[0]!, 3.007383195, 1e-9);
    near(step[1]!, 4.176473298, 1e-9);
  });
  test("adaptive SAM perturbs by w²g/|wg|", async () => {
    const step = await run((w, rho) => sam({ rho, adaptive: true })(base)(w, null, null, null), 0);
    // w = (3, 1), g = (3, 4): e = rho (27, 4)/|(9, 4)|
    const n = Math.hypot(9, 4);
    near(step[0]!, 3 + (0.05 * 27) / n, 1e-12);
    near(step[1]!, 4 * (1 + (0.05 * 4) / n), 1e-12);
  });
});

describe("on the device", () => {
  beforeAll(() => init());
  const params = (e: Example) => ({ x: array(e.w[0]), y: array(e.w[1]) });

  describe.each([Q, S])("example $name", (e) => {
    test.each(forms.map((f) => [named(f), f] as const))("%s", async (_, f) => {
      // The reference point is the f64 step at the float32 values that the device sees.
      const want = closedForm(
        { ...e, rho: Math.fround(e.rho) },
        { ...f, alpha: Math.fround(alpha), beta: Math.fround(beta) },
      );
      const r = jit(crSamStep(e, optionsOf(f)))(params(e), e.rho, alpha, beta);
      near(await r.grads.x.item(), want.step[0], want.bound[0], "x");
      near(await r.grads.y.item(), want.step[1], want.bound[1], "y");
    });
  });

  test("the bounds are not vacuous: dropping the curvature term would break them", () => {
    const f = { alpha, beta, variant: "paper" } as const;
    const full = closedForm(S, f);
    const without = closedForm(S, { ...f, alpha: 1e-9 });
    expect(Math.abs(full.step[0] - without.step[0])).toBeGreaterThan(20 * full.bound[0]);
  });
});
