/**
 * Functions that close over tensors and over values of outer traces, in every transform and every
 * nesting; compared with results worked out by hand.
 */
import {
  array,
  grad,
  hessian,
  hvp,
  init,
  jacfwd,
  jacrev,
  jit,
  jvp,
  linearize,
  makeGraph,
  type Tensor,
  tree,
  valueAndGrad,
  vjp,
  vmap,
} from "dawngrad";
import { beforeAll, describe, expect, test } from "vitest";

beforeAll(() => init());

type Scalar = (x: Tensor) => Tensor;

/** A derivative by forward and by reverse mode. */
const derivatives: [string, (f: Scalar) => Scalar][] = [
  ["grad", (f) => grad(f)],
  ["jvp", (f) => (x) => jvp(f, [x], [array(1)])[1]],
  ["vjp", (f) => (x) => vjp(f, x)[1](array(1))[0]],
  ["linearize", (f) => (x) => linearize(f, x)[1](array(1))],
  ["jacfwd", (f) => (x) => jacfwd(f)(x)],
  ["jacrev", (f) => (x) => jacrev(f)(x)],
  ["jit(grad)", (f) => jit(grad(f))],
  ["grad(jit)", (f) => grad(jit(f))],
];
const pairs = derivatives.flatMap(([a, outer]) =>
  derivatives.map(([b, inner]) => [`${a} of ${b}`, outer, inner] as const),
);

describe("perturbation confusion", () => {
  test.each(pairs)("%s", async (_, outer, inner) => {
    const at = async (f: Scalar, x: number) => outer(f)(array(x)).item();
    // d/dx [x · d/dy (x + y)] = 1: the inner derivative is 1 and not 2.
    expect(await at((x) => x.mul(inner((y) => x.add(y))(array(5))), 3)).toBe(1);
    // d/dx [x · d/dy (x·y)] = 2x
    expect(await at((x) => x.mul(inner((y) => x.mul(y))(array(5))), 3)).toBe(6);
    // d/dx [d/dy (x²·y³) at y = x] = d/dx 3x⁴ = 12x³
    expect(await at((x) => inner((y) => x.mul(x).mul(y.mul(y).mul(y)))(x), 2)).toBe(96);
    // The inner function ignores its argument: its derivative is 0 whatever x does.
    expect(await at((x) => inner(() => x.mul(x))(x).add(x), 3)).toBe(1);
  });

  test("three levels: d/dx [x · d/dy (y · d/dz (x·y·z²))]", async () => {
    // d/dz at 1: 2xy; y·2xy = 2xy²; d/dy at 2: 4xy = 8x; x·8x; d/dx at 3: 16x = 48.
    const f = grad((x: Tensor) =>
      x.mul(
        grad((y: Tensor) => y.mul(grad((z: Tensor) => x.mul(y).mul(z).mul(z))(array(1))))(array(2)),
      ),
    );
    expect(await f(array(3)).item()).toBe(48);
    expect(await jit(f)(array(3)).item()).toBe(48);
  });
});

describe("closing over tensors", () => {
  const c = () => array([10, 20, 30]);
  const x = () => array([1, 2, 3]);

  test("in each transform", async () => {
    const k = c();
    const f = (y: Tensor) => y.mul(y).mul(k).sum(); // gradient 2yk, Hessian diag(2k)
    expect(await jit(f)(x()).item()).toBe(360);
    expect(await grad(f)(x()).toArray()).toEqual([20, 80, 180]);
    const [value, g] = valueAndGrad(f)(x());
    expect([await value.item(), await g.toArray()]).toEqual([360, [20, 80, 180]]);
    const [, t] = jvp(f, [x()], [array([1, 0, 1])]);
    expect(await t.item()).toBe(200);
    const [, pull] = vjp(f, x());
    expect(await pull(array(2))[0].toArray()).toEqual([40, 160, 360]);
    const [, push] = linearize(f, x());
    expect(await push(array([0, 1, 0])).item()).toBe(80);
    expect(await push(array([1, 0, 0])).item()).toBe(20);
    expect(await hvp(f, [x()], [array([1, 1, 1])])[0].toArray()).toEqual([20, 40, 60]);
    expect(await hessian(f)(x()).toArray()).toEqual([
      [20, 0, 0],
      [0, 40, 0],
      [0, 0, 60],
    ]);
    const rows = vmap((y: Tensor) => y.mul(k))(
      array([
        [1, 1, 1],
        [2, 2, 2],
      ]),
    );
    expect(await rows.toArray()).toEqual([
      [10, 20, 30],
      [20, 40, 60],
    ]);
  });

  test("a tensor closed over twice is one input; as an argument too, it is another variable", async () => {
    const k = c();
    const f = (y: Tensor) => y.add(k).mul(k).sum();
    expect(makeGraph(f)(x()).inputs.length).toBe(2);
    // As an argument the tensor is another variable: the gradient sees only that.
    expect(await grad(f)(k).toArray()).toEqual([10, 20, 30]);
    expect(await jit(f)(k).item()).toBe(2 * (100 + 400 + 900));
  });

  test("a tensor of the host and one of the device, scalars and trees", async () => {
    const p = { w: array([1, 2]).add(0), b: array(3) };
    const f = jit((y: Tensor) => tree.leaves(tree.scale(p, y)).reduce((a, l) => a.add(l.sum()), y));
    expect(await f(array(2)).item()).toBe(14);
  });

  test("a value that is computed from a closed-over tensor inside", async () => {
    const k = c();
    const f = grad((y: Tensor) => y.mul(k.sum()).sum());
    expect(await f(x()).toArray()).toEqual([60, 60, 60]);
  });
});

describe("jit within transforms and transforms within jit", () => {
  const k = () => array(4);

  test("jit in grad, closing over the argument of grad", async () => {
    const c = k();
    const f = (x: Tensor) => {
      const inner = jit((y: Tensor) => y.mul(x).mul(c)); // 4xy
      return inner(x.mul(x)); // 4x³
    };
    expect(await grad(f)(array(2)).item()).toBe(48);
    expect(await jit(grad(f))(array(2)).item()).toBe(48);
    expect(await grad(jit(f))(array(2)).item()).toBe(48);
    expect(await grad(jit(grad(f)))(array(2)).item()).toBe(48);
  });

  test("a jitted function called inside and outside keeps its own program", async () => {
    const inner = jit((y: Tensor) => y.mul(3));
    expect(await inner(array(2)).item()).toBe(6);
    expect(await grad((x: Tensor) => inner(x).mul(x))(array(2)).item()).toBe(12);
    expect(await inner(array(5)).item()).toBe(15);
  });

  test("grad in jit over a captured batch; the capture is the one of the trace", async () => {
    let batch = array([1, 2]);
    const step = jit((w: Tensor) => w.sub(grad((p: Tensor) => p.mul(batch).sum())(w)));
    expect(await step(array([5, 5])).toArray()).toEqual([4, 3]);
    batch = array([10, 10]);
    expect(await step(array([5, 5])).toArray()).toEqual([4, 3]);
  });

  test("a pullback and a pushforward made outside and used inside another trace", async () => {
    const [, pull] = vjp((x: Tensor) => x.mul(x), array(3));
    expect(await jit((ct: Tensor) => pull(ct)[0].add(1))(array(2)).item()).toBe(13);
    expect(await grad((ct: Tensor) => pull(ct)[0])(array(2)).item()).toBe(6);
    const [, push] = linearize((x: Tensor) => x.mul(x), array(3));
    const both = vmap((t: Tensor) => push(t))(array([1, 2]));
    expect(await both.toArray()).toEqual([6, 12]);
  });

  test("a pullback whose residuals are tracers of an outer trace", async () => {
    // f(x) = pull_{y = x}(x) of y² = 2x·x, so f' = 4x.
    const f = (x: Tensor) => vjp((y: Tensor) => y.mul(y), x)[1](x)[0];
    expect(await f(array(3)).item()).toBe(18);
    expect(await grad(f)(array(3)).item()).toBe(12);
    expect(await vmap(grad(f))(array([1, 2])).toArray()).toEqual([4, 8]);
  });
});

describe("vmap", () => {
  test("in vmap, the inner closing over the outer lane", async () => {
    // out[i][j] = a[i]·b[j] + c[j]
    const c = array([100, 200, 300]);
    const f = vmap((a: Tensor) =>
      vmap((b: Tensor, k: Tensor) => a.mul(b).add(k))(array([1, 2, 3]), c),
    );
    const want = [
      [101, 202, 303],
      [102, 204, 306],
    ];
    expect(await f(array([1, 2])).toArray()).toEqual(want);
    expect(await jit(f)(array([1, 2])).toArray()).toEqual(want);
  });

  test("an inner function that uses only what it closes over", async () => {
    const f = vmap((a: Tensor) => vmap((_: Tensor) => a.mul(2))(array([0, 0, 0])));
    expect(await f(array([1, 2])).toArray()).toEqual([
      [2, 2, 2],
      [4, 4, 4],
    ]);
    const [t] = array([7]);
    const unmapped = vmap((_: Tensor) => t!.add(1), 0, null)(array([1, 2, 3]));
    expect(await unmapped.item()).toBe(8);
  });

  test("of grad closing over a lane, and grad of a sum over vmap closing over the argument", async () => {
    // d/dx (x·y²) at (x_i, y_i), y closed over from the outer lanes.
    const g = vmap((x: Tensor, y: Tensor) => grad((z: Tensor) => z.mul(y).mul(y))(x));
    expect(await g(array([1, 1]), array([2, 3])).toArray()).toEqual([4, 9]);
    // Σ_i (w·x_i)² : derivative 2wΣx² = 2·3·5
    const loss = (w: Tensor) => vmap((x: Tensor) => w.mul(x).mul(w.mul(x)))(array([1, 2])).sum();
    expect(await grad(loss)(array(3)).item()).toBe(30);
    expect(await grad(grad(loss))(array(3)).item()).toBe(10);
    expect(await jit(grad(loss))(array(3)).item()).toBe(30);
  });

  test("of matmul with closed-over weights: per-example gradients", async () => {
    const w = array([
      [1, 2],
      [3, 4],
    ]);
    const x = array([
      [1, 0],
      [0, 1],
      [1, 1],
    ]);
    // d/dx |x W|² = 2 W Wᵀ x; W Wᵀ = [[5, 11], [11, 25]]
    const g = vmap(
      grad((r: Tensor) => {
        const y = r.matmul(w);
        return y.mul(y).sum();
      }),
    )(x);
    expect(await g.toArray()).toEqual([
      [10, 22],
      [22, 50],
      [32, 72],
    ]);
  });

  test("jvp of vmap of jit closing over three levels", async () => {
    const c = array(2);
    const f = (x: Tensor) =>
      vmap((a: Tensor) => jit((b: Tensor) => b.mul(x).mul(a).mul(c))(a.add(1)))(
        array([1, 2]),
      ).sum();
    // Σ (a+1)·x·a·2 = x·(4 + 12) = 16x
    const [y, t] = jvp(f, [array(3)], [array(1)]);
    expect([await y.item(), await t.item()]).toEqual([48, 16]);
  });
});
