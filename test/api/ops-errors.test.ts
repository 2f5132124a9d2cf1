/** What the operations say when shapes, axes or dtypes do not fit: the name, the avals, what to do. */
import * as dg from "dawngrad";
import { array, init, zeros } from "dawngrad";
import { beforeAll, describe, expect, test } from "vitest";

beforeAll(() => init());

const x = array([
  [1, 2, 3],
  [4, 5, 6],
]);
const ints = (...v: number[]) => array(v, { dtype: "int32" });

const cases: readonly (readonly [string, () => unknown, RegExp])[] = [
  ["add", () => x.add(array([1, 2])), /add: shapes \[2,3\] and \[2\] cannot be broadcast/],
  [
    "matmul",
    () => x.matmul(x),
    /matmul: float32\[2,3\] and float32\[2,3\]: the last axis of the first \(3\)/,
  ],
  ["matmul of scalars", () => dg.matmul(2, x), /matmul: .*scalar is no matrix; use mul/],
  [
    "matmul stacks",
    () => dg.matmul(zeros([2, 2, 3]), zeros([3, 3, 2])),
    /matmul: shapes \[2\] and \[3\] cannot be broadcast/,
  ],
  ["dot", () => x.dot(x), /dot: float32\[2,3\] and float32\[2,3\]/],
  ["tensordot", () => dg.tensordot(x, x, 3), /tensordot: .*3 axes/],
  [
    "sum axis",
    () => x.sum(2),
    /sum: axis 2 is out of range for an array of rank 2 \(use -2 to 1\)/,
  ],
  ["sum axis twice", () => x.sum([0, -2]), /sum: axis list \[0,-2\] names an axis twice/],
  [
    "max of nothing",
    () => zeros([0, 3]).max(0),
    /max: float32\[0,3\] has no elements along axis 0/,
  ],
  ["argmin of nothing", () => zeros([0]).argmin(), /argmin: float32\[0\] has no elements/],
  [
    "reshape",
    () => x.reshape([4, -1]),
    /reshape: float32\[2,3\] has 6 elements, which do not fill \[4,-1\]/,
  ],
  ["reshape twice open", () => x.reshape([-1, -1]), /may leave one size open/],
  ["squeeze", () => x.squeeze(0), /squeeze: axis 0 of float32\[2,3\] has size 2/],
  ["transpose", () => x.transpose([0, 0]), /transpose: axes \[0,0\] must name each of the 2 axes/],
  ["concatenate", () => dg.concatenate([x, zeros([2, 2, 2])]), /concatenate: operands/],
  [
    "concatenate scalars",
    () => dg.concatenate([1, 2]),
    /scalars have no axis to join along; use stack/,
  ],
  ["concatenate nothing", () => dg.concatenate([]), /at least one tensor/],
  [
    "stack",
    () => dg.stack([x, zeros([3])]),
    /stack: all tensors must have one shape.*float32\[3\]/,
  ],
  [
    "split",
    () => dg.split(x, 2, 1),
    /split: axis 1 of float32\[2,3\] has 3 elements, which is not 2 equal parts/,
  ],
  ["broadcastTo", () => x.broadcastTo([3, 2]), /broadcastTo: /],
  ["slice", () => x.slice([0, 0], [3, 3]), /slice: .*limit 3.*axis 0/],
  ["pad", () => dg.pad(x, -1), /pad: widths -1 must be non-negative integers/],
  [
    "pad of nothing",
    () => dg.pad(zeros([0]), 1, { mode: "edge" }),
    /pad: axis 0 of float32\[0\] is empty/,
  ],
  [
    "take floats",
    () => x.take(array([0]), 0),
    /take: indices must be int32 or uint32, not float32\[1\]; convert/,
  ],
  ["take mask", () => x.take(array([true]), 0), /a mask has no static result shape: use where/],
  ["index", () => x.at(2), /index: position 2 is out of range for axis 0 of float32\[2,3\]/],
  ["index too many", () => x.at(0, 0, 0), /index: 3 entries for float32\[2,3\]/],
  ["scatterAdd", () => dg.scatterAdd(x, ints(0), zeros([2, 2])), /scatterAdd: /],
  ["takeAlongAxis", () => dg.takeAlongAxis(x, ints(0), 1), /takeAlongAxis: .*equally many axes/],
  [
    "einsum ranks",
    () => dg.einsum("ij->i", zeros([2])),
    /einsum\("ij->i"\): "ij" names 2 axes but the operand is float32\[2\]/,
  ],
  ["einsum sizes", () => dg.einsum("ij,jk", x, x), /einsum\("ij,jk"\): "j" has sizes 3 and 2/],
  ["einsum operands", () => dg.einsum("ij,jk", x), /names 2 operand\(s\) but 1 were given/],
  ["einsum output", () => dg.einsum("ij->k", x), /the output names "k" but no operand has it/],
  ["einsum output twice", () => dg.einsum("ij->ii", x), /the output names "i" twice/],
  ["einsum letters", () => dg.einsum("i1", x), /must be letters/],
  [
    "einsum diagonal",
    () => dg.einsum("ii", x),
    /"i" names axes of different sizes in float32\[2,3\]/,
  ],
  ["diag", () => dg.diag(zeros([2, 2, 2])), /diag: float32\[2,2,2\] must be a vector or a matrix/],
  ["tril", () => dg.tril(zeros([2])), /tril: float32\[2\] has fewer than the two axes/],
  ["oneHot", () => dg.oneHot(array([0, 1]), 3), /oneHot: indices must be integers, not float32/],
  ["topK", () => dg.topK(x, 4), /topK: k = 4 must be between 0 and 3/],
  ["bits of floats", () => dg.bitwiseAnd(x, 1), /and takes bool, int32, uint32, got float32/],
  ["neg of bool", () => array([true]).neg(), /neg takes .*got bool\[1\]/],
  [
    "number too large for the tensor",
    () => ints(1).add(2 ** 31),
    /the number 2147483648 does not fit int32/,
  ],
  [
    "an unknown mode",
    () => dg.pad(x, 1, { mode: "mirror" as never }),
    /no mode "mirror".*symmetric/,
  ],
  [
    "an index that is a list",
    () => x.at([0, 1, 1, 0]),
    /index: a range is \[start, stop, step\].*integer tensor/,
  ],
  ["half a position", () => x.at([0.5, 1]), /index: a range is .*whole numbers/],
  ["Python's notation", () => x.at("0:1" as never), /index: no entry "0:1"; entries are numbers/],
  ["a forgotten index", () => x.at(undefined as never), /index: no entry undefined/],
  ["arange", () => dg.arange(0, 1, 0), /arange: .*the step not 0/],
  [
    "arange of fractions",
    () => dg.arange(0, 1, 0.5, { dtype: "int32" }),
    /must be whole for int32/,
  ],
  ["linspace", () => dg.linspace(0, 1, -1), /linspace: num -1/],
];

const wanted: readonly (readonly [string, (n: number) => unknown])[] = [
  ["linspace", (n) => dg.linspace(0, 1, n)],
  ["iota", (n) => dg.iota(n)],
  ["repeat", (n) => dg.repeat(x, n)],
  ["tile", (n) => dg.tile(x, [1, n])],
  ["split", (n) => dg.split(x, [n])],
  ["pad", (n) => dg.pad(x, [[n, 0]])],
  ["topK", (n) => dg.topK(x, n)[0]],
  ["slice", (n) => x.slice([n, 0], [2, 2])],
  ["vmap", (n) => dg.vmap(() => 1, [], 0, { axisSize: n })()],
  ["scan", (n) => dg.scan((c) => [c, null], 0, null, { length: n })],
];

describe("numbers that must be known while tracing", () => {
  test.each(wanted)("%s", (name, f) => {
    const message = new RegExp(
      `^${name}: .* must be known when the function is traced.*staticArgnums`,
    );
    expect(() => dg.jit((n: number) => f(n) as dg.Tensor)(1)).toThrow(message);
  });
});

describe("operations", () => {
  test.each(cases)("%s", (_, f, message) => {
    expect(f).toThrow(message);
  });
});
