/** Schedules against optax's formulas, written out in plain arithmetic. */
import type { TensorLike } from "dawngrad";
import {
  constant,
  cosine,
  exponential,
  linear,
  piecewise,
  type Schedule,
  warmupCosine,
} from "dawngrad/optim";
import { hostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";

const steps = [0, 1, 5, 9, 10, 11, 15, 20, 25, 100];
const cosineFormula = (init: number, n: number, alpha: number, exponent: number) => (t: number) =>
  init * ((1 - alpha) * (0.5 * (1 + Math.cos((Math.PI * Math.min(t, n)) / n))) ** exponent + alpha);
const decayed = (t: number, begin: number, floor: boolean): number =>
  t <= begin ? 0.8 : 0.8 * 0.7 ** (floor ? Math.floor((t - begin) / 4) : (t - begin) / 4);

const cases: [string, Schedule, (t: number) => number][] = [
  ["constant", constant(0.25), () => 0.25],
  ["linear", linear(1, 0.2, 10, 5), (t) => 0.2 + 0.8 * (1 - Math.min(Math.max(t - 5, 0), 10) / 10)],
  ["cosine", cosine(2, 20), cosineFormula(2, 20, 0, 1)],
  ["cosine with alpha", cosine(2, 20, { alpha: 0.1, exponent: 2 }), cosineFormula(2, 20, 0.1, 2)],
  [
    "warmupCosine",
    warmupCosine({ initValue: 0.1, peakValue: 1, warmupSteps: 10, decaySteps: 25, endValue: 0.05 }),
    (t) => (t < 10 ? 0.1 + (0.9 * t) / 10 : cosineFormula(1, 15, 0.05, 1)(t - 10)),
  ],
  [
    "piecewise",
    piecewise(3, { 10: 0.5, 20: 0.1 }),
    (t) => 3 * (t >= 10 ? 0.5 : 1) * (t >= 20 ? 0.1 : 1),
  ],
  ["exponential", exponential(0.8, 4, 0.7), (t) => decayed(t, 0, false)],
  [
    "exponential staircase",
    exponential(0.8, 4, 0.7, { staircase: true, transitionBegin: 5, endValue: 0.3 }),
    (t) => Math.max(0.3, decayed(t, 5, true)),
  ],
  [
    "exponential growth",
    exponential(0.8, 4, 1.5, { endValue: 2 }),
    (t) => Math.min(2, t <= 0 ? 0.8 : 0.8 * 1.5 ** (t / 4)),
  ],
];

describe.each(cases)("%s", (_, schedule, formula) => {
  test.each(steps)("step %i", async (t) => {
    // A traced int32 step, as an optimizer's count is.
    const f = reference((step: TensorLike) => schedule(step));
    const value = await f(hostArray(t, "int32"));
    expect(value.shape).toEqual([]);
    expect(value.dtype).toBe("float32");
    // Constants folded at trace time are rounded to float32.
    expect(Math.abs(value.item() - formula(t))).toBeLessThan(3e-7);
  });
});

test("options that make no schedule are refused", () => {
  expect(() => cosine(1, 0)).toThrow(/decaySteps is 0/);
  expect(() => warmupCosine({ peakValue: 1, warmupSteps: 10, decaySteps: 10 })).toThrow(/shorter/);
  expect(() => exponential(1, 10, 0)).toThrow(/decayRate is 0/);
  expect(() => piecewise(1, { [-1]: 2 })).toThrow(/boundary -1/);
});
