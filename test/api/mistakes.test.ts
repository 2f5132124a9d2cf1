/**
 * Mistakes that other engines of this kind made and that users found: one test each. Values are
 * worked out by hand; on the device, because that is where most of them happened.
 */
import {
  arange,
  argmax,
  array,
  bitcast,
  block,
  broadcastTo,
  concatenate,
  cumsum,
  dynamicSlice,
  dynamicUpdateSlice,
  explain,
  flip,
  full,
  grad,
  hessian,
  init,
  jacfwd,
  jacrev,
  jit,
  jvp,
  linspace,
  makeGraph,
  matmul,
  max,
  memoryStats,
  min,
  mod,
  norm,
  ones,
  pad,
  scatterAdd,
  searchsorted,
  sort,
  sqrt,
  stack,
  sum,
  type Tensor,
  take,
  tidy,
  vmap,
  where,
  zeros,
} from "dawngrad";
import { beforeAll, describe, expect, test } from "vitest";
import { JitCache } from "../../src/api/jit.js";
import { currentGpu } from "../../src/device/index.js";
import { currentBuilder } from "../../src/ir/builder.js";
import { currentOp } from "../../src/trace/tracer.js";

beforeAll(() => init());

const ints = (values: number[]): Tensor => array(values, { dtype: "int32" });

/** A scalar that lives on the device only: the result of a program, never read back. */
const deviceScalar = (value: number): Tensor => array(value).add(array(0));

describe("closures over tensors", () => {
  test("jit closing over a device scalar neither reads it back nor bakes it in", async () => {
    const scale = deviceScalar(3);
    const read = { count: 0 };
    const { data } = Object.getPrototypeOf(scale);
    Object.getPrototypeOf(scale).data = function (this: Tensor) {
      read.count += 1;
      return data.call(this);
    };
    let y: Tensor;
    try {
      y = jit((x: Tensor) => x.mul(scale).sum())(array([1, 2]));
    } finally {
      Object.getPrototypeOf(scale).data = data;
    }
    expect(read.count).toBe(0);
    expect(await y.item()).toBe(9);
    // An input of the program, as x is.
    const graph = makeGraph((x: Tensor) => x.mul(scale).sum())(array([1, 2]));
    expect(graph.inputs.length).toBe(2);
  });

  test("two closures with different tensors share the program, not the values", async () => {
    const scaled = (by: Tensor) => jit((x: Tensor) => x.mul(by).add(1));
    const x = array([1, 2, 3]);
    expect(await scaled(deviceScalar(2))(x).toArray()).toEqual([3, 5, 7]);
    const compiled = currentGpu("test").pipelines.size;
    expect(await scaled(deviceScalar(5))(x).toArray()).toEqual([6, 11, 16]);
    expect(currentGpu("test").pipelines.size).toBe(compiled);
  });
});

describe("static arguments", () => {
  test("two functions of the same text are two entries", async () => {
    const times = (k: number) => (x: Tensor) => x.mul(k);
    const apply = jit((f: (x: Tensor) => Tensor, x: Tensor) => f(x), { staticArgnums: 0 });
    const [double, triple] = [times(2), times(3)];
    const x = array([1, 2]);
    expect(await apply(double, x).toArray()).toEqual([2, 4]);
    expect(await apply(triple, x).toArray()).toEqual([3, 6]);
    expect(await apply(double, x).toArray()).toEqual([2, 4]);
  });

  test("values are told apart: 1 from '1', -0 from 0, and strings from their neighbours", async () => {
    let traced = 0;
    const f = jit(
      (...args: [a: unknown, b: unknown, x: Tensor]) => {
        traced += 1;
        return args[2].add(traced);
      },
      { staticArgnums: [0, 1] },
    );
    const x = array([0]);
    const calls: [unknown, unknown][] = [
      [1, 2],
      ["1", 2],
      [0, 0],
      [-0, 0],
      [null, undefined],
      [undefined, null],
      ["a string:b", "c"],
      ["a", "b string:c"],
      [Symbol("s"), 0],
      [Symbol("s"), 0],
    ];
    const first: unknown[] = [];
    for (const [a, b] of calls) first.push(await f(a, b, x).toArray());
    expect(traced).toBe(calls.length);
    expect(first).toEqual(calls.map((_, i) => [i + 1]));
    for (const [i, [a, b]] of calls.entries()) {
      expect(await f(a, b, x).toArray()).toEqual([i + 1]);
    }
    expect(traced).toBe(calls.length);
  });
});

describe("vmap and hessian do what their arguments say", () => {
  test("outAxes is honoured, negative and per leaf", async () => {
    const x = array([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const f = vmap((r: Tensor) => r.mul(10), 0, 1);
    expect(await f(x).toArray()).toEqual([
      [10, 40],
      [20, 50],
      [30, 60],
    ]);
    const two = vmap((r: Tensor) => ({ a: r, b: r.sum(), c: array([7, 8]) }), 0, {
      a: -1,
      b: 0,
      c: null,
    });
    const { a, b, c } = two(x);
    expect([a.shape, b.shape, c.shape]).toEqual([[3, 2], [2], [2]]);
    expect(await b.toArray()).toEqual([6, 15]);
    expect(await c.toArray()).toEqual([7, 8]);
  });

  test("hessian of a matrix, of a scalar and of a tree", async () => {
    // f(X) = sum(X²)·X00: H is known entry by entry.
    const cube = (x: Tensor) => x.mul(x).mul(x).sum();
    const matrix = hessian(cube)(array([[1, 2]]));
    expect(matrix.shape).toEqual([1, 2, 1, 2]);
    expect(await matrix.toArray()).toEqual([[[[6, 0]], [[0, 12]]]]);
    const scalar = hessian(cube)(array(2));
    expect(scalar.shape).toEqual([]);
    expect(await scalar.item()).toBe(12);
    // f = a²·sum(b): f_aa = 2·sum(b), f_ab = 2a, f_bb = 0.
    const tree = hessian((p: { a: Tensor; b: Tensor }) => p.a.mul(p.a).mul(p.b.sum()))({
      a: array(3),
      b: array([1, 2]),
    });
    expect(await tree.a.a.item()).toBe(6);
    expect(await tree.a.b.toArray()).toEqual([6, 6]);
    expect(await tree.b.a.toArray()).toEqual([6, 6]);
    expect(await tree.b.b.toArray()).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test("Jacobians by several arguments are lists, by negative argnums the last", async () => {
    const f = (x: Tensor, p: { k: Tensor }) => ({ y: x.mul(p.k) });
    const args = [array([2, 3]), { k: array(5) }] as const;
    for (const jacobian of [jacfwd, jacrev]) {
      const { y } = jacobian(f, { argnums: [1, 0] })(...args);
      expect(await y[0].k.toArray()).toEqual([2, 3]);
      expect(await y[1].toArray()).toEqual([
        [5, 0],
        [0, 5],
      ]);
      const last = jacobian(f, { argnums: -1 })(...args).y as { k: Tensor };
      expect(await last.k.toArray()).toEqual([2, 3]);
    }
    const g = (x: Tensor, z: Tensor) => x.square().mul(z);
    const [[xx, xz], [zx, zz]] = hessian(g, { argnums: [0, 1] })(array(3), array(5));
    expect(await stack([xx, xz, zx, zz]).toArray()).toEqual([10, 6, 6, 0]);
  });
});

describe("dtypes under differentiation", () => {
  test("integer mod under jvp keeps its primal", async () => {
    const f = (x: Tensor, k: Tensor) => ({ y: x.mul(2), r: mod(k, 3) });
    const [out, tangent] = jvp(f, [array([1, 2]), ints([7, -7])], [array([1, 1]), null]);
    expect(await out.r.toArray()).toEqual([1, 2]);
    expect(out.r.dtype).toBe("int32");
    expect(await tangent.y.toArray()).toEqual([2, 2]);
    expect(tangent.r).toBeNull();
  });

  test("a cast's tangent has the dtype of its output; through integers it is zero", async () => {
    const [y, dy] = jvp(
      (x: Tensor) => x.astype("int32").astype("float32").add(x),
      [array([1.75, -2.5])],
      [array([1, 10])],
    );
    expect(await y.toArray()).toEqual([2.75, -4.5]);
    expect(dy.dtype).toBe("float32");
    expect(await dy.toArray()).toEqual([1, 10]);
    const g = grad((x: Tensor) => x.greater(0).astype("float32").mul(x).sum())(array([2, -3]));
    expect(await g.toArray()).toEqual([1, 0]);
    const [, none] = jvp((x: Tensor) => x.astype("int32"), [array([1])], [array([1])]);
    expect(none).toBeNull();
  });

  test("adding 0 or multiplying by 1 does not drop a promotion", async () => {
    const k = ints([1, 2]);
    for (const f of [
      (x: Tensor) => x.add(array(0)),
      (x: Tensor) => x.mul(array(1)),
      (x: Tensor) => x.add(array([0, 0])),
      (x: Tensor) => x.mul(array([1, 1])),
      (x: Tensor) => x.mul(1).add(0).astype("float32"),
      (x: Tensor) => x.sub(array(0)).div(1),
      (x: Tensor) => where(true, x, array(0)),
      (x: Tensor) => concatenate([x, zeros([0])]),
    ]) {
      for (const g of [f, jit(f)]) {
        const y = g(k);
        expect(y.dtype).toBe("float32");
        expect(await y.toArray()).toEqual([1, 2]);
      }
    }
    const b = array([true, false]);
    const c = jit((x: Tensor) => x.mul(1))(b);
    expect([c.dtype, await c.toArray()]).toEqual(["int32", [1, 0]]);
  });

  test("bitcast keeps bits, not values", async () => {
    const bits = bitcast(array([1, -0]), "uint32");
    expect(Array.from(await bits.data())).toEqual([0x3f800000, 0x80000000]);
  });
});

describe("gradients at 0", () => {
  test("x**2, x**1, x**0 and x**3", async () => {
    const at = async (f: (x: Tensor) => Tensor) => [
      await grad(f)(array(0)).item(),
      await jit(grad(f))(array(0)).item(),
      await grad(grad(f))(array(0)).item(),
    ];
    expect(await at((x) => x.pow(2))).toEqual([0, 0, 2]);
    expect(await at((x) => x.pow(3))).toEqual([0, 0, 0]);
    expect(await at((x) => x.pow(1))).toEqual([1, 1, 0]);
    expect(await at((x) => x.pow(0))).toEqual([0, 0, 0]);
    expect(await at((x) => x.square())).toEqual([0, 0, 2]);
    expect(await at((x) => x.pow(array(2)))).toEqual([0, 0, 2]);
  });

  test("the norm has gradient 0 at 0, and so have std and norms along an axis", async () => {
    const zero = array([0, 0]);
    expect(await grad((x: Tensor) => norm(x))(zero).toArray()).toEqual([0, 0]);
    expect(await grad((x: Tensor) => x.std())(zero).toArray()).toEqual([0, 0]);
    const rows = array([
      [0, 0],
      [3, 4],
    ]);
    const g = await grad((x: Tensor) => norm(x, { axis: 1 }).sum())(rows).toArray();
    expect((g as number[][])[0]).toEqual([0, 0]);
    expect((g as number[][])[1]![0]).toBeCloseTo(0.6, 6);
    // A unit vector that does not exist is 0, not NaN: the perturbation of SAM at a minimum.
    const unit = (x: Tensor) => {
      const n = norm(x);
      return where(n.greater(0), x.div(where(n.greater(0), n, 1)), 0);
    };
    expect(await unit(zero).toArray()).toEqual([0, 0]);
    expect(await jit(grad((x: Tensor) => unit(x).sum()))(zero).toArray()).toEqual([0, 0]);
  });

  test("sqrt is infinite there, and the double where is the way out", async () => {
    expect(await grad((x: Tensor) => sqrt(x))(array(0)).item()).toBe(Number.POSITIVE_INFINITY);
    const single = (x: Tensor) => where(x.greater(0), sqrt(x), 0);
    const twice = (x: Tensor) => where(x.greater(0), sqrt(where(x.greater(0), x, 1)), 0);
    expect(await grad(single)(array(0)).item()).toBeNaN();
    expect(await grad(twice)(array(0)).item()).toBe(0);
    expect(await grad(twice)(array(4)).item()).toBe(0.25);
  });
});

describe("nothing is left behind", () => {
  test("no trace level after transforms, nested, failed or thrown through", () => {
    const boom = (): never => {
      throw new RangeError("the user's own error");
    };
    const transforms: ((f: (x: Tensor) => Tensor) => () => unknown)[] = [
      (f) => () => grad(f)(array(1)),
      (f) => () => grad(grad(f))(array(1)),
      (f) => () => jit(grad(jit(f)))(array(1)),
      (f) => () => vmap(f)(array([1, 2])),
      (f) => () => hessian(f)(array(1)),
      (f) => () => jvp(f, [array(1)], [array(1)]),
      (f) => () => explain(f)(array(1)),
      (f) => () => tidy(() => grad(f)(array(1))),
    ];
    for (const t of transforms) {
      t((x) => x.mul(x))();
      expect(currentBuilder()).toBeUndefined();
      expect(() => t(boom)()).toThrow(RangeError);
      expect(() =>
        t((x) =>
          x
            .add(array([1, 2, 3]))
            .add(array([1, 2]))
            .sum(),
        )(),
      ).toThrow();
      expect(currentBuilder()).toBeUndefined();
      expect(currentOp()).toBe("an operation");
    }
    // An operation that fails within user code must not name the next one.
    expect(() => array([1, 2]).add(array([1, 2, 3]))).toThrow(/^add: /);
    expect(() => array([1, 2]).mul(array([1, 2, 3]))).toThrow(/^mul: /);
  });

  test("graphs do not grow with the number of calls", () => {
    const f = (x: Tensor) => grad((y: Tensor) => y.mul(y).mul(x).sum())(x).sum();
    const size = () => makeGraph(grad(f))(array([1, 2])).eqns.length;
    const first = size();
    for (let i = 0; i < 20; i++) grad(f)(array([1, 2]));
    expect(size()).toBe(first);
  });

  test("a fresh static closure each time neither compiles nor piles up programs", () => {
    const cache = new JitCache((f: (x: Tensor) => Tensor, x: Tensor) => f(x), { staticArgnums: 0 });
    const x = array([1, 2]);
    const call = (by: number) => (cache.run([(y: Tensor) => y.add(by), x]) as Tensor).dispose();
    call(0);
    const compiled = currentGpu("test").pipelines.size;
    for (let i = 1; i <= 600; i++) call(i);
    expect(currentGpu("test").pipelines.size).toBe(compiled);
    expect(cache.size).toBeLessThanOrEqual(256);
  });

  test("the programs that are kept are the recently used ones", () => {
    let traced = 0;
    const cache = new JitCache(
      (n: number, x: Tensor) => {
        traced += 1;
        return x.add(n);
      },
      { staticArgnums: 0 },
    );
    const x = array([1, 2]);
    const call = (n: number) => (cache.run([n, x]) as Tensor).dispose();
    for (let i = 0; i < 400; i++) {
      call(-1);
      call(i);
    }
    expect(traced).toBe(401);
  });
});

describe("full sums", () => {
  test("2^20 values of 0.1 to 1e-6 relative, eager and jitted, along one axis or two", async () => {
    const n = 2 ** 20;
    const want = n * Math.fround(0.1);
    const near = async (y: Tensor, what: string) =>
      expect(Math.abs((await y.item()) / want - 1), what).toBeLessThan(1e-6);
    const data = array(new Float32Array(n).fill(0.1));
    await near(data.sum(), "eager");
    await near(jit((x: Tensor) => x.sum())(data), "jitted");
    await near(jit(() => full([n], 0.1).sum())(), "of a constant");
    await near(data.reshape([1024, 1024]).sum(), "two axes");
    await near(jit((x: Tensor) => sum(x.reshape([n / 4, 4])))(data), "narrow rows");
    await near(data.reshape([1024, 1024]).sum(0).sum(), "columns, then the rest");
    await near(data.mean().mul(n), "mean");
    await near(jit((x: Tensor) => matmul(x, x.mul(0).add(1)))(data), "dot product");
  });
});

describe("un-awaited work", () => {
  test("500 steps that nobody awaits and that are disposed hold no memory", async () => {
    const step = jit((w: Tensor, x: Tensor) => w.add(x.mul(0.001)), { donateArgnums: 0 });
    const x = ones([64, 64]);
    let w = step(zeros([64, 64]), x);
    await block(w);
    const before = memoryStats();
    for (let i = 0; i < 500; i++) w = step(w, x);
    const after = memoryStats();
    expect(after.liveTensors).toBe(before.liveTensors);
    expect(after.liveBytes + after.pooledBytes).toBe(before.liveBytes + before.pooledBytes);
    const values = await w.data();
    expect(Math.abs(values[0]! - 0.501)).toBeLessThan(1e-4);
  });

  test("eager chains within tidy hold no memory either", async () => {
    const x = ones([32, 32]);
    const run = () => tidy(() => x.mul(2).add(1).sum());
    run().dispose();
    run().dispose();
    const before = memoryStats();
    for (let i = 0; i < 200; i++) run().dispose();
    const after = memoryStats();
    expect(after.liveBytes).toBe(before.liveBytes);
    expect(after.pooledBytes).toBe(before.pooledBytes);
  });
});

describe("fusion across views", () => {
  test("x + 1 before a pad does not change what is padded, nor after one", async () => {
    const x = array([1, 2]);
    const before = (y: Tensor) => pad(y.add(1), [1, 2]);
    const after = (y: Tensor) => pad(y, [1, 2]).add(1);
    const exponential = (y: Tensor) => pad(y.mul(0).exp(), [1, 1], { constantValues: 5 });
    for (const wrap of [(f: (y: Tensor) => Tensor) => f, (f: (y: Tensor) => Tensor) => jit(f)]) {
      expect(await wrap(before)(x).toArray()).toEqual([0, 2, 3, 0, 0]);
      expect(await wrap(after)(x).toArray()).toEqual([1, 2, 3, 1, 1]);
      expect(await wrap(exponential)(x).toArray()).toEqual([5, 1, 1, 5]);
    }
    const reduced = jit((y: Tensor) =>
      pad(y.add(1), [[1, 1]])
        .exp()
        .sum(),
    );
    expect(await reduced(array([0, 0])).item()).toBeCloseTo(2 * Math.E + 2, 5);
    const largest = jit((y: Tensor) => pad(y.sub(10), [1, 1]).max());
    expect(await largest(x).item()).toBe(0);
  });
});

describe("arrays of size 0", () => {
  const empty = () => zeros([0]);
  const wide = () => zeros([0, 3]);
  const cases: [string, () => Tensor, number[], unknown][] = [
    ["elementwise", () => empty().add(1).exp(), [0], []],
    ["broadcast of a scalar", () => broadcastTo(array(1), [0, 2]), [0, 2], []],
    ["broadcasting with size 1", () => wide().add(ones([1, 3])), [0, 3], []],
    ["reshape", () => wide().reshape([3, 0]), [3, 0], [[], [], []]],
    ["transpose", () => wide().transpose(), [3, 0], [[], [], []]],
    ["flip", () => flip(wide()), [0, 3], []],
    ["sum", () => wide().sum(0), [3], [0, 0, 0]],
    ["sum of all", () => empty().sum(), [], 0],
    ["product", () => wide().prod(0), [3], [1, 1, 1]],
    ["sum of no rows", () => wide().sum(1), [0], []],
    ["mean", () => wide().mean(0), [3], [Number.NaN, Number.NaN, Number.NaN]],
    ["mean of all", () => empty().mean(), [], Number.NaN],
    ["variance", () => empty().var(), [], Number.NaN],
    ["standard deviation", () => empty().std(), [], Number.NaN],
    ["any", () => zeros([0, 2], { dtype: "bool" }).any(0), [2], [false, false]],
    ["all", () => zeros([0, 2], { dtype: "bool" }).all(0), [2], [true, true]],
    ["concatenate", () => concatenate([empty(), array([1, 2]), empty()]), [2], [1, 2]],
    ["stack", () => stack([empty(), empty()]), [2, 0], [[], []]],
    ["pad", () => pad(empty(), [1, 2], { constantValues: 7 }), [3], [7, 7, 7]],
    [
      "matmul over 0",
      () => matmul(zeros([2, 0]), zeros([0, 2])),
      [2, 2],
      [
        [0, 0],
        [0, 0],
      ],
    ],
    ["matmul of no rows", () => matmul(wide(), ones([3, 2])), [0, 2], []],
    ["slice to nothing", () => arange(3).slice([1], [1]), [0], []],
    ["take of nothing", () => take(arange(3), zeros([0], { dtype: "int32" })), [0], []],
    [
      "scatter of nothing",
      () => scatterAdd(ones([2]), zeros([0], { dtype: "int32" }), empty()),
      [2],
      [1, 1],
    ],
    ["dynamicSlice of size 0", () => dynamicSlice(arange(3), [1], [0]), [0], []],
    [
      "dynamicUpdateSlice of size 0",
      () => dynamicUpdateSlice(ones([2]), empty(), [1]),
      [2],
      [1, 1],
    ],
    ["cumsum", () => cumsum(empty(), 0), [0], []],
    ["sort", () => sort(empty()), [0], []],
    ["argmax of no rows", () => argmax(wide(), 1), [0], []],
    ["where", () => where(zeros([0], { dtype: "bool" }), empty(), 1), [0], []],
    ["cast", () => empty().astype("int32"), [0], []],
    ["linspace", () => linspace(0, 1, 0), [0], []],
    ["softmax", () => wide().softmax(), [0, 3], []],
    ["vmap over no lanes", () => vmap((r: Tensor) => r.sum())(wide()), [0], []],
    ["gradient", () => grad((x: Tensor) => x.mul(x).sum())(empty()), [0], []],
    [
      "gradient through nothing",
      () => grad((x: Tensor) => x.slice([0], [0]).sum())(ones([2])),
      [2],
      [0, 0],
    ],
  ];
  test.each(cases)("%s", async (_, f, shape, values) => {
    for (const run of [f, jit(f)]) {
      const y = run();
      expect(y.shape).toEqual(shape);
      expect(await y.toArray()).toEqual(values);
    }
  });

  test("the largest of nothing is an error, as in numpy", () => {
    expect(() => max(empty())).toThrow(/max.*float32\[0\]/s);
    expect(() => min(wide(), 0)).toThrow(/min.*float32\[0,3\]/s);
    expect(() => argmax(empty())).toThrow(/argmax.*float32\[0\]/s);
  });

  test("as arguments and donated state", async () => {
    const step = jit((w: Tensor, x: Tensor) => [w.add(1), x.add(w.sum())] as const, {
      donateArgnums: 0,
    });
    const [w, y] = step(empty(), array([1, 2]));
    expect(await w.toArray()).toEqual([]);
    expect(await y.toArray()).toEqual([1, 2]);
  });
});

describe("storage of bool", () => {
  test("round trips, operations, reductions, and arguments of programs", async () => {
    const b = array([true, false, true]);
    expect(await b.toArray()).toEqual([true, false, true]);
    expect(await b.data()).toEqual(new Uint8Array([1, 0, 1]));
    const f = jit((x: Tensor, y: Tensor) => ({
      and: x.logicalAnd(y),
      not: x.logicalNot(),
      sum: x.sum(),
      float: x.astype("float32"),
      any: x.any(),
      picked: where(x, array([1, 2, 3]), array([-1, -2, -3])),
    }));
    const out = f(b, array([true, true, false]));
    expect([out.and.dtype, await out.and.toArray()]).toEqual(["bool", [true, false, false]]);
    expect(await out.not.toArray()).toEqual([false, true, false]);
    expect([out.sum.dtype, await out.sum.item()]).toEqual(["int32", 2]);
    expect(await out.float.toArray()).toEqual([1, 0, 1]);
    expect(await out.any.toArray()).toBe(true);
    expect(await out.picked.toArray()).toEqual([1, -2, 3]);
    // Any number that is not 0 is true, however it came to the device.
    expect(await array([2, 0, -0.5]).astype("bool").toArray()).toEqual([true, false, true]);
    expect(await array([2, 0, 7], { dtype: "bool" }).sum().item()).toBe(2);
    expect(await concatenate([b, b]).reshape([2, 3]).all(0).toArray()).toEqual([true, false, true]);
    expect(
      await vmap((x: Tensor) => x.any())(
        array([
          [true, false],
          [false, false],
        ]),
      ).toArray(),
    ).toEqual([true, false]);
  });
});

describe("NaN and infinity are data", () => {
  const { POSITIVE_INFINITY: inf, NaN: nan } = Number;

  test("computed, as constants, as arguments and as identities of reductions", async () => {
    expect(await array([0, -1]).log().toArray()).toEqual([-inf, nan]);
    expect(await array([-inf, 3]).max().item()).toBe(3);
    expect(await array([-inf, -inf]).max().item()).toBe(-inf);
    expect(await array([inf, inf]).min().item()).toBe(inf);
    expect(await array([nan, 1]).max().item()).toBeNaN();
    const mask = array([true, false]);
    const x = array([1, 2]);
    for (const value of [inf, -inf, nan]) {
      const f = (m: Tensor, y: Tensor) => where(m, y, value);
      expect(await f(mask, x).toArray()).toEqual([1, value]);
      expect(await jit(f)(mask, x).toArray()).toEqual([1, value]);
      expect(await jit((y: Tensor, v: number) => y.add(v))(x, value).toArray()).toEqual([
        value,
        value,
      ]);
      expect(await full([2], value).toArray()).toEqual([value, value]);
      expect(await jit(() => full([2], value))().toArray()).toEqual([value, value]);
    }
  });

  test("masked attention: where with -infinity, then softmax", async () => {
    const scores = (m: Tensor, y: Tensor) => where(m, y, -inf).softmax();
    const m = array([true, true, false]);
    const y = array([0, 0, 5]);
    expect(await jit(scores)(m, y).toArray()).toEqual([0.5, 0.5, 0]);
    const g = jit(grad((z: Tensor) => scores(m, z).at(0).sum()))(y);
    const values = await g.data();
    expect(values[0]).toBeCloseTo(0.25, 6);
    expect(values[1]).toBeCloseTo(-0.25, 6);
    expect(values[2]).toBe(0);
  });

  test("searchsorted puts NaN last, as sort does", async () => {
    const at = array([Number.NaN, 1, Number.POSITIVE_INFINITY]);
    const sorted = array([1, 2, Number.NaN, Number.NaN]);
    // As numpy has it.
    expect(await searchsorted(sorted, at).toArray()).toEqual([2, 0, 2]);
    expect(await searchsorted(sorted, at, { side: "right" }).toArray()).toEqual([4, 1, 2]);
  });

  test("a program with another constant of that kind is not compiled again", async () => {
    const run = (value: number) => jit((y: Tensor) => y.mul(3).add(value))(array([1, 2]));
    expect(await run(1).toArray()).toEqual([4, 7]);
    const compiled = currentGpu("test").pipelines.size;
    expect(await run(inf).toArray()).toEqual([inf, inf]);
    expect(await run(nan).toArray()).toEqual([nan, nan]);
    expect(currentGpu("test").pipelines.size).toBe(compiled);
  });
});

test("coercions of tracers throw and name the operation that made the value", () => {
  const tries: [string, (x: Tensor) => unknown][] = [
    ["x > 0", (x) => (x as unknown as number) > 0],
    ["x + 1", (x) => (x as unknown as number) + 1],
    ["template", (x) => `${x}`],
    ["Number(x)", (x) => Number(x)],
    ["JSON", (x) => JSON.stringify({ x })],
    ["index", (x) => [1, 2][x as unknown as number]],
    ["x - 1", (x) => (x as unknown as number) - 1],
    ["Math.max", (x) => Math.max(x as unknown as number, 1)],
  ];
  for (const [name, f] of tries) {
    const traced = jit((x: Tensor) => {
      f(x.mul(2));
      return x;
    });
    expect(() => traced(array(1)), name).toThrow(/float32\[\] \(made by mul in /);
  }
});
