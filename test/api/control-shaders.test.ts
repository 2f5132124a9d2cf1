/** Branches and rounds in the shaders: one test at the beginning, whatever is nested in what. */
import { cond, explain, foriLoop, init, matmul, ones, type Tensor, whileLoop } from "dawngrad";
import { beforeAll, expect, test } from "vitest";

beforeAll(() => init());

/** How deep `if` lies within `if`, and how many there are that leave. */
function ifs(wgsl: string): { depth: number; leaving: number } {
  let depth = 0;
  const open: boolean[] = [];
  const words = wgsl.replace(/\/\/[^\n]*/g, "").matchAll(/\bif\b|\{|\}/g);
  let next = false;
  for (const [word] of words) {
    if (word === "if") next = true;
    else if (word === "{") {
      open.push(next);
      next = false;
      depth = Math.max(depth, open.filter((x) => x).length);
    } else open.pop();
  }
  return { depth, leaving: wgsl.split(/\{\s*return;\s*\}/).length - 1 };
}

const heavy = (x: Tensor): Tensor => matmul(x, x).mul(0.01).tanh();
const straight = (x: Tensor): Tensor => matmul(heavy(x), x.sin()).add(x.sum());

/** Large branches within branches within a loop whose end only the device sees, within a loop. */
const nested = (x: Tensor): Tensor =>
  foriLoop(
    0,
    3,
    (_, a) =>
      whileLoop(
        (b) => b.sum().less(10),
        (b) =>
          cond(
            b.max().greater(0.5),
            (c) =>
              cond(
                c.min().greater(0.25),
                (d) => cond(d.mean().greater(1), heavy, straight, d),
                straight,
                c,
              ),
            heavy,
            b,
          ),
        a,
      ),
    x,
  );

// A driver that compiles both sides of each branch within the loops around it takes twice as long for each.
test("guards of any depth are one test, and nest nothing", () => {
  const x = ones([64, 64]);
  const plain = explain(straight)(x).kernels.map((k) => ifs(k.wgsl));
  const most = Math.max(...plain.map((k) => k.depth));
  const kernels = explain(nested)(x).kernels.map((k) => ifs(k.wgsl));
  expect(kernels.some((k) => k.leaving > 0)).toBe(true);
  for (const { depth, leaving } of kernels) {
    expect(depth).toBeLessThanOrEqual(Math.max(1, most));
    expect(leaving).toBeLessThanOrEqual(1 + Math.max(...plain.map((k) => k.leaving)));
  }
});
