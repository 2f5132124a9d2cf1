/**
 * Results written over donated inputs: whatever a function reads of its argument, and wherever, the
 * values are those of the call that donates nothing. Large enough that a driver's threads do not all
 * read before the first of them writes.
 */
import {
  add,
  array,
  concatenate,
  cumsum,
  flip,
  init,
  jit,
  matmul,
  pad,
  roll,
  scatterAdd,
  sort,
  stack,
  type Tensor,
  take,
} from "dawngrad";
import { beforeAll, describe, expect, test } from "vitest";

beforeAll(() => init());

const n = 64;
const values = (seed: number): Float32Array =>
  Float32Array.from({ length: n * n }, (_, i) => ((i * 37 + seed * 11) % 101) / 16 - 3);
const square = (seed: number): Tensor => array(values(seed), { shape: [n, n] });

const functions: [string, (x: Tensor, y: Tensor) => unknown][] = [
  ["the same point", (x, y) => x.add(y).mul(2)],
  ["reversed", (x, y) => flip(x).add(y)],
  ["transposed", (x) => x.transpose().mul(3)],
  ["rolled", (x, y) => roll(x, 5, 0).add(roll(y, 1, 1))],
  ["its own point and a transposed one", (x) => x.sub(x.transpose())],
  ["a row of another place", (x) => x.add(take(x, array([3], { dtype: "int32" }), 0))],
  [
    "shifted in, padded",
    (x) =>
      pad(x.slice([1, 0], [n, n]), [
        [0, 1],
        [0, 0],
      ]),
  ],
  ["reduced and spread again", (x) => x.sub(x.mean(0))],
  ["reduced in whole", (x) => x.div(x.mul(x).sum())],
  ["softmax", (x) => x.softmax()],
  ["softmax along columns", (x) => x.softmax(0)],
  ["a product with itself", (x) => matmul(x, x)],
  ["a product with itself, transposed", (x) => matmul(x.transpose(), x).add(x)],
  ["products of a product", (x, y) => matmul(matmul(x, y), x)],
  ["running sums", (x) => cumsum(x, 0)],
  ["sorted", (x) => sort(x)],
  [
    "scattered",
    (x, y) => scatterAdd(x, array([5, 1, 5], { dtype: "int32" }), y.slice([0, 0], [3, n])),
  ],
  ["two results", (x, y) => [flip(x, 0), x.add(y)]],
  ["two results that swap", (x, y) => [y.mul(2), x.mul(3)]],
  ["two results from both", (x, y) => [x.transpose().add(y), flip(y).add(x)]],
  ["a result and what it came from", (x, y) => [x, flip(x).add(y)]],
  [
    "one result twice",
    (x) => {
      const z = flip(x);
      return [z, z, z.sum()];
    },
  ],
  ["larger and smaller results", (x, y) => [concatenate([x, y]), stack([x.sum(0), y.sum(0)])]],
  ["itself", (x) => x],
  ["itself in another shape", (x) => x.reshape([n * n])],
];

const read = async (out: unknown): Promise<Float32Array[]> =>
  Promise.all(
    (Array.isArray(out) ? out : [out]).map((t: Tensor) => t.data() as Promise<Float32Array>),
  );

describe("donation changes no value", () => {
  test.each(functions)("%s", async (_, f) => {
    const want = await read(jit(f)(square(1), square(2)));
    for (const donateArgnums of [[0], [0, 1]]) {
      const got = await read(jit(f, { donateArgnums })(add(square(1), 0), add(square(2), 0)));
      expect(got).toEqual(want);
    }
  });
});
