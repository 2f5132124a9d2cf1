/** array() and full(): dtypes, copies, ragged lists, values that do not fit. */
import {
  type ArrayData,
  array,
  asarray,
  type DType,
  full,
  grad,
  init,
  type Tensor,
} from "dawngrad";
import { reference } from "dawngrad/testing";
import { beforeAll, describe, expect, test } from "vitest";

beforeAll(() => init());

describe("dtypes", () => {
  const natural: readonly (readonly [ArrayData, DType])[] = [
    [1, "float32"],
    [true, "bool"],
    [[1, 2], "float32"],
    [[], "float32"],
    [[true, false], "bool"],
    [[true, 2], "float32"],
    [new Float32Array(2), "float32"],
    [new Float64Array(2), "float32"],
    [new Int32Array(2), "int32"],
    [new Int8Array(2), "int32"],
    [new Int16Array(2), "int32"],
    [new Uint32Array(2), "uint32"],
    [new Uint16Array(2), "uint32"],
    [new Uint8Array(2), "uint32"],
    [new Uint8ClampedArray(2), "uint32"],
  ];
  test.each(natural)("%o is %s", (data, dtype) => {
    expect(array(data).dtype).toBe(dtype);
  });

  test("a given dtype converts: integers truncate, bool is not 0", async () => {
    expect([...(await array([1.9, -1.9], { dtype: "int32" }).data())]).toEqual([1, -1]);
    expect(await array([0, 0.5, -2], { dtype: "bool" }).toArray()).toEqual([false, true, true]);
    expect((await array([0.1]).data())[0]).toBe(Math.fround(0.1));
  });
});

describe("shapes", () => {
  test("of nested lists and of flat data", async () => {
    expect(array(3).shape).toEqual([]);
    expect(array([[1, 2, 3]]).shape).toEqual([1, 3]);
    expect(array([[], []]).shape).toEqual([2, 0]);
    expect(await array(Float32Array.of(1, 2, 3, 4), { shape: [2, 2] }).toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(array([1, 2, 3, 4], { shape: [4, 1] }).shape).toEqual([4, 1]);
  });

  test("the values are copied at once", async () => {
    const data = Float32Array.of(1, 2);
    const x = array(data);
    data[0] = 9;
    expect([...(await x.data())]).toEqual([1, 2]);
    const read = await x.data();
    read[0] = 7;
    expect([...(await x.data())]).toEqual([1, 2]);
  });

  test("lists may hold tensors, traced ones too, and gradients pass", async () => {
    const g = grad((x: Tensor) => array([x, x.mul(x), 3]).sum());
    expect((await reference(g as (x: Tensor) => Tensor)(array(5))).item()).toBe(11);
    expect(
      array([
        [array(1), 2],
        [3, 4],
      ]).shape,
    ).toEqual([2, 2]);
  });

  test("asarray leaves tensors alone", () => {
    const x = array([1]);
    expect(asarray(x)).toBe(x);
    expect(asarray([1]).shape).toEqual([1]);
  });
});

describe("errors", () => {
  const cases: readonly (readonly [string, () => unknown, RegExp])[] = [
    [
      "ragged",
      () => array([[1, 2], [3]]),
      /ragged nested lists: element \[1\] is a list of 1 .* a list of 2/,
    ],
    ["list among numbers", () => array([1, [2]]), /element \[1\] is a list of 1 .* is a number/],
    ["number among lists", () => array([[1], 2]), /element \[1\] is the number 2 .* a list of 1/],
    ["string", () => array(["1"] as never), /element \[0\] is a string; it takes numbers/],
    ["null", () => array([[1, null]] as never), /element \[0\]\[1\] is a null/],
    ["bigint", () => array([1n] as never), /bigint; there are no 64-bit integers/],
    [
      "BigInt64Array",
      () => array(new BigInt64Array(1) as never),
      /BigInt64Array; there are no 64-bit/,
    ],
    ["an object", () => array({ length: 1 } as never), /array: element \(root\) is a Object/],
    [
      "NaN to int",
      () => array([0, Number.NaN], { dtype: "int32" }),
      /the value NaN at flat position 1 does not fit int32\[2\]/,
    ],
    [
      "negative to uint",
      () => array([-1], { dtype: "uint32" }),
      /-1 .* does not fit uint32\[1\] \(0 to 4294967295\)/,
    ],
    ["too large", () => array(2 ** 31, { dtype: "int32" }), /2147483648 .* does not fit int32/],
    [
      "wrong size",
      () => array([1, 2, 3], { shape: [2, 2] }),
      /3 values do not fill the shape \[2,2\]/,
    ],
    ["bad shape", () => array([1], { shape: [-1] }), /array: shape \[-1\]/],
    [
      "bad dtype",
      () => array([1], { dtype: "float64" as never }),
      /no dtype "float64"; there are float32/,
    ],
    ["full: bad shape", () => full([1.5], 0), /full: shape \[1.5\]/],
    ["full: no broadcast", () => full([2], array([1, 2, 3])), /full: /],
  ];
  test.each(cases)("%s", (_, f, message) => {
    expect(f).toThrow(message);
  });
});
