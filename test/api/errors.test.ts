/**
 * What a user reads after a mistake: each message names the operation, what it was given (shapes,
 * dtypes, the place in a tree) and what to do. Read them in the list below as a newcomer would.
 */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  arange,
  argmax,
  array,
  bitwiseAnd,
  broadcastTo,
  ConcretizationError,
  checkpoint,
  concatenate,
  customJvp,
  DawngradError,
  DeviceError,
  DisposedError,
  DtypeError,
  deviceInfo,
  dynamicSlice,
  einsum,
  full,
  grad,
  hvp,
  init,
  jacfwd,
  jit,
  jvp,
  LeakedTracerError,
  matmul,
  max,
  pad,
  random,
  reshape,
  roll,
  ShapeError,
  softmax,
  split,
  stack,
  sum,
  type Tensor,
  take,
  tidy,
  tree,
  valueAndGrad,
  vjp,
  vmap,
  zeros,
} from "dawngrad";
import { gradientOf } from "dawngrad/optim";
import { beforeAll, describe, expect, test } from "vitest";

beforeAll(() => init());

type ErrorClass = abstract new (...args: never[]) => Error;

/** A mistake, the class of its error, and what the text must contain. */
type Mistake = [name: string, type: ErrorClass, contains: readonly string[], make: () => unknown];

// Plain JavaScript has no types that would stop these.
// biome-ignore lint/suspicious/noExplicitAny: the mistakes are those of untyped callers
type Untyped = any;

const v = (): Tensor => array([1, 2, 3]);
const m = (): Tensor =>
  array([
    [1, 2, 3],
    [4, 5, 6],
  ]);
const ints = (): Tensor => array([1, 2], { dtype: "int32" });

async function errorOf(make: () => unknown): Promise<Error> {
  let result: unknown;
  try {
    result = await make();
  } catch (error) {
    return error as Error;
  }
  throw new Error(`no error was thrown; the result is ${String(result)}`);
}

function check(mistakes: readonly Mistake[]): void {
  test.each(mistakes)("%s", async (_, type, contains, make) => {
    const error = await errorOf(make);
    expect(error.message).not.toMatch(/^undefined|internal/);
    expect(error, error.message).toBeInstanceOf(type);
    for (const text of contains) expect(error.message).toContain(text);
  });
}

describe("shapes", () =>
  check([
    [
      "add",
      ShapeError,
      ["add: shapes [3] and [2]", "axis -1", "reshape"],
      () => v().add(array([1, 2])),
    ],
    [
      "matmul",
      ShapeError,
      ["matmul: float32[2,3] and float32[2,3]", "(3)", "(2)", "transpose"],
      () => matmul(m(), m()),
    ],
    ["matmul of a scalar", ShapeError, ["matmul", "float32[]", "use mul"], () => matmul(m(), 2)],
    [
      "concatenate",
      ShapeError,
      ["concatenate", "float32[2,3], float32[1,2]", "every axis but axis 0"],
      () => concatenate([m(), array([[1, 2]])]),
    ],
    [
      "concatenate scalars",
      ShapeError,
      ["concatenate", "use stack"],
      () => concatenate([array(1), array(2)]),
    ],
    [
      "stack",
      ShapeError,
      ["stack", "float32[2,3]", "float32[3]", "one shape"],
      () => stack([m(), v()]),
    ],
    [
      "reshape",
      ShapeError,
      ["reshape: float32[2,3] has 6 elements", "[4,2]", "product is 6"],
      () => m().reshape([4, 2]),
    ],
    [
      "reshape with -1",
      ShapeError,
      ["reshape: float32[2,3]", "[4,-1]", "divide 6"],
      () => reshape(m(), [4, -1]),
    ],
    [
      "broadcastTo",
      ShapeError,
      ["broadcastTo: shapes [3] and [3,2]", "expandDims"],
      () => broadcastTo(v(), [3, 2]),
    ],
    [
      "broadcastTo of fewer axes",
      ShapeError,
      ["broadcastTo: float32[2,3]", "[3]"],
      () => broadcastTo(m(), [3]),
    ],
    [
      "einsum, sizes",
      ShapeError,
      ['einsum("ij,jk->ik")', '"j"', "3 and 2", "float32[2,3]", "equally long"],
      () => einsum("ij,jk->ik", m(), m()),
    ],
    [
      "einsum, rank",
      ShapeError,
      ['einsum("ijk->i")', "3 axes", "float32[2,3]"],
      () => einsum("ijk->i", m()),
    ],
    [
      "einsum, operands",
      ShapeError,
      ['einsum("ij,jk->ik")', "2 operand(s) but 1"],
      () => einsum("ij,jk->ik", m()),
    ],
    ["einsum, output", ShapeError, ['einsum("ij->iz")', '"z"'], () => einsum("ij->iz", m())],
    [
      "slice",
      ShapeError,
      ["slice", "axis 1", "float32[2,3]", "<= 3"],
      () => m().slice([0, 0], [2, 4]),
    ],
    [
      "dynamicSlice",
      ShapeError,
      ["dynamicSlice", "[4]", "float32[3]"],
      () => dynamicSlice(v(), [0], [4]),
    ],
    ["split", ShapeError, ["split", "3 elements", "2 equal parts", "divisor"], () => split(v(), 2)],
    [
      "pad",
      ShapeError,
      ["pad", "float32[2,3]", "one for each of the 2 axes"],
      () =>
        pad(m(), [
          [1, 1],
          [1, 1],
          [1, 1],
        ]),
    ],
    ["squeeze", ShapeError, ["squeeze", "axis 0", "size 2"], () => m().squeeze(0)],
    ["transpose", ShapeError, ["transpose", "[0,0]", "float32[2,3]"], () => m().transpose([0, 0])],
    [
      "a ragged list",
      ShapeError,
      ["array", "element [1]", "a list of 1", "equally long"],
      () => array([[1, 2], [3]]),
    ],
    [
      "a shape that the values do not fill",
      ShapeError,
      ["array", "5 values", "[2,3]", "6 elements"],
      () => array(new Float32Array(5), { shape: [2, 3] }),
    ],
    ["a negative size", ShapeError, ["zeros", "[-1]", "non-negative"], () => zeros([-1])],
    [
      "a shape of a random array",
      ShapeError,
      ["random.normal", "[2.5]"],
      () => random.normal(random.key(0), [2.5]),
    ],
    ["item of several", DawngradError, ["item()", "float32[3]", "toArray()"], () => v().item()],
  ]));

describe("axes", () =>
  check([
    ["sum", ShapeError, ["sum: axis 2", "rank 2", "-2 to 1"], () => sum(m(), 2)],
    ["the same axis twice", ShapeError, ["sum", "[0,-2]", "twice"], () => m().sum([0, -2])],
    ["a fraction", ShapeError, ["sum: axis 0.5"], () => m().sum(0.5)],
    [
      "max of a scalar",
      ShapeError,
      ["max: axis 0", "a scalar has no axes"],
      () => max(array(1), 0),
    ],
    ["softmax", ShapeError, ["softmax: axis 1", "-1 to 0"], () => softmax(v(), 1)],
    ["argmax", ShapeError, ["argmax: axis -3", "-2 to 1"], () => argmax(m(), -3)],
    ["concatenate", ShapeError, ["concatenate: axis 2"], () => concatenate([m(), m()], 2)],
    [
      "options in the axis's place",
      ShapeError,
      ["sum: an axis is a JavaScript number", "a Object", "options after the axis"],
      () => m().sum({ keepdims: true } as Untyped),
    ],
    [
      "an axis that is traced",
      ShapeError,
      ["sum: an axis is a JavaScript number", "known when the function is traced", "staticArgnums"],
      () => jit((x: Tensor, axis: number) => x.sum(axis))(m(), 0),
    ],
    [
      "a shift that is traced",
      ShapeError,
      ["roll: shifts are whole numbers known when the function is traced", "take"],
      () => jit((x: Tensor, by: number) => roll(x, by))(m(), 1),
    ],
    [
      "the start of a range that is traced",
      ShapeError,
      ["index: a range is [start, stop, step]", "dynamicSlice"],
      () => jit((x: Tensor, from: number) => x.at([from, 2]))(m(), 0),
    ],
  ]));

describe("dtypes and operands", () =>
  check([
    [
      "a forgotten await",
      DtypeError,
      ["mul", "a Promise", "await it first"],
      () => v().mul(array(1).item() as Untyped),
    ],
    [
      "a forgotten await in an argument",
      DtypeError,
      ["jit of 'step'", "argument[1].lr is a Promise", "await it first"],
      () =>
        jit(function step(x: Tensor, _: { lr: Untyped }) {
          return x;
        })(v(), { lr: array(1).item() }),
    ],
    [
      "bits of floats",
      DtypeError,
      ["bitwiseAnd", "float32[3]", "convert"],
      () => bitwiseAnd(v(), 1),
    ],
    [
      "an unknown dtype",
      DtypeError,
      ["astype", '"float64"', "float32, int32, uint32, bool"],
      () => v().astype("float64" as Untyped),
    ],
    [
      "a float index",
      DtypeError,
      ["take", "float32[1]", 'astype("int32")'],
      () => take(v(), array([0.5])),
    ],
    [
      "a value that does not fit",
      DtypeError,
      ["array", "-1", "uint32[1]", "0 to 4294967295"],
      () => array([-1], { dtype: "uint32" }),
    ],
    [
      "a list instead of a tensor",
      DtypeError,
      ["add", "a list", "array(...)"],
      () => v().add([1, 2] as Untyped),
    ],
    [
      "a typed array instead of a tensor",
      DtypeError,
      ["matmul", "a Float32Array", "array(...)"],
      () => matmul(m(), new Float32Array(3) as Untyped),
    ],
    ["a forgotten operand", DtypeError, ["mul", "undefined"], () => (v() as Untyped).mul()],
    ["a string", DtypeError, ["sub", "a string"], () => v().sub("1" as Untyped)],
    [
      "a string in array",
      DtypeError,
      ["array", "element [0]", "a string"],
      () => array(["1"] as Untyped),
    ],
    [
      "a string as argument",
      DtypeError,
      ["jit of 'f'", "argument[0].name is a string", "staticArgnums"],
      () =>
        jit(function f(p: Untyped) {
          return p.w;
        })({ w: v(), name: "a" }),
    ],
    [
      "a typed array as argument",
      DtypeError,
      ["grad", "argument[1] is a Float32Array", "array(...)"],
      () => grad((x: Tensor, _: Untyped) => x.sum())(v(), new Float32Array(2)),
    ],
    [
      "a function as argument",
      DtypeError,
      ["vmap", "argument[0] is a function", "closure"],
      () => vmap((f: Untyped, x: Tensor) => f(x))((x: Tensor) => x, v()),
    ],
    [
      "a tensor instead of a function",
      DtypeError,
      ["grad", "a tensor float32[3]", "grad((x) => ...)"],
      () => (grad as Untyped)(v()),
    ],
    [
      "nothing instead of a function",
      DtypeError,
      ["jit", "undefined"],
      () => (jit as Untyped)(undefined),
    ],
    [
      "a string as a result",
      DtypeError,
      ["'named'", "a string", '".note"'],
      () =>
        jit(function named(x: Tensor) {
          return { x, note: "hi" };
        })(v()),
    ],
    [
      "an async function",
      DawngradError,
      ["'train'", "async", "await data outside"],
      () =>
        jit(async function train(x: Tensor) {
          return x;
        })(v()),
    ],
    [
      "an async function in tidy",
      DawngradError,
      ["tidy", "async", "dispose()"],
      () => tidy(async () => v()),
    ],
  ]));

describe("traced values where JavaScript wants numbers", () => {
  const inJit = (f: (x: Tensor) => unknown) => () =>
    jit(function step(x: Tensor) {
      f(x.mul(2));
      return x;
    })(v());
  check([
    [
      "x > 0",
      ConcretizationError,
      ["float32[3]", "made by mul in 'step'", "x.greater(0)", "where("],
      inJit((x) => ((x as Untyped) > 0 ? 1 : 2)),
    ],
    [
      "x + 1",
      ConcretizationError,
      ["made by mul in 'step'", "x.add(1)"],
      inJit((x) => (x as Untyped) + 1),
    ],
    [
      "an argument itself",
      ConcretizationError,
      ["an argument of 'loss'", "x.greater(0)"],
      () =>
        grad(function loss(x: Tensor) {
          return (x as Untyped) > 0 ? x : x.neg();
        })(array(1)),
    ],
    [
      "a template string",
      ConcretizationError,
      ["to a string", "made by mul", "outside"],
      inJit((x) => `${x}`),
    ],
    [
      "JSON",
      ConcretizationError,
      ["JSON.stringify", "made by mul"],
      inJit((x) => JSON.stringify(x)),
    ],
    ["data()", ConcretizationError, ["data()", "return it"], inJit((x) => x.data())],
    ["item()", ConcretizationError, ["item()", "made by mul"], inJit((x) => x.item())],
    [
      "a size",
      ShapeError,
      ["zeros", "known when the function is traced", "staticArgnums"],
      () => jit((n: number) => zeros([n]))(3),
    ],
    [
      "the end of a range",
      ShapeError,
      ["arange", "not tensors", "staticArgnums"],
      () => jit((n: number) => arange(n))(3),
    ],
    [
      "x > 0 on a concrete tensor",
      ConcretizationError,
      ["float32[3]", "await x.item()", "x.greater(0)"],
      () => (v() as Untyped) > 0,
    ],
    [
      "x + 1 on a concrete tensor",
      ConcretizationError,
      ["float32[3]", "x.add(1)"],
      () => (v() as Untyped) + 1,
    ],
  ]);
});

describe("a tracer that leaked", () => {
  let kept: Tensor;
  const leak = () => {
    jit(function inner(x: Tensor) {
      kept = x.mul(2);
      return x;
    })(v());
    return kept;
  };
  const words = [
    "float32[3]",
    "made by mul in 'inner'",
    "after that function has returned",
    "return",
  ];
  check([
    ["into an operation", LeakedTracerError, ["add: ", ...words], () => leak().add(1)],
    [
      "into another traced function",
      LeakedTracerError,
      ["add: ", ...words],
      () => {
        const x = leak();
        return jit((y: Tensor) => y.add(x))(v());
      },
    ],
    [
      "as a result",
      LeakedTracerError,
      ["'outer'", ...words],
      () => {
        const x = leak();
        return jit(function outer() {
          return x;
        })();
      },
    ],
    [
      "as an argument",
      LeakedTracerError,
      ["float32[3]", "'inner'"],
      () => grad((x: Tensor) => x.sum())(leak()),
    ],
    ["read", LeakedTracerError, ["data()", ...words], () => leak().data()],
  ]);
});

describe("random keys", () =>
  check([
    [
      "a size for a shape",
      ShapeError,
      ["random.uniform: a shape is a list"],
      () => random.uniform(random.key(0), 3 as Untyped),
    ],
    ["a NaN seed", DtypeError, ["random.key", "NaN", "whole number"], () => random.key(Number.NaN)],
    ["a fractional seed", DtypeError, ["random.key", "1.5", "whole number"], () => random.key(1.5)],
    ["a huge seed", DtypeError, ["random.key", "1e+300"], () => random.key(1e300)],
    [
      "a string seed",
      DtypeError,
      ["random.key", "abc", "integer"],
      () => random.key("abc" as Untyped),
    ],
    ["no seed", DtypeError, ["random.key", "undefined"], () => (random.key as Untyped)()],
    [
      "a number instead of a key",
      DtypeError,
      ["random.uniform", "uint32[2]", "random.key(seed)"],
      () => random.uniform(0 as Untyped),
    ],
    [
      "several keys",
      DtypeError,
      ["random.uniform", "uint32[2,2]", "vmap"],
      () => random.uniform(random.split(random.key(0))),
    ],
    [
      "foldIn of a fraction",
      DtypeError,
      ["random.foldIn", "0.5", "integer"],
      () => random.foldIn(random.key(0), 0.5),
    ],
  ]));

describe("tensors that are gone", () => {
  const train = jit((w: Tensor, x: Tensor) => w.add(x), { donateArgnums: 0, name: "train" });
  const disposed = () => {
    const x = v();
    x.dispose();
    return x;
  };
  const onDevice = () => v().add(1);
  check([
    [
      "disposed on the host",
      DisposedError,
      ["add: ", "float32[3]", "disposed"],
      () => disposed().add(1),
    ],
    [
      "disposed on the device",
      DisposedError,
      ["mul: ", "float32[3]", "disposed"],
      () => {
        const x = onDevice();
        x.dispose();
        return x.mul(2);
      },
    ],
    ["disposed, then read", DisposedError, ["data()", "float32[3]"], () => disposed().data()],
    [
      "disposed, deep in an argument",
      DisposedError,
      ["'loss'", "argument[0].w", "float32[3]"],
      () =>
        jit(function loss(p: { w: Tensor }) {
          return p.w.sum();
        })({ w: disposed() }),
    ],
    [
      "disposed, closed over",
      DisposedError,
      ["'g'", "closes over", "float32[3]"],
      () => {
        const x = v();
        const f = jit(function g(y: Tensor) {
          return y.add(x);
        });
        f(v());
        x.dispose();
        return f(v());
      },
    ],
    [
      "donated, then used",
      DisposedError,
      ["mul: ", "float32[3]", "donated to 'train'", "donateArgnums"],
      () => {
        const w = onDevice();
        train(w, v());
        return w.mul(2);
      },
    ],
    [
      "donated, then read",
      DisposedError,
      ["data()", "donated to 'train'"],
      () => {
        const w = onDevice();
        train(w, v());
        return w.data();
      },
    ],
    [
      "donated from the host, then used",
      DisposedError,
      ["donated to 'train'"],
      () => {
        const w = v();
        train(w, v());
        return w.add(1);
      },
    ],
    [
      "donated again",
      DisposedError,
      ["train", "donated to 'train'"],
      () => {
        const w = onDevice();
        train(w, v());
        return train(w, v());
      },
    ],
  ]);

  test("one tensor at two donated arguments is copied, so that both results are right", async () => {
    const both = jit((p: Tensor, q: Tensor) => [p.add(1), q.mul(10)] as const, {
      donateArgnums: [0, 1],
      name: "both",
    });
    const x = onDevice();
    const [a, b] = both(x, x);
    expect(await a.toArray()).toEqual([3, 4, 5]);
    expect(await b.toArray()).toEqual([20, 30, 40]);
    expect((await errorOf(() => x.add(1))).message).toContain("donated to 'both'");
    const w = onDevice();
    expect(await train(w, w).toArray()).toEqual([4, 6, 8]);
    expect((await errorOf(() => w.add(1))).message).toContain("donated to 'train'");
  });

  check([
    [
      "static and donated",
      DawngradError,
      ["jit of 'f'", "argument 0", "both static and donated"],
      () =>
        jit(
          function f(x: Tensor) {
            return x;
          },
          { staticArgnums: 0, donateArgnums: 0 },
        ),
    ],
    [
      "donateArgnums out of range",
      ShapeError,
      ["jit of 'f'", "donateArgnums 2", "1 argument"],
      () =>
        jit(
          function f(x: Tensor) {
            return x;
          },
          { donateArgnums: 2 },
        )(v()),
    ],
  ]);
});

describe("differentiation", () =>
  check([
    [
      "a customJvp rule that is not linear",
      DawngradError,
      ["mul of float32[] and float32[]", "not linear in tangents", "customJvp"],
      () =>
        grad(
          customJvp(
            (x: Tensor) => x,
            ([x], [t]) => [x, t.mul(t)],
          ),
        )(array(1)),
    ],
    [
      "a customJvp rule with a function of the tangent",
      DawngradError,
      ["exp of float32[]", "not linear in tangents", "customJvp"],
      () =>
        grad(
          customJvp(
            (x: Tensor) => x,
            ([x], [t]) => [x, t.exp()],
          ),
        )(array(1)),
    ],
    [
      "a checkpoint's policy",
      DawngradError,
      ["checkpoint of 'f'", '"dots_saveable"', "dotsWithNoBatchDims", "names"],
      () =>
        checkpoint(
          function f(x: Tensor) {
            return x;
          },
          { policy: "dots_saveable" as Untyped },
        ),
    ],
    [
      "a tensor for a function",
      DtypeError,
      ["jacfwd: the first argument must be a function", "float32[3]"],
      () => jacfwd(v() as Untyped),
    ],
    [
      "a vector for a list of vectors",
      ShapeError,
      ["hvp: the primals of 'loss' must be a list", "[x]"],
      () =>
        hvp(
          function loss(x: Tensor) {
            return x.sum();
          },
          v() as Untyped,
          [v()],
        ),
    ],
    [
      "argnums that the call does not have",
      ShapeError,
      ["jacfwd: argnums 2", "1 argument"],
      () => jacfwd((x: Tensor) => x, { argnums: [0, 2] })(v()),
    ],
    [
      "integers",
      DtypeError,
      ["grad", "argument[0].k is int32[2]", 'astype("float32")', "argnums"],
      () => grad((p: { k: Tensor }) => p.k.sum())({ k: ints() }),
    ],
    [
      "a loss that is no scalar",
      ShapeError,
      ["grad", "'loss' returned float32[3]", "sum() or mean()", "jacrev"],
      () =>
        grad(function loss(x: Tensor) {
          return x.mul(2);
        })(v()),
    ],
    [
      "a loss that is a tree",
      ShapeError,
      ["valueAndGrad", "'loss'", "[leaf, leaf]", "hasAux: true"],
      () =>
        valueAndGrad(function loss(x: Tensor) {
          return [x.sum(), x];
        } as Untyped)(v()),
    ],
    [
      "an integer loss",
      DtypeError,
      ["grad", "'loss' returned int32[]", "float32 scalar"],
      () =>
        grad(function loss(x: Tensor) {
          return x.argmax();
        })(v()),
    ],
    [
      "a missing return",
      ShapeError,
      ["grad", "'loss'", "undefined", "is a return missing?"],
      () =>
        grad(function loss(x: Tensor) {
          x.sum();
        } as Untyped)(v()),
    ],
    [
      "argnums out of range",
      ShapeError,
      ["grad", "argnums 1", "1 argument"],
      () => grad((x: Tensor) => x.sum(), { argnums: 1 as Untyped })(v()),
    ],
    [
      "hasAux without aux",
      ShapeError,
      ["hasAux", "'loss'", "[loss, aux]", "one value"],
      () =>
        grad(
          function loss(x: Tensor) {
            return x.sum();
          } as Untyped,
          { hasAux: true },
        )(v()),
    ],
    [
      "hasAux with an object",
      ShapeError,
      ["hasAux", "[loss, aux]", '{"aux": leaf, "loss": leaf}'],
      () =>
        grad(
          function loss(x: Tensor) {
            return { loss: x.sum(), aux: x };
          } as Untyped,
          { hasAux: true },
        )(v()),
    ],
    [
      "hasAux the wrong way round",
      ShapeError,
      ["grad", "float32[3]", "scalar"],
      () =>
        grad(
          function loss(x: Tensor) {
            return [x, x.sum()];
          } as Untyped,
          { hasAux: true },
        )(v()),
    ],
    [
      "aux that is no tensor",
      DtypeError,
      ["'loss'", "a string", '"[1]"'],
      () =>
        grad(
          function loss(x: Tensor) {
            return [x.sum(), "hi"];
          } as Untyped,
          { hasAux: true },
        )(v()),
    ],
    [
      "tangents of another structure",
      ShapeError,
      ["jvp", 'tangents at "[0]"', '{"w": leaf}', "null for zero"],
      () => jvp((p: { w: Tensor }) => p.w.sum(), [{ w: v() }], [{ v: v() } as Untyped]),
    ],
    [
      "too few tangents",
      ShapeError,
      ["jvp", "tangents", "[leaf, leaf]"],
      () => jvp((x: Tensor, y: Tensor) => x.mul(y), [v(), v()], [v()] as Untyped),
    ],
    [
      "a tangent of another shape",
      ShapeError,
      ["jvp", '"[0].w"', "float32[3]", "float32[2]"],
      () => jvp((p: { w: Tensor }) => p.w.sum(), [{ w: v() }], [{ w: array([1, 2]) }]),
    ],
    [
      "a tangent of another dtype",
      ShapeError,
      ["jvp", "float32[2]", "int32[2]"],
      () => jvp((x: Tensor) => x.sum(), [array([1, 2])], [ints()]),
    ],
    [
      "a tangent of integers",
      DtypeError,
      ["jvp", "int32[2]", "pass null"],
      () => jvp((x: Tensor) => x.sum(), [ints()], [ints()]),
    ],
    [
      "primals that are no list",
      ShapeError,
      ["jvp", "'f'", "list", "[x]"],
      () =>
        jvp(
          function f(x: Tensor) {
            return x;
          },
          v() as Untyped,
          v() as Untyped,
        ),
    ],
    [
      "a cotangent of another shape",
      ShapeError,
      ["pullback", "float32[3]", "cotangent is float32[]"],
      () => vjp((x: Tensor) => x.mul(2), v())[1](array(1)),
    ],
    [
      "a cotangent of another structure",
      ShapeError,
      ["pullback", "cotangents", "structure leaf"],
      () => vjp((x: Tensor) => x.mul(2), v())[1]([v()] as Untyped),
    ],
    [
      "jacfwd of integers",
      DtypeError,
      ["jacfwd", "int32[2]", 'astype("float32")'],
      () => jacfwd((x: Tensor) => x)(ints()),
    ],
    [
      "a loss function for gradientOf",
      DawngradError,
      ["gradientOf", "'lossFn'", "{ loss, state, aux? }"],
      () =>
        gradientOf(function lossFn(w: Tensor) {
          return w.sum();
        } as Untyped)(v(), null, null, null),
    ],
    [
      "trees of different structure",
      ShapeError,
      ["tree.add", '{"b": leaf}', '{"a": leaf}', 'leaf ".a" is missing'],
      () => tree.add({ a: v() }, { b: v() } as Untyped),
    ],
  ]));

describe("vmap", () =>
  check([
    [
      "lanes that differ",
      ShapeError,
      ["vmap of 'pair'", "argument[1] float32[3] has 3 lanes", "argument[0] float32[2] has 2"],
      () =>
        vmap(function pair(x: Tensor, y: Tensor) {
          return x.add(y);
        })(array([1, 2]), v()),
    ],
    [
      "axisSize that differs",
      ShapeError,
      ["vmap of 'f'", "float32[3] has 3 lanes", "axisSize is 4"],
      () =>
        vmap(
          function f(x: Tensor) {
            return x;
          },
          0,
          0,
          { axisSize: 4 },
        )(v()),
    ],
    [
      "an axis out of range",
      ShapeError,
      ["vmap inAxes of argument[0] float32[3]", "axis 1", "-1 to 0"],
      () => vmap((x: Tensor) => x, 1)(v()),
    ],
    [
      "a scalar",
      ShapeError,
      ["vmap", "argument[1] is a scalar", "use null"],
      () => vmap((x: Tensor, k: number) => x.mul(k))(v(), 2),
    ],
    [
      "nothing mapped",
      ShapeError,
      ["vmap of 'f'", "no argument is mapped", "axisSize"],
      () =>
        vmap(function f(x: Tensor) {
          return x;
        }, null)(v()),
    ],
    [
      "inAxes of another length",
      ShapeError,
      ["vmap inAxes", "[leaf, leaf]", "prefix"],
      () => vmap((x: Tensor, y: Tensor) => x.add(y), [0])(v(), v()),
    ],
    [
      "inAxes of another structure",
      ShapeError,
      ["vmap inAxes", '"[0]"', '{"w": leaf}'],
      () => vmap((p: { w: Tensor }) => p.w, [{ v: 0 }])({ w: v() }),
    ],
    [
      "outAxes null for what differs",
      ShapeError,
      ["vmap: outAxes is null", '".y"', "'f'", "give it an axis"],
      () =>
        vmap(
          function f(x: Tensor) {
            return { y: x.mul(2) };
          },
          0,
          null,
        )(v()),
    ],
    [
      "outAxes out of range",
      ShapeError,
      ["vmap outAxes", "axis 2", "-1 to 0"],
      () => vmap((x: Tensor) => x.mul(2), 0, 2)(v()),
    ],
  ]));

describe("the device", () => {
  const limit = () =>
    Math.min(deviceInfo().limits.maxStorageBufferBindingSize, deviceInfo().limits.maxBufferSize);
  check([
    [
      "a result larger than a binding",
      DeviceError,
      ["zeros", "float32[40000,40000]", "6400000000 bytes"],
      () => zeros([40000, 40000]),
    ],
    [
      "a value within a program larger than a binding",
      DeviceError,
      ["'big'".replaceAll("'", ""), "6442450944 bytes"],
      () =>
        jit(function big(x: Tensor) {
          return broadcastTo(x, [2 ** 29, 3]).add(1);
        })(v()),
    ],
  ]);

  test("the error says how much the adapter takes, and what to do", async () => {
    const { message } = await errorOf(() => full([40000, 40000], 1));
    expect(message).toContain(String(limit()));
    expect(message).toContain("smaller batches");
  });

  test("a user function's own error comes through as it is", async () => {
    const own = new RangeError("mine");
    const boom = () => {
      throw own;
    };
    for (const f of [jit(boom), grad(boom), vmap(boom)] as Untyped[]) {
      expect(await errorOf(() => f(v()))).toBe(own);
    }
  });

  test("without init() every call that needs a device says so", async () => {
    const root = fileURLToPath(new URL("../..", import.meta.url));
    const file = join(root, "node_modules", `.dawngrad-no-init-${process.pid}.mts`);
    await writeFile(
      file,
      `import { array, grad, jit, memoryStats, deviceInfo } from ${JSON.stringify(join(root, "src/index.ts"))};
      const x = array([1, 2]);
      console.log(JSON.stringify((await x.data()).length));
      for (const f of [() => x.add(1), () => jit(function step(y) { return y.mul(2); })(x),
        () => grad((y) => y.sum())(x), memoryStats, deviceInfo]) {
        try { f(); console.log("no error"); } catch (e) { console.log(e.name + ": " + e.message); }
      }`,
    );
    try {
      const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", file], {
        cwd: root,
      });
      const [host, ...lines] = stdout.trim().split("\n");
      expect(host).toBe("2");
      const names = ["add", "step", "grad of ", "memoryStats", "deviceInfo"];
      expect(lines.length).toBe(names.length);
      lines.forEach((line, i) => {
        expect(line).toMatch(/^DeviceError: /);
        expect(line).toContain(names[i]);
        expect(line).toContain("await init()");
      });
    } finally {
      await promisify(execFile)("rm", ["-f", file]);
    }
  });
});
