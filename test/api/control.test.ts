/** Loops and branches: values, errors and transforms. What they do on the device: control-running. */
import {
  array,
  associativeScan,
  cond,
  explain,
  foriLoop,
  grad,
  init,
  jit,
  jvp,
  makeGraph,
  map,
  matmul,
  ones,
  ShapeError,
  scan,
  switchCase,
  type Tensor,
  vmap,
  where,
  whileLoop,
  zeros,
} from "dawngrad";
import { beforeAll, describe, expect, it } from "vitest";

beforeAll(async () => {
  await init();
});

const int = (x: number) => array(x, { dtype: "int32" });

describe("scan", () => {
  it("carries trees, stacks trees, and goes either way", async () => {
    const xs = {
      a: array([1, 2, 3]),
      b: array([
        [1, 0],
        [0, 1],
        [2, 2],
      ]),
    };
    const run = (reverse: boolean) =>
      scan(
        ({ n, sum }, { a, b }) => {
          const next = sum.mul(a).add(b);
          return [{ n: n.add(1), sum: next }, [next, a] as const];
        },
        { n: int(0), sum: array([1, 1]) },
        xs,
        { reverse },
      );
    const [last, [sums, as]] = run(false);
    expect(await last.n.item()).toBe(3);
    expect(await last.sum.toArray()).toEqual([14, 11]);
    expect(await sums.toArray()).toEqual([
      [2, 1],
      [4, 3],
      [14, 11],
    ]);
    expect(await as.toArray()).toEqual([1, 2, 3]);
    const [first, [backSums]] = run(true);
    expect(await first.sum.toArray()).toEqual([11, 11]);
    expect(await backSums.toArray()).toEqual([
      [11, 11],
      [10, 11],
      [5, 5],
    ]);
  });

  it.each([0, 1, 2, 5])("of %i steps, in rounds of any number", async (length) => {
    const xs = Array.from({ length }, (_, i) => i + 1);
    for (const reverse of [false, true]) {
      for (const unroll of [1, 2, 3, 9]) {
        const [c, ys] = scan((c, x) => [c.mul(2).add(x), c], 1, array(xs, { shape: [length] }), {
          reverse,
          unroll,
        });
        let want = 1;
        const list: number[] = [];
        for (const x of reverse ? [...xs].reverse() : xs) {
          list.push(want);
          want = 2 * want + x;
        }
        expect(await c.item()).toBe(want);
        expect(await ys.toArray()).toEqual(reverse ? list.reverse() : list);
      }
    }
  });

  it("reshapes of arguments and of results are read where those lie", async () => {
    const f = (xs: Tensor) => {
      const sums = (ys: Tensor) => scan((c, y) => [c.add(y.sum()), c.mul(y)], 0, ys);
      const [first, ys] = sums(xs.reshape([3, 2]));
      const [second, zs] = sums(ys.reshape([2, 3]));
      return [first, second, zs.reshape([6]).add(xs.reshape([6]))];
    };
    const outs = await Promise.all(jit(f)(array([[1, 2, 3, 4, 5, 6]])).map((x) => x.toArray()));
    // Carries 0, 3, 10 times the slices: 0, 0, 9, 12, 50, 60; then 0 and 9 times those.
    expect(outs).toEqual([21, 131, [1, 2, 3, 112, 455, 546]]);
  });

  it("a carry that starts as a number takes the body's dtype; numbers returned take the carry's", async () => {
    const [n] = scan((_, x) => [x.add(1), null], 0, array([1, 2], { dtype: "int32" }));
    expect(n.dtype).toBe("int32");
    expect(await n.item()).toBe(3);
    const [z] = scan(() => [7, null], int(1), null, { length: 2 });
    expect([z.dtype, await z.item()]).toEqual(["int32", 7]);
  });

  it("a number with a fraction is never cut to an integer's dtype", () => {
    const xs = array([1, 2], { dtype: "int32" });
    expect(() => scan((_, x) => [x, null], 0.5, xs)).toThrow(
      "carry is float32[] but becomes int32[]",
    );
    expect(() => scan(() => [0.5, null], int(1), xs)).toThrow(
      "carry is int32[] but becomes float32[]",
    );
    const stop = () =>
      whileLoop(
        (c) => c.less(3),
        () => 3.5,
        int(0),
      );
    expect(stop).toThrow("carry is int32[] but becomes float32[]");
  });

  it("says what differs, with the key path", () => {
    const step = (c: { h: Tensor }) => [{ h: c.h.reshape([1, 3]) }, null] as const;
    expect(() => scan(step, { h: zeros([3]) }, null, { length: 2 })).toThrow(
      "scan: the carry that 'step' returns differs from what it was given: carry.h is float32[3] but " +
        "becomes float32[1,3]. Every step must keep shapes and dtypes",
    );
    const lost = (() => [[zeros([1])], null]) as never;
    expect(() => scan(lost, zeros([1]), null, { length: 2 })).toThrow("must keep its structure");
    expect(() => scan((c) => [c, null], 0, null)).toThrow("the number of steps is not known");
    expect(() => scan((c) => [c, null], 0, [zeros([2]), zeros([3])])).toThrow(
      "xs[1] float32[3] has 3 slices, but xs[0] float32[2] has 2",
    );
    expect(() => scan((c) => c as never, 0, zeros([2]))).toThrow("must return a list of two");
    expect(() => scan((c) => [c, null], 0, zeros([2]), { unroll: 0 })).toThrow("unroll");
  });

  it("prints its body", () => {
    const f = (xs: Tensor) => scan((c, x) => [c.mul(3).add(x), null], 0, xs)[0];
    const text = String(makeGraph(f)(zeros([4])));
    expect(text).toContain("scan[body=");
    expect(text).toMatch(
      /lambda a:float32\[\] b:float32\[\] \.\n\s+c:float32\[\] = mul a 3:float32/,
    );
  });
});

describe("whileLoop", () => {
  it("runs as long as the condition holds: 0 times, and beyond what is encoded at once", async () => {
    const sum = jit(
      (n: Tensor) =>
        whileLoop(
          ([i]) => i.less(n),
          ([i, s]) => [i.add(1), s.add(i)] as const,
          [int(0), int(0)],
        )[1],
    );
    for (const n of [0, 1, 7, 8, 9, 25, 300]) {
      // What follows waits for the loop, though nothing is awaited.
      expect(await sum(int(n)).add(1).item()).toBe((n * (n - 1)) / 2 + 1);
    }
  });

  it("under vmap every lane has its own number of steps", async () => {
    const collatz = vmap(
      (x: Tensor) =>
        whileLoop(
          ([x]) => x.notEqual(1),
          ([x, n]) =>
            [where(x.mod(2).equal(0), x.floorDivide(2), x.mul(3).add(1)), n.add(1)] as const,
          [x, int(0)],
        )[1],
    );
    expect(await collatz(array([1, 2, 3, 6, 7, 27], { dtype: "int32" })).toArray()).toEqual([
      0, 1, 7, 8, 16, 111,
    ]);
  });

  it("has forward derivatives; reverse mode says what to use", async () => {
    const f = (x: Tensor) =>
      whileLoop(
        (v) => v.less(50),
        (v) => v.mul(v),
        x,
      );
    // x^8 at 2 (2, 4, 16, 256).
    const [y, dy] = jvp(f, [array(2)], [array(1)]);
    expect([await y.item(), await dy.item()]).toEqual([256, 8 * 2 ** 7]);
    const slope = (x: Tensor) => jvp(f, [x], [array(1)])[1];
    expect(await jvp(slope, [array(2)], [array(1)])[1].item()).toBe(56 * 2 ** 6);
    expect(() => grad(f)(array(2))).toThrow("use foriLoop with bounds that are numbers, or scan");
  });

  it("within scan and cond", async () => {
    const f = (xs: Tensor) =>
      scan(
        (c, x) => {
          const y = cond(
            x.greater(0),
            (v) =>
              whileLoop(
                (w) => w.less(50),
                (w) => w.mul(3),
                v,
              ),
            (v) => v.neg(),
            x.add(c),
          );
          return [y.mul(0.0078125), y];
        },
        0,
        xs,
      )[1];
    let c = 0;
    const want = [1, -2, 3, -8].map((x) => {
      let v = x + c;
      if (x > 0) while (v < 50) v *= 3;
      else v = -v;
      c = v * 0.0078125;
      return v;
    });
    expect(await jit(f)(array([1, -2, 3, -8])).toArray()).toEqual(want);
  });

  it("wants a scalar condition", () => {
    expect(() =>
      whileLoop(
        (x) => x.less(1),
        (x) => x,
        zeros([2]),
      ),
    ).toThrow(
      "the condition 'anonymous function' returns a bool[2]; it must return a scalar boolean",
    );
  });
});

describe("foriLoop", () => {
  it("with numbers and with tensors for bounds", async () => {
    const f = (lower: number | Tensor, upper: number | Tensor) =>
      foriLoop(lower, upper, (i, x) => x.mul(2).add(i.astype("float32")), array(1));
    for (const [a, b] of [
      [0, 4],
      [2, 3],
      [3, 3],
      [5, 1],
      [-2, 2],
    ] as const) {
      let want = 1;
      for (let i = a; i < b; i++) want = 2 * want + i;
      expect(await f(a, b).item()).toBe(want);
      expect(await f(int(a), int(b)).item()).toBe(want);
    }
    expect(() => f(0.5, 2)).toThrow("foriLoop: a bound is 0.5");
  });
});

describe("cond and switch", () => {
  const big = (x: Tensor) =>
    cond(
      x.sum().greater(0),
      (y) => matmul(y, y),
      (y) => y.sub(1),
      x,
    );

  it("takes one branch: small ones and large ones, in lanes too", async () => {
    for (const n of [2, 96]) {
      for (const sign of [1, -1]) {
        const x = array(new Float32Array(n * n).fill(sign), { shape: [n, n] });
        const y = await jit(big)(x).data();
        expect(new Set(y)).toEqual(new Set([sign > 0 ? n : -2]));
      }
    }
    const both = array([[[1]], [[-3]]]);
    expect(await vmap(big)(both).toArray()).toEqual([[[1]], [[-4]]]);
  });

  it("clamps the index of switch", async () => {
    const f = (i: Tensor) => switchCase(i, [(y) => y, (y) => y.neg(), (y) => y.mul(y)], array(3));
    const got = await Promise.all([-5, 0, 1, 2, 9].map((i) => f(int(i)).item()));
    expect(got).toEqual([3, 3, -3, 9, 9]);
    expect(await vmap(f)(array([-5, 0, 1, 2, 9], { dtype: "int32" })).toArray()).toEqual(got);
  });

  it("says where branches differ", () => {
    expect(() =>
      cond(true, () => ({ a: zeros([2]) }), (() => ({ a: zeros([3]) })) as never),
    ).toThrow("cond: result.a is float32[3] in falseFun but float32[2] in trueFun");
    expect(() =>
      cond(
        zeros([2]),
        () => zeros([]),
        () => zeros([]),
      ),
    ).toThrow("it must be a scalar");
    expect(() => switchCase(0, [])).toThrow("there are no branches");
    // What is a number in the first branch does not hide that the others differ.
    const three = [() => 1, () => int(7), () => array(2.5)] as never;
    expect(() => switchCase(2, three)).toThrow(
      "switch: result is int32[] in branch 1 but float32[] in branch 2",
    );
  });

  it("a number takes the dtype of the other branch where it is a value of it", async () => {
    const y = cond(
      true,
      () => 1,
      () => int(7),
    );
    expect([y.dtype, await y.item()]).toEqual(["int32", 1]);
    const half = cond(
      true,
      () => 0.5,
      () => true,
    );
    expect([half.dtype, await half.item()]).toEqual(["float32", 0.5]);
    expect(() =>
      cond(
        true,
        () => 0.5,
        () => int(7),
      ),
    ).toThrow("cond: result is int32[] in falseFun but the number 0.5 in trueFun");
  });
});

describe("map and associativeScan", () => {
  it("map is vmap, one slice after the other", async () => {
    const f = (x: Tensor) => x.mul(x).sum();
    const xs = array([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(await map(f, xs).toArray()).toEqual(await vmap(f)(xs).toArray());
  });

  it("map in batches is vmap, whatever remains; and so is its gradient", async () => {
    const data = Array.from({ length: 7 }, (_, i) => [i - 3, 0.5 * i]);
    const f = ({ x, w }: { x: Tensor; w: Tensor }) => [x.mul(w).sum(), { y: x.exp() }] as const;
    const xs = { x: array(data), w: array(data.map(([a]) => a! / 7)) };
    const [want, { y: wantY }] = vmap(f)(xs);
    for (const batchSize of [1, 2, 3, 7, 10]) {
      const [got, { y }] = map(f, xs, { batchSize });
      expect(await got.toArray()).toEqual(await want.toArray());
      expect(await y.toArray()).toEqual(await wantY.toArray());
    }
    const loss = (batchSize?: number) => (x: Tensor) =>
      (batchSize
        ? map((v) => v.sin().sum(), x, { batchSize })
        : vmap((v: Tensor) => v.sin().sum())(x)
      )
        .mul(array([1, 2, 3, 4, 5, 6, 7]))
        .sum();
    const gradient = await grad(loss(3))(xs.x).toArray();
    expect(gradient).toEqual(await grad(loss())(xs.x).toArray());
    expect(
      await map(f, { x: zeros([0, 2]), w: zeros([0]) }, { batchSize: 2 })[0].toArray(),
    ).toEqual([]);
    expect(() => map(f, xs, { batchSize: 0 })).toThrow("batchSize is 0");
    expect(() => map(f, { ...xs, w: zeros([3]) }, { batchSize: 2 })).toThrow(ShapeError);
  });

  it("map with batchSize fits lanes that together do not", () => {
    const lanes = (x: Tensor) =>
      vmap((s: Tensor) => ones([256, 256]).mul(s).sin().cumsum(0).sum())(x);
    const batches = (x: Tensor) =>
      map((s) => ones([256, 256]).mul(s).sin().cumsum(0).sum(), x, { batchSize: 8 });
    const x = zeros([256]);
    expect(explain(batches)(x).peakBytes).toBeLessThan(explain(lanes)(x).peakBytes / 16);
  });

  it("products of matrices, which do not commute, of any number and in either direction", async () => {
    for (const n of [1, 2, 3, 6, 8]) {
      const ms = Array.from({ length: n }, (_, k) => [
        [1, k % 3],
        [k % 2, 1],
      ]);
      const product = (a: number[][], b: number[][]) =>
        a.map((row) => [0, 1].map((j) => row[0]! * b[0]![j]! + row[1]! * b[1]![j]!));
      const combine = (a: Tensor, b: Tensor) => matmul(a, b);
      const got = await associativeScan(combine, array(ms)).toArray();
      const want = ms.map((_, k) => ms.slice(1, k + 1).reduce(product, ms[0]!));
      expect(got).toEqual(want);
      const back = await associativeScan((a, b) => matmul(b, a), array(ms), {
        reverse: true,
      }).toArray();
      expect(back).toEqual(ms.map((_, k) => ms.slice(k + 1).reduce(product, ms[k]!)));
    }
  });
});
