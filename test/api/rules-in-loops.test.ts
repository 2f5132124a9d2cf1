/** Custom rules, checkpoints, collectives and debugging within loops and branches. */
import {
  array,
  checkpoint,
  cond,
  customJvp,
  customVjp,
  debug,
  explain,
  grad,
  init,
  jit,
  ones,
  psum,
  scan,
  type Tensor,
  vmap,
  whileLoop,
} from "dawngrad";
import { hostArray, reference } from "dawngrad/testing";
import { beforeAll, describe, expect, test } from "vitest";

beforeAll(() => init());

const tripled: (x: Tensor) => Tensor = customVjp(
  (x: Tensor) => x.sin(),
  (x) => [tripled(x), x] as const,
  (x: Tensor, g: Tensor) => [g.mul(x.cos()).mul(3)],
);
const doubled: (x: Tensor) => Tensor = customJvp(
  (x: Tensor) => x.sin(),
  ([x], [t]) => [doubled(x), x.cos().mul(t).mul(2)],
);

/** Two steps of f by scan. */
const twice = (f: (x: Tensor) => Tensor) => (x: Tensor) =>
  scan((c: Tensor, _: null) => [f(c), null] as [Tensor, null], x, null, { length: 2 })[0];

describe("rules hold within loops and branches", () => {
  test.each([
    ["customVjp", tripled, 9],
    ["customJvp", doubled, 4],
    ["checkpoint", checkpoint((x: Tensor) => x.sin()), 1],
  ] as const)("%s in scan, cond and vmap of both", async (_, f, factor) => {
    const slope = (x: number) => Math.cos(x) * Math.cos(Math.sin(x)) * factor;
    const g = grad(twice(f));
    expect((await reference(g)(hostArray(0.5))).item()).toBeCloseTo(slope(0.5), 12);
    expect(await jit(g)(array(0.5)).item()).toBeCloseTo(slope(0.5), 5);
    const lanes = await reference(vmap(g))(hostArray([0.5, 1]));
    [0.5, 1].forEach((x, i) => {
      expect(lanes.data[i]).toBeCloseTo(slope(x), 12);
    });
    const branch = (x: Tensor) =>
      cond(
        x.greater(0),
        (y: Tensor) => f(y),
        (y: Tensor) => y,
        x,
      );
    const h = (await reference(vmap(grad(branch)))(hostArray([0.5, -1]))).data;
    expect(h[0]).toBeCloseTo(Math.cos(0.5) * Math.sqrt(factor), 12);
    expect(h[1]).toBe(1);
  });

  test("the implicit derivative of a fixed point by whileLoop (JAX's example)", async () => {
    const solve = (a: Tensor) =>
      whileLoop(
        ([x, before]: readonly [Tensor, Tensor]) => x.sub(before).abs().greater(1e-6),
        ([x]: readonly [Tensor, Tensor]): [Tensor, Tensor] => [x.add(a.div(x)).mul(0.5), x],
        [a, a.add(1)],
      )[0];
    const root: (a: Tensor) => Tensor = customVjp(
      solve,
      (a) => {
        const x = root(a);
        return [x, x] as const;
      },
      (x: Tensor, g: Tensor) => [g.div(x.mul(2))],
    );
    expect((await reference(grad(root))(hostArray(2))).item()).toBeCloseTo(0.35355338, 7);
    expect((await reference(grad(grad(root)))(hostArray(2))).item()).toBeCloseTo(-0.088388346, 7);
  });

  test("psum within scan", async () => {
    const f = vmap((x: Tensor) => twice((c) => c.add(psum(c, "i")))(x), 0, 0, { axisName: "i" });
    // Sums: 3, then 1 + 3 + 2 + 3 = 9.
    expect((await reference(f)(hostArray([1, 2]))).toArray()).toEqual([13, 14]);
  });
});

test("debug within scan on the device: each step, in order", async () => {
  const seen: unknown[] = [];
  const f = jit((x: Tensor) =>
    twice((c) => {
      debug.callback((v) => seen.push(v), c);
      return c.mul(2);
    })(x),
  );
  expect(await f(array(3)).item()).toBe(12);
  await debug.effectsBarrier();
  expect(seen).toEqual([3, 6]);
});

test("a scan holds its length without checkpoint, about the square root with nested ones", () => {
  const [width, side] = [64, 12];
  const w = ones([width, width]);
  const step = (c: Tensor): Tensor => c.matmul(w).tanh().mul(c.sin());
  const loop = (f: (x: Tensor) => Tensor, length: number) => (x: Tensor) =>
    scan((c: Tensor, _: null) => [f(c), null] as [Tensor, null], x, null, { length })[0];
  const held = (f: (x: Tensor) => Tensor): number =>
    explain(grad((x: Tensor) => f(x).sum()))(ones([width, width])).peakBytes / (4 * width ** 2);
  const flat = held(loop(step, side * side));
  const nested = held(loop(checkpoint(loop(checkpoint(step), side)), side));
  expect(flat).toBeGreaterThan(side * side);
  // Two stacks of about `side` carries, and what one step and the loops around it need.
  expect(nested).toBeLessThan(3 * side + 16);
});
