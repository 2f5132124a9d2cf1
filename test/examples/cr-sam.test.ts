/** CR-SAM as the main job spells it out: closed forms, the library's own, and what the control is. */
import { array, init, type Tensor } from "dawngrad";
import { gradientOf } from "dawngrad/optim";
import { beforeAll, describe, expect, test } from "vitest";
import { checkAgreement } from "../../examples/cr-sam-mnist/agreement.js";
import { crSamGradient } from "../../examples/cr-sam-mnist/cr-sam.js";
import type { Labelled } from "../../examples/cr-sam-mnist/images.js";
import { gradientFunctions } from "../../examples/cr-sam-mnist/methods.js";
import { buildModel, initialise } from "../../examples/cr-sam-mnist/model.js";
import { defaultOptions } from "./synthetic.js";

beforeAll(() => init());

/** ½(w0² + 4·w1²). */
const quadratic = (w: Tensor, c: Tensor) => w.mul(w).mul(c).sum();
const coefficients = () => array([0.5, 2]);

/** Within n units in the last place of the largest entry. */
function expectNear(actual: ArrayLike<number>, expected: readonly number[], units: number): void {
  const size = Math.max(...expected.map(Math.abs));
  expected.forEach((e, i) => {
    expect(Math.abs(actual[i]! - e)).toBeLessThanOrEqual(units * 2 ** -23 * size);
  });
}

describe("spelled out", () => {
  // Rounding of the gradients only: a few units.
  test("the published code's step on ½(w0² + 4w1²) at (3, 1)", async () => {
    const options = defaultOptions("--rho", "0.05");
    const step = crSamGradient(quadratic, options)(array([3, 1]), coefficients());
    expectNear(await step.data(), [3.0306, 4.1632], 32);
  });

  // α(g₊ + g₋ − 2g)/A is exactly 0 but for the gradients' rounding, 4 units, times α/A = 14; and
  // β(g₊ − g₋)/B carries the rounding of B = 0.5, a difference of losses near 6.5.
  test("the paper's step on it", async () => {
    const options = defaultOptions(..."--rho 0.05 --variant paper --floor 0".split(" "));
    const step = crSamGradient(quadratic, options)(array([3, 1]), coefficients());
    expectNear(await step.data(), [3.0312, 4.1664], 256);
  });

  test("a gradient of zero has no direction: the step is zero, not NaN", async () => {
    const step = crSamGradient(quadratic, defaultOptions())(array([0, 0]), coefficients());
    expect(Array.from(await step.data())).toEqual([0, 0]);
  });
});

describe("the control", () => {
  const loss = (w: Tensor, state: null, c: Tensor) => ({ loss: quadratic(w, c), state });

  test.each([["code"], ["paper"]])(
    "is CR-SAM itself where the loss is quadratic, for the %s form",
    async (variant) => {
      const options = defaultOptions("--rho", "0.05", "--variant", variant, "--floor", "0.01");
      const of = gradientFunctions(gradientOf(loss), options);
      const [ours, control, sam] = await Promise.all(
        (["cr-sam", "sam-control", "sam"] as const).map((name) =>
          of[name](array([3, 1]), null, coefficients()).grads.data(),
        ),
      );
      expectNear(ours!, Array.from(control!), 256);
      // And not SAM: the difference that the control takes away is far larger.
      expect(Math.abs(ours![1]! - sam![1]!)).toBeGreaterThan(1e-3);
    },
  );
});

describe("agreement with the library at the start of a run", () => {
  const options = (...args: string[]) => defaultOptions("--hidden", "16", ...args);
  const model = buildModel(options(), 10);
  const batch = (): Labelled => ({
    x: array(
      Float32Array.from({ length: 32 * 16 }, (_, i) => Math.sin(i * i)),
      { shape: [32, 4, 4, 1] },
    ),
    y: array(Int32Array.from({ length: 32 }, (_, i) => i % 10)),
  });
  const check = (o: ReturnType<typeof options>, spelledOut = crSamGradient as never) => {
    const { params, state } = initialise(model, 0, [4, 4, 1]);
    return checkAgreement(model, o, params, state, [batch()], spelledOut);
  };

  test.each([
    [[]],
    [["--variant", "paper"]],
    [["--variant", "paper", "--negative", "zero"]],
    [["--variant", "paper", "--negative", "softabs"]],
  ])("holds with %j", async (args) => {
    const { difference, bound } = await check(options(...args));
    expect(difference).toBeLessThanOrEqual(bound);
    expect(bound).toBeLessThan(args.length === 0 ? 1e-4 : 1e-2);
  });

  test("a weight that is off by a tenth is found", async () => {
    const wrong: typeof crSamGradient = (loss, settings) =>
      crSamGradient(loss, { ...settings, alpha: settings.alpha * 1.1 });
    await expect(check(options(), wrong as never)).rejects.toThrow("one of them is wrong");
  });
});
