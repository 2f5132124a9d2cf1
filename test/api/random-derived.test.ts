/** Derived distributions: mean and variance against closed forms, within five standard errors. */
import { random, type Tensor } from "dawngrad";
import { reference } from "dawngrad/testing";
import { expect, test } from "vitest";

const n = 2 ** 13;

test.each([
  [
    "lognormal",
    () => random.lognormal(random.key(1), 0.5, [n]),
    Math.exp(0.125),
    Math.expm1(0.25) * Math.exp(0.25),
  ],
  [
    "rayleigh",
    () => random.rayleigh(random.key(2), 2, [n]),
    2 * Math.sqrt(Math.PI / 2),
    (2 - Math.PI / 2) * 4,
  ],
  // Shape 2: Γ(3/2) = √π / 2, Γ(2) = 1.
  [
    "weibullMin",
    () => random.weibullMin(random.key(3), 3, 2, [n]),
    1.5 * Math.sqrt(Math.PI),
    9 * (1 - Math.PI / 4),
  ],
  ["pareto", () => random.pareto(random.key(4), 8, [n]), 8 / 7, 8 / (49 * 6)],
  [
    "maxwell",
    () => random.maxwell(random.key(5), [n]),
    2 * Math.sqrt(2 / Math.PI),
    3 - 8 / Math.PI,
  ],
  ["geometric", () => random.geometric(random.key(6), 0.25, [n]), 4, 12],
] as const)("random.%s", async (_, draw, mean, variance) => {
  const x = Array.from((await reference(draw as () => Tensor)()).data);
  const m = x.reduce((a, b) => a + b, 0) / n;
  const v = x.reduce((a, b) => a + (b - m) ** 2, 0) / (n - 1);
  const fourth = x.reduce((a, b) => a + (b - m) ** 4, 0) / n;
  expect(Math.abs(m - mean)).toBeLessThan(5 * Math.sqrt(variance / n));
  expect(Math.abs(v - variance)).toBeLessThan(5 * Math.sqrt((fourth - v * v) / n));
});
