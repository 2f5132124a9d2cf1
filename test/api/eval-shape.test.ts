/** Shapes without values: evalShape and ShapeDtypeStruct. */
import {
  add,
  array,
  ConcretizationError,
  DtypeError,
  evalShape,
  explain,
  init,
  jit,
  makeGraph,
  random,
  ShapeDtypeStruct,
  ShapeError,
  type Tensor,
  tree,
  vmap,
} from "dawngrad";
import { describe, expect, test } from "vitest";

test("evalShape: a tree of shapes and dtypes, of structs, tensors and numbers alike", () => {
  const out = evalShape(
    (p: { w: Tensor; b: number }, x: Tensor) => ({
      y: x.matmul(p.w).add(p.b),
      i: [x.argmax(-1), null],
    }),
    { w: new ShapeDtypeStruct([3, 4]), b: 1 },
    array([[1, 2, 3]]),
  );
  expect(out.y.shape).toEqual([1, 4]);
  expect(out.i[0]!.shape).toEqual([1]);
  expect(out.i[0]!.dtype).toBe("int32");
  expect(out.i[1]).toBe(null);
  expect(out.y).toBeInstanceOf(ShapeDtypeStruct);
});

test("a petabyte costs nothing, under transforms too", () => {
  const x = new ShapeDtypeStruct([2 ** 20, 2 ** 28]);
  expect(
    evalShape(
      vmap((row: Tensor) => row.sum()),
      x,
    ).shape,
  ).toEqual([2 ** 20]);
  expect(tree.size(x)).toBe(2 ** 48);
  expect(String(makeGraph((t: Tensor) => t.sin())(x))).toContain("sin");
});

test("random keys have shapes without a device", () => {
  const k = evalShape((key: Tensor) => random.split(key, 3), random.key(0));
  expect([k.shape, k.dtype]).toEqual([[3, 2], "uint32"]);
});

test("explain takes structs; a program of them is that of tensors of those shapes", async () => {
  await init();
  const f = (x: Tensor, y: Tensor) => x.matmul(y).tanh().sum();
  const [a, b] = [random.normal(random.key(0), [8, 9]), random.normal(random.key(1), [9, 5])];
  const have = explain(f)(new ShapeDtypeStruct([8, 9]), new ShapeDtypeStruct([9, 5]));
  const times = { traceMs: 0, scheduleMs: 0, textMs: 0, compileMs: 0 };
  expect({ ...have, ...times }).toEqual({ ...explain(f)(a, b), ...times });
});

describe("messages", () => {
  const x = new ShapeDtypeStruct([2, 3]);
  test("values are asked for", () => {
    const wanted = /a ShapeDtypeStruct float32\[2,3\] has a shape and a dtype but no values/;
    expect(() => x.data()).toThrow(ConcretizationError);
    expect(() => x.item()).toThrow(wanted);
    expect(() => x.toArray()).toThrow(wanted);
    expect(() => add(x, 1)).toThrow(wanted);
    expect(() => jit((t: Tensor) => t.sin())(x)).toThrow(wanted);
  });
  test("no shape, no dtype", () => {
    expect(() => new ShapeDtypeStruct([2, -1])).toThrow(ShapeError);
    expect(() => new ShapeDtypeStruct([2], "float64" as never)).toThrow(DtypeError);
  });
});
