/** checkpoint: the same derivatives, computed again, with less memory held. */
import {
  array,
  type CheckpointPolicy,
  checkpoint,
  checkpointName,
  checkpointPolicies,
  customVjp,
  explain,
  grad,
  hessian,
  init,
  jit,
  jvp,
  makeGraph,
  ones,
  psum,
  remat,
  type Tensor,
  valueAndGrad,
  vjp,
  vmap,
} from "dawngrad";
import { checkGrads, hostArray, reference } from "dawngrad/testing";
import { beforeAll, describe, expect, test } from "vitest";

const policies: readonly CheckpointPolicy[] = [
  "nothing",
  "everything",
  "dots",
  "dotsWithNoBatchDims",
  { names: ["hidden"] },
];

/** How often a primitive occurs in the graph of a function. */
const count = (f: (...xs: Tensor[]) => unknown, name: string, ...xs: Tensor[]): number =>
  String(makeGraph(f)(...xs)).split(` = ${name}`).length - 1;

const block = (w: Tensor, x: Tensor): Tensor =>
  checkpointName(x.matmul(w).tanh(), "hidden").matmul(w.T).sin();

const lossOf = (f: typeof block) => (w: Tensor, x: Tensor) => f(w, f(w, x)).square().sum();

const w = [
  [0.3, -0.2, 0.5],
  [0.1, 0.4, -0.6],
];
const x = [
  [0.7, -1.1],
  [0.2, 0.9],
];

describe("derivatives are those of the function", () => {
  test.each(policies)("policy %o", async (policy) => {
    const f = lossOf(checkpoint(block, { policy }));
    const plain = lossOf(block);
    const args = [hostArray(w), hostArray(x)] as const;
    const derivatives = (h: typeof plain) => (a: Tensor, b: Tensor) => [
      h(a, b),
      grad(h)(a, b),
      grad(h, { argnums: 1 })(a, b),
      hessian(h)(a, b),
      jvp(h, [a, b], [a, b])[1],
      jvp(grad(h), [a, b], [a, b])[1],
      grad((c: Tensor) => grad(h)(c, b).square().sum())(a),
      vmap(grad(h), [null, 0])(a, b.reshape([2, 1, 2])),
      grad((c: Tensor) => vmap(h, [null, 0])(c, b.reshape([2, 1, 2])).sum())(a),
      vjp(h, a, b)[1](array(2))[1],
      jit(grad(jit(h)))(a, b),
    ];
    const got = await reference(derivatives(f))(...args);
    const want = await reference(derivatives(plain))(...args);
    got.forEach((y, i) => {
      const wanted = Array.from(want[i]!.data);
      const scale = Math.max(1, ...wanted.map(Math.abs));
      Array.from(y.data).forEach((v, k) => {
        expect(Math.abs(v - wanted[k]!), `derivative ${i}`).toBeLessThan(1e-12 * scale);
      });
    });
    await checkGrads(f, [...args], { order: 2 });
  });

  test("nested checkpoints, closures, trees, integers, collectives and custom rules within", async () => {
    const k = array([2, 3]);
    const twice = customVjp(
      (y: Tensor) => y.mul(2),
      (y) => [y.mul(2), null] as const,
      (_, g: Tensor) => [g.mul(20)],
    );
    const run = (y: Tensor, c: Tensor) => {
      const inner = checkpoint((p: { y: Tensor; n: Tensor }) => ({
        z: twice(p.y.sin().mul(k).mul(c)),
        n: p.n.add(1),
      }));
      const outer = checkpoint((v: Tensor, n: Tensor) => {
        const { z, n: m } = inner({ y: v.exp(), n });
        return [z.mul(m), m] as const;
      });
      const n = array([1, 2], { dtype: "int32" });
      return grad((v: Tensor) => outer(v, n)[0].sum())(y);
    };
    const by = (v: number, i: number) => Math.cos(Math.exp(v)) * Math.exp(v) * [4, 9][i]! * 5 * 20;
    const got = await reference(run)(hostArray([0.1, 0.4]), hostArray(5));
    Array.from(got.data).forEach((v, i) => {
      expect(v).toBeCloseTo(by([0.1, 0.4][i]!, i), 9);
    });
    const total = (v: Tensor) =>
      vmap(
        checkpoint((a: Tensor) => psum(a.square(), "i").sin()),
        0,
        0,
        { axisName: "i" },
      )(v).sum();
    const plain = (v: Tensor) => v.square().sum().sin().mul(3);
    const at = hostArray([0.2, 0.5, -0.3]);
    const [p, q] = [await reference(grad(total))(at), await reference(grad(plain))(at)];
    Array.from(p.data).forEach((v, i) => {
      expect(v).toBeCloseTo(q.data[i]!, 12);
    });
  });

  test("remat is checkpoint by its older name", () => {
    expect(remat).toBe(checkpoint);
  });

  test("static arguments, numbers, and no trace around", async () => {
    await init();
    const f = checkpoint((y: Tensor, how: string) => (how === "sin" ? y.sin() : y.cos()), {
      staticArgnums: 1,
    });
    expect(await f(array(0), "cos").item()).toBe(1);
    expect(await grad((y: Tensor) => f(y, "sin"))(array(0)).item()).toBe(1);
  });
});

describe("what is computed again", () => {
  const at = [array(w), array(x)] as const;
  const gradient = (policy?: CheckpointPolicy) => {
    const f = policy ? checkpoint(block, { policy }) : block;
    return grad(lossOf(f), { argnums: [0, 1] });
  };

  test.each([
    // Two blocks with one tanh each.
    ["nothing", 4],
    ["everything", 2],
    ["dots", 4],
    [checkpointPolicies.saveOnlyTheseNames("hidden"), 2],
  ] as const)("policy %o: %i tanh", (policy, tanhs) => {
    expect(count(gradient(policy), "tanh", ...at)).toBe(tanhs);
  });

  test("without checkpoint nothing is; the forward pass alone is not recomputed either", () => {
    expect(count(gradient(), "tanh", ...at)).toBe(2);
    expect(count(lossOf(checkpoint(block)), "tanh", ...at)).toBe(2);
    expect(count(lossOf(checkpoint(block)), "optimizationBarrier", ...at)).toBe(0);
  });
});

describe("memory", () => {
  beforeAll(() => init());

  const layers = 12;
  const deep = (f: (w: Tensor, x: Tensor) => Tensor) => (ws: Tensor, x0: Tensor) => {
    let y = x0;
    for (let i = 0; i < layers; i++) y = f(ws.at(i), y);
    return y.square().sum();
  };
  // Wide inside, narrow between: what checkpoint is for.
  const wide = (v: Tensor, y: Tensor): Tensor => {
    const h = y.matmul(v).tanh();
    return h.mul(h.sin()).matmul(v.T).tanh();
  };
  const args = () => [ones([layers, 16, 256]), ones([64, 16])] as const;

  test("the peak falls to about that of one block", () => {
    const peak = (f: typeof wide) => explain(valueAndGrad(deep(f)))(...args()).peakBytes;
    const inner = 64 * 256 * 4;
    const [plain, less] = [peak(wide), peak(checkpoint(wide))];
    // Without: at least one inner array a layer is held. With: those of about one block.
    expect(plain - less).toBeGreaterThan((layers - 4) * inner);
    const saved = peak(checkpoint(wide, { policy: "everything" }));
    expect(saved).toBe(plain);
  });

  test("on the device the gradient is the same", async () => {
    const [v, y] = [array(w), array(x)];
    const [a, b] = [block, checkpoint(block)].map((f) => jit(grad(lossOf(f)))(v, y));
    const [p, q] = [await a!.data(), await b!.data()];
    const scale = Math.max(...Array.from(p, Math.abs));
    p.forEach((u, i) => {
      expect(Math.abs(u - q[i]!)).toBeLessThanOrEqual(1e-6 * scale);
    });
  });

  test("checkpoints of checkpoints hold about the square root", () => {
    const side = 64;
    const v = ones([side, side]);
    const step = (y: Tensor): Tensor => y.matmul(v).tanh();
    const chain = (f: (y: Tensor) => Tensor, times: number) => (y: Tensor) => {
      let z = y;
      for (let i = 0; i < times; i++) z = f(z);
      return z;
    };
    const held = (f: (y: Tensor) => Tensor): number =>
      explain(grad((y: Tensor) => f(y).sum()))(ones([side, side])).peakBytes / (4 * side ** 2);
    const flat = held(chain(checkpoint(step), 25));
    const nested = held(chain(checkpoint(chain(checkpoint(step), 5)), 5));
    expect(flat).toBeGreaterThan(25);
    // Five segments' inputs, five steps' inputs, and what one step needs.
    expect(nested).toBeLessThan(5 + 5 + 7);
  });
});
