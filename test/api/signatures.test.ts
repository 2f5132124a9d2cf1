/** jit tells a call like the last one without writing its signature: it must not take another for one. */
import { array, init, jit, ones, type Tensor, zeros } from "dawngrad";
import { expect, test } from "vitest";

await init();

type Tree = { readonly [key: string]: Tensor | number | null | undefined | readonly Tensor[] };

/** One value of each signature; the function's answer tells which it was traced for. */
const calls: readonly [what: string, args: Tree][] = [
  ["x:float32[2]", { x: zeros([2]) }],
  ["x:float32[3]", { x: zeros([3]) }],
  ["x:float32[2,1]", { x: zeros([2, 1]) }],
  ["x:int32[2]", { x: array([0, 0], { dtype: "int32" }) }],
  ["y:float32[2]", { y: zeros([2]) }],
  ["x:float32[2] y:float32[2]", { x: zeros([2]), y: zeros([2]) }],
  ["x:float32[2] y:null", { x: zeros([2]), y: null }],
  ["x:float32[2] y:undefined", { x: zeros([2]), y: undefined }],
  ["x:float32[2],float32[2]", { x: [zeros([2]), zeros([2])] }],
  ["x:float32[2],float32[2],float32[2]", { x: [zeros([2]), zeros([2]), zeros([2])] }],
  ["x:float32[]", { x: ones([]) }],
];

const show = (x: Tree[string]): string =>
  x === null || x === undefined
    ? String(x)
    : (Array.isArray(x) ? x : [x]).map((t: Tensor) => `${t.dtype}[${t.shape}]`).join();

test("every pair of calls that follow each other, of one signature or of two", async () => {
  let seen = "";
  const f = jit((tree: Tree) => {
    seen = Object.entries(tree)
      .map(([key, x]) => `${key}:${show(x)}`)
      .join(" ");
    return array(calls.findIndex(([what]) => what === seen));
  });
  for (const [i, [, first]] of calls.entries()) {
    for (const [j, [, second]] of calls.entries()) {
      expect(await f(first).item()).toBe(i);
      expect(await f(second).item()).toBe(j);
    }
  }
});

test("numbers and arrays of one element take turns", async () => {
  const f = jit((x: Tensor | number, y: Tensor) => y.mul(x));
  for (const x of [2, array(3), 4, 5, array(6)]) {
    expect(await f(x, ones([])).item()).toBe(typeof x === "number" ? x : await x.item());
  }
});

test("more arguments than last time", async () => {
  const f = jit((...xs: readonly Tensor[]) => xs.reduce((a, b) => a.add(b)));
  const one = ones([]);
  for (const n of [1, 2, 3, 2, 1]) {
    expect(await f(...new Array<Tensor>(n).fill(one)).item()).toBe(n);
  }
});
