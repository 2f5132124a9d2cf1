import { init, jit, ones, scan, stack, type Tensor, tree } from "dawngrad";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { aval } from "../../src/core/aval.js";
import { DeviceError, DisposedError } from "../../src/core/errors.js";
import { ndarray, ndFromFunction } from "../../src/core/ndarray.js";
import { currentGpu } from "../../src/device/index.js";
import { BufferPool } from "../../src/device/pool.js";
import { bind, buildGraph, lit } from "../../src/ir/builder.js";
import type { Atom } from "../../src/ir/graph.js";
import { idxAdd, idxConst } from "../../src/ir/index-expr.js";
import type { Primitive } from "../../src/ir/primitive.js";
import { graphLits } from "../../src/ir/print.js";
import * as P from "../../src/prims/index.js";
import {
  compile,
  counters,
  explainProgram,
  fromHost,
  memoryStats,
  run,
} from "../../src/runtime/index.js";
import { constant, graphOf, matmul } from "../schedule/helpers.js";
import { expectSame, onDevice } from "./compile-harness.js";

beforeAll(async () => {
  await init();
});

const f32 = (values: readonly number[], shape: readonly number[] = [values.length]) =>
  fromHost(Float32Array.from(values), { shape, dtype: "float32" });
const none = (n: number) => Array.from({ length: n }, () => false);

describe("expressions on the device", () => {
  it.each(["none", "points", "terms"] as const)("are right with lanes = %s", async (lanes) => {
    const emit = { lanes };
    for (const n of [1, 3, 4, 5, 64, 257, 1030]) {
      const g = graphOf([[n], [n]], (x, y) => [
        P.add(P.mul(x, y), constant(3, [n])),
        P.gt(x, y),
        P.reverse(P.sub(x, y), [0]),
      ]);
      await expectSame(g, 1e-6, { emit });
    }
    const g = graphOf([[12, 20]], (x) => [
      P.transpose(P.exp(x), [1, 0]),
      P.pad(P.add(x, constant(1, [12, 20])), lit(0.5, "float32"), [1, -2], [0, 3], [1, 0]),
      P.slice(x, [2, 3], [11, 19], [3, 2]),
      P.reshape(P.neg(x), [5, 48]),
      P.concatenate([x, P.sin(x), P.slice(x, [0, 0], [12, 3])], 1),
      P.add(x, P.convert(P.iota("int32", [12, 20], 1), "float32")),
    ]);
    await expectSame(g, 1e-6, { emit });
  });

  it("slices that share what they load are one thread's: w + s·v for a few s", async () => {
    const [n, m] = [64, 80];
    for (const lanes of [2, 3]) {
      const g = graphOf([[n, m], [n, m], [lanes]], (w, v, s) => {
        const wide = (x: Atom, dims: readonly number[]) => P.broadcastInDim(x, [lanes, n, m], dims);
        return [P.add(wide(w, [1, 2]), P.mul(wide(v, [1, 2]), wide(s, [0])))];
      });
      const { kernels } = explainProgram(compile(g, { name: "lanes", donated: none(3) }));
      expect(kernels[0]!.wgsl.match(/turn < \d+u/g)).toEqual([`turn < ${lanes}u`]);
      // w and v are loaded before the loop over the slices.
      expect(kernels[0]!.wgsl.split("for (var turn")[0]!.match(/= b\d_v_f32\(/g)).toHaveLength(2);
      await expectSame(g, 1e-6);
    }
  });

  it("rows that are repeated and turned round, longer than products of indices may be", async () => {
    const [rows, n] = [3, 100001];
    const turned = graphOf([[rows], [rows * n]], (x, y) => [
      P.max(P.reverse(P.reshape(P.broadcastInDim(x, [rows, n], [0]), [rows * n]), [0]), y),
    ]);
    for (const lanes of ["none", "points"] as const)
      await expectSame(turned, 0, { emit: { lanes } });
  });

  it("gather with an index array that is itself computed, and dynamic slices", async () => {
    const g = buildGraph([aval([9, 5], "float32"), aval([7], "int32")], ([x, i]) => [
      P.gather(x!, P.add(i!, P.broadcastInDim(lit(1, "int32"), [7], [])), { axis: 0, batch: 0 }),
      P.dynamicSlice(P.sin(x!), [lit(20, "int32"), lit(1, "int32")], [3, 2]),
    ]);
    await expectSame(g, 1e-6);
  });

  it("integers and bools", async () => {
    const g = buildGraph(
      [aval([37], "int32"), aval([37], "uint32"), aval([37], "bool")],
      ([i, u, b]) => [
        P.select(b!, P.mul(i!, i!), P.neg(i!)),
        P.convert(P.shiftLeft(u!, u!), "int32"),
        P.not(b!),
        P.convert(b!, "float32"),
        P.reduceAnd(b!, [0]),
        P.reduceMax(i!, [0]),
        P.reduceSum(u!, [0]),
      ],
    );
    await expectSame(g, 1e-6);
  });

  it.each(["none", "points"] as const)("conditions of views, lanes = %s", async (lanes) => {
    // The element itself where lo <= index - shift < hi, else its negative's place, the last one.
    const windowed = (shift: number, lo: number, hi: number): Primitive => ({
      name: `window ${shift} ${lo} ${hi}`,
      kind: "view",
      aval: ([x]) => [x!],
      ref: ([x], _, [out]) => [
        ndFromFunction(out!.shape, "float32", ([i]) => {
          const inside = lo <= i! - shift && i! - shift < hi;
          return x!.data[inside ? i! : x!.data.length - 1]!;
        }),
      ],
      batch: () => [],
      view: ({ index, inputs: [x] }) => ({
        kind: "within",
        value: idxAdd(index[0]!, -shift),
        lo,
        hi,
        // biome-ignore lint/suspicious/noThenProperty: the branch of a condition, not a promise
        then: { kind: "element", operand: 0, index },
        else: { kind: "element", operand: 0, index: [idxConst(x!.shape[0]! - 1)] },
      }),
      error: { ulp: 0 },
    });
    for (const n of [16, 19]) {
      const g = graphOf([[n]], (x) =>
        [
          [0, 0, 5],
          [0, 3, 9],
          [4, 0, 5],
          [4, 2, 8],
          [4, -3, 2],
          [7, 0, 1],
          [7, -1, 0],
          [3, 5, n],
          [9, -9, 0],
        ].map(([shift, lo, hi]) => bind(windowed(shift!, lo!, hi!), [x], {})[0]!),
      );
      await expectSame(g, 0, { emit: { lanes } });
    }
  });

  it("what a view leaves out is mentioned, and may lie nowhere", async () => {
    const g = graphOf([[6, 40]], (x) => {
      const sums = P.reduceSum(x, [1]);
      const all = P.concatenate([P.slice(x, [0, 0], [6, 1]), P.reshape(sums, [6, 1])], 1);
      return [P.mul(P.slice(all, [0, 0], [6, 1]), constant(2, [6, 1]))];
    });
    await expectSame(g, 1e-6);
  });

  it("infinite and NaN constants arrive as data", async () => {
    const g = buildGraph([aval([3], "float32")], ([x]) => [
      P.max(x!, P.broadcastInDim(lit(Number.NEGATIVE_INFINITY, "float32"), [3], [])),
      P.mul(x!, P.broadcastInDim(lit(Number.NaN, "float32"), [3], [])),
      P.reduceMax(P.slice(x!, [0], [0]), [0]),
    ]);
    const [a, b, c] = await onDevice(g, [ndarray([3], "float32", [1, -2, 3])]);
    expect([...a!]).toEqual([1, -2, 3]);
    expect([...b!]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect([...c!]).toEqual([Number.NEGATIVE_INFINITY]);
  });

  it("what a program itself knows to be 0 is divided and multiplied as any other number", async () => {
    const g = graphOf([[3]], (x) => {
      const zeros = P.broadcastInDim(P.reduceSum(P.slice(x, [0], [0]), [0]), [3], []);
      return [P.mul(zeros, x), P.mul(x, zeros), P.div(zeros, P.mul(x, constant(0, [3])))];
    });
    await expectSame(g, 0, {}, [
      ndarray([3], "float32", [Number.NaN, Number.POSITIVE_INFINITY, 1]),
    ]);
  });

  it("more operands than buffers can be bound", async () => {
    const shapes = Array.from({ length: 41 }, (_, i) => [2 + (i % 3), 3]);
    await expectSame(
      graphOf(shapes, (...xs) => [P.concatenate(xs, 0)]),
      0,
    );
    const equal = shapes.map(() => [5]);
    await expectSame(
      graphOf(equal, (...xs) => [xs.reduce((a: Atom, b) => P.add(a, b))]),
      1e-5,
    );
  });

  it("values shared between kernels and expressions that are split", async () => {
    const g = graphOf([[64], [64, 33]], (x, y) => {
      const heavy = P.tanh(P.sin(P.exp(P.cos(x))));
      return [P.mul(y, P.broadcastInDim(heavy, [64, 33], [0])), P.reduceSum(heavy, [0])];
    });
    await expectSame(g, 1e-5);
    const network = graphOf([[128]], (x) => {
      let z: Atom = x;
      for (let i = 0; i < 12; i++) z = P.max(z, P.reverse(P.sin(z), [0]));
      return [z];
    });
    await expectSame(network, 1e-5);
  });
});

describe("reductions on the device", () => {
  it.each(["none", "points", "terms", "team"] as const)(
    "along every axis, lanes = %s",
    async (lanes) => {
      for (const shape of [
        [5, 7, 3],
        [8, 12, 16],
        [130, 40],
        [3, 700],
        [700, 3],
      ]) {
        const all = shape.map((_, i) => i);
        const sets = [...all.map((i) => [i]), all, [all[0]!, all[all.length - 1]!]];
        const g = graphOf([shape], (x) =>
          [...new Set(sets.map(String))].flatMap((text) => {
            const axes = [...new Set(text.split(",").map(Number))];
            return [P.reduceSum(P.mul(x, x), axes), P.reduceMax(x, axes), P.reduceMin(x, axes)];
          }),
        );
        await expectSame(g, 2e-6, { emit: { lanes } });
      }
    },
  );

  it("softmax with everything in one kernel", async () => {
    for (const [n, m] of [
      [16, 10],
      [7, 12],
      [2048, 80],
    ] as const) {
      const g = graphOf([[n, m]], (x) => {
        const top = P.reduceMax(x, [1]);
        const e = P.exp(P.sub(x, P.broadcastInDim(top, [n, m], [0])));
        const s = P.reduceSum(e, [1]);
        return [P.div(e, P.broadcastInDim(s, [n, m], [0])), P.add(P.log(s), top)];
      });
      const program = compile(g, { name: "softmax", donated: [false] });
      expect(explainProgram(program).dispatches).toBe(1);
      await expectSame(g, 1e-6);
    }
  });

  it("as hardware gets them: teams for rows, several kinds and an inner loop in one kernel", async () => {
    const target = { software: false };
    const [n, m] = [70, 516];
    const softmax = graphOf([[n, m]], (x) => {
      const top = P.reduceMax(x, [1]);
      const e = P.exp(P.sub(x, P.broadcastInDim(top, [n, m], [0])));
      const s = P.reduceSum(e, [1]);
      return [P.div(e, P.broadcastInDim(s, [n, m], [0])), P.add(P.log(s), top)];
    });
    const program = compile(softmax, { name: "softmax", donated: [false], target });
    const { kernels } = explainProgram(program);
    expect(kernels).toHaveLength(1);
    expect(kernels[0]!.workgroups).toEqual([n, 1, 1]);
    expect(kernels[0]!.wgsl).toContain("workgroupBarrier");
    await expectSame(softmax, 1e-6, { target });
    // What is stored at the point may lie over what the last loop reads: no thread may be in it any more.
    expect(kernels[0]!.wgsl).toMatch(/\}\nstorageBarrier\(\);\nif \(local == 0u\)/);
    // Rows, columns and everything, of sizes with and without vectors; bools and integers.
    for (const shape of [
      [70, 516],
      [3, 70001],
      [300, 65],
    ]) {
      const sums = graphOf([shape], (x) => [
        P.reduceSum(P.mul(x, x), [1]),
        P.reduceMax(x, [1]),
        P.reduceSum(P.mul(x, x), [0]),
        P.reduceSum(P.mul(x, x), [0, 1]),
      ]);
      // Of positive terms: a thread's 1,094 in 33 blocks of 34, six pairs, and the square, 2⁻²⁴ each.
      await expectSame(sums, 74 * 2 ** -24, { target });
    }
    const mixed = buildGraph([aval([9, 700], "bool"), aval([9, 700], "int32")], ([b, i]) => [
      P.reduceAnd(b!, [1]),
      P.reduceOr(b!, [1]),
      P.reduceSum(i!, [1]),
      P.reduceMin(i!, [0]),
    ]);
    await expectSame(mixed, 0, { target });
  });

  it("rows of many leaves share a team's function, told apart by a table", async () => {
    const shapes = Array.from({ length: 7 }, (_, i) => [3 + i, 128 + 4 * i]);
    const g = graphOf(shapes, (...xs) => xs.map((x) => P.reduceSum(P.mul(x, x), [1])));
    await expectSame(g, 2e-6, { target: { software: false } });
  });

  it("reductions of more elements than an index can count go axis by axis, or say so", () => {
    const n = 70001;
    const pairs = (x: Atom) => {
      const along = (axis: number) => P.broadcastInDim(x, [n, n], [axis]);
      return P.abs(P.sub(along(0), along(1)));
    };
    const all = graphOf([[n]], (x) => [P.reduceSum(pairs(x), [0, 1])]);
    const program = compile(all, { name: "pairs", donated: [false] });
    // Row and column are what the thread and its loop count: neither comes from a division.
    const [first] = explainProgram(program).kernels;
    expect(first!.wgsl).toContain(`r${n} < min`);
    expect(first!.wgsl).not.toMatch(/[/%] 70001u/);
    const flat = graphOf([[n]], (x) => [P.reduceSum(P.reshape(pairs(x), [n * n]), [0])]);
    expect(() => compile(flat, { name: "pairs", donated: [false] })).toThrow(
      /4900140001 elements, which are stored nowhere/,
    );
  });

  it("a sum of 2^20 values of 0.1 is right to 1e-6", async () => {
    for (const shape of [[2 ** 20], [1024, 1024], [2 ** 19 + 1, 2]]) {
      const n = shape.reduce((a, b) => a * b);
      const g = graphOf([shape], (x) => [
        P.reduceSum(
          x,
          shape.map((_, i) => i),
        ),
      ]);
      const [total] = await onDevice(g, [ndarray(shape, "float32", 0.1)]);
      const want = n * Math.fround(0.1);
      expect(Math.abs(total![0]! - want) / want).toBeLessThan(1e-6);
    }
  });

  it("down the columns of large matrices, by strips of rows, and a map over them", async () => {
    for (const [rows, columns] of [
      [1024, 1024],
      [1020, 1030], // strips of 17 rows; vectors that begin in one row and end in the next
      [521, 1100], // a prime: no strips
    ]) {
      const shape = [rows!, columns!];
      const g = graphOf([shape], (x) => [
        P.reduceSum(x, [0]),
        P.reduceMax(x, [0]),
        P.add(x, constant(1, shape)),
      ]);
      // Integers: every sum is exact, whatever its order.
      const x = ndarray(shape, "float32", 0);
      for (let i = 0; i < x.data.length; i++) x.data[i] = ((i * 7919) % 257) - 128;
      const [sums, most, plus] = await onDevice(g, [x]);
      for (const j of [0, 1, 31, columns! - 1]) {
        const column = Array.from({ length: rows! }, (_, i) => x.data[i * columns! + j]!);
        expect(sums![j]).toBe(column.reduce((a, b) => a + b));
        expect(most![j]).toBe(Math.max(...column));
      }
      expect(plus!.every((v, i) => v === x.data[i]! + 1)).toBe(true);
    }
  });
});

describe("programs", () => {
  const update = graphOf([[6], [6]], (w, d) => [P.sub(w, P.mul(d, constant(0.5, [6])))]);

  it("constants are data: runs with different ones may be queued", async () => {
    const program = compile(update, { name: "step", donated: none(2) });
    const [w, d] = [f32([1, 2, 3, 4, 5, 6]), f32([2, 2, 2, 2, 2, 2])];
    const lits = graphLits(update).map((x) => x.value);
    const outs = [0.5, 1, -1, 0.5].map(
      (lr) =>
        run(
          program,
          [w, d],
          lits.map(() => lr),
        )[0]!,
    );
    const values = await Promise.all(outs.map((x) => x.read()));
    expect(values.map((v) => v[0])).toEqual([0, -1, 3, 0]);
    for (const x of [w, d, ...outs]) x.dispose();
  });

  it("numbers feed scalar inputs, with and without being told beforehand", async () => {
    const g = graphOf([[3], []], (x, s) => [P.mul(x, P.broadcastInDim(s, [3], [])), s]);
    for (const hostScalars of [none(2), [false, true]]) {
      const program = compile(g, { name: "scale", donated: none(2), hostScalars });
      const x = f32([1, 2, 3]);
      const [y, s] = run(program, [x, 2.5], []);
      expect([...(await y!.read())]).toEqual([2.5, 5, 7.5]);
      expect([...(await s!.read())]).toEqual([2.5]);
      for (const a of [x, y!, s!]) a.dispose();
    }
  });

  it("a donated array is written in place and names the program afterwards", async () => {
    const program = compile(update, { name: "train step", donated: [true, false] });
    const [w, d] = [f32([1, 2, 3, 4, 5, 6]), f32([2, 2, 2, 2, 2, 2])];
    const { buffer } = w;
    const [next] = run(program, [w, d], [0.5]);
    expect(next!.buffer).toBe(buffer);
    expect([...(await next!.read())]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(() => w.use("add")).toThrow(DisposedError);
    expect(() => w.use("add")).toThrow(
      /float32\[6\] was donated to 'train step'.*keep the result/s,
    );
    d.dispose();
    d.dispose();
    expect(() => d.use("add")).toThrow(/add: this float32\[6\] was disposed/);
    next!.dispose();
  });

  it("a donated array that is shared, or passed twice, is copied first", async () => {
    const same = graphOf([[4]], (x) => [x, x]);
    const twice = compile(same, { name: "twice", donated: [false] });
    const x = f32([1, 2, 3, 4]);
    const [a, b] = run(twice, [x], []);
    const g = graphOf([[4], [4]], (p, q) => [P.add(p, q)]);
    const program = compile(g, { name: "sum", donated: [true, false] });
    const [s] = run(program, [a!, b!], []);
    expect([...(await s!.read())]).toEqual([2, 4, 6, 8]);
    expect([...(await b!.read())]).toEqual([1, 2, 3, 4]);
    const [t] = run(program, [b!, b!], []);
    expect([...(await t!.read())]).toEqual([2, 4, 6, 8]);
    expect(b!.state).toBe("donated");
    expect([...(await x.read())]).toEqual([1, 2, 3, 4]);
    for (const y of [x, s!, t!]) y.dispose();
  });

  it("outputs that are inputs, reshapes, repeats, constants or empty", async () => {
    const g = graphOf(
      [
        [2, 3],
        [0, 4],
      ],
      (x, e) => {
        const y = P.neg(x);
        return [x, P.reshape(x, [6]), y, P.reshape(y, [3, 2]), y, lit(7, "float32"), P.neg(e), e];
      },
    );
    await expectSame(g, 0);
    const program = compile(g, { name: "outputs", donated: none(2) });
    expect(explainProgram(program).dispatches).toBe(1);
  });

  it("a run that finds no memory, or an argument that is gone, takes none", async () => {
    const { pool } = currentGpu("test");
    const n = 2 ** 16;
    const update = (p: Tensor[], x: Tensor) =>
      [p.map((v) => v.sub(x)), x.sin().mul(x.sum())] as const;
    const sums = (p: Tensor[], x: Tensor) =>
      scan((c: Tensor, v: Tensor) => [c.add(v), c.mul(v)] as const, x, stack(p));
    const make = (): [Tensor[], Tensor] => [
      Array.from({ length: 6 }, () => ones([n]).mul(2)),
      ones([n]),
    ];
    for (const step of [jit(update, { donateArgnums: 0 }), jit(sums)]) {
      const free = (out: unknown) => {
        for (const t of tree.leaves(out)) (t as Tensor).dispose();
      };
      for (let i = 0; i < 2; i++) free(step(...make()));
      const args = make();
      free([args[0].map((x) => x.add(0)), args[1].add(0)]);
      const before = memoryStats().liveBytes;
      for (let failing = 1, failed = true; failed; failing++) {
        let left = failing;
        const acquire = vi.spyOn(pool, "acquire").mockImplementation((bytes, label) => {
          if (bytes >= 4 * n && --left === 0) throw new DeviceError(`${label}: no memory`);
          return BufferPool.prototype.acquire.call(pool, bytes, label);
        });
        try {
          free(step(...args));
          failed = false;
        } catch (error) {
          expect(String(error)).toMatch(/no memory/);
          expect(memoryStats().liveBytes).toBe(before);
        }
        acquire.mockRestore();
      }
      const [others] = make();
      args[1].dispose();
      const rest = memoryStats().liveBytes;
      expect(() => step(others, args[1])).toThrow(DisposedError);
      expect(memoryStats().liveBytes).toBe(rest);
      free(args);
    }
  });

  it("nothing is left over: memory stands still in a loop of donated steps", async () => {
    const g = graphOf(
      [
        [64, 64],
        [64, 64],
        [32, 64],
      ],
      (w, m, x) => {
        const h = P.tanh(matmul(x, w));
        const dw = P.dotGeneral(x, h, { contract: [[0], [0]], batch: [[], []] });
        const m2 = P.add(P.mul(m, constant(0.9, [64, 64])), dw);
        return [P.sub(w, P.mul(m2, constant(0.01, [64, 64]))), m2, P.reduceSum(h, [0, 1])];
      },
    );
    const program = compile(g, { name: "loop", donated: [true, true, false] });
    const lits = graphLits(g).map((x) => x.value);
    const values = Array.from({ length: 64 * 64 }, (_, i) => Math.sin(i) / 10);
    let w = f32(values, [64, 64]);
    let m = f32(
      values.map(() => 0),
      [64, 64],
    );
    const x = f32(values.slice(0, 32 * 64), [32, 64]);
    const step = () => {
      const [w2, m2, loss] = run(program, [w, m, x], lits);
      w = w2!;
      m = m2!;
      loss!.dispose();
    };
    for (let i = 0; i < 10; i++) step();
    const before = memoryStats();
    const { dispatches, submits } = counters;
    for (let i = 0; i < 100; i++) step();
    const after = memoryStats();
    expect(after).toEqual(before);
    const explained = explainProgram(program);
    expect(counters.dispatches - dispatches).toBe(100 * explained.dispatches);
    expect(counters.submits - submits).toBe(100 * explained.submits);
    await w.read();
    for (const a of [w, m, x]) a.dispose();
    expect(memoryStats().liveTensors).toBe(before.liveTensors - 3);
  });

  it("names do not compile anything anew", () => {
    const a = compile(update, { name: "a", donated: none(2) });
    const b = compile(update, { name: "b", donated: none(2) });
    expect(a.executable).toBe(b.executable);
  });
});
