/** debug: values arrive, in order, exactly as often as the program says. */
import {
  array,
  checkpoint,
  customJvp,
  customVjp,
  DtypeError,
  debug,
  grad,
  init,
  jit,
  jvp,
  type Tensor,
  valueAndGrad,
  vmap,
} from "dawngrad";
import { hostArray, reference } from "dawngrad/testing";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { ndarray } from "../../src/core/ndarray.js";
import { buildGraph, lit } from "../../src/ir/builder.js";
import { harvestEffects, perform } from "../../src/ir/effects.js";
import { add, hostCall, mul } from "../../src/prims/index.js";
import { interpret } from "../../src/reference/interpret.js";
import { cond, scan, whileLoop } from "../../src/structured/index.js";

let seen: unknown[] = [];
const see = (...values: unknown[]): void => {
  seen.push(values.length === 1 ? values[0] : values);
};

beforeAll(() => init());
beforeEach(() => {
  seen = [];
});
afterEach(() => debug.effectsBarrier());

const done = async (): Promise<unknown[]> => {
  await debug.effectsBarrier();
  return seen;
};

describe("callback", () => {
  test("outside a trace, under jit, with trees, in the order of program and runs", async () => {
    debug.callback(see, "eager", array([1, 2]));
    const f = jit((x: Tensor) => {
      debug.callback(see, "first", { x, y: [x.sum(), 7] as const });
      const y = x.mul(2);
      debug.callback(see, "second", y.greater(2));
      return y;
    });
    f(array([1, 2]));
    const last = f(array([3, 4]));
    expect(await last.toArray()).toEqual([6, 8]);
    expect(await done()).toEqual([
      ["eager", [1, 2]],
      ["first", { x: [1, 2], y: [3, 7] }],
      ["second", [false, true]],
      ["first", { x: [3, 4], y: [7, 7] }],
      ["second", [true, true]],
    ]);
  });

  test("is never merged or dropped, and programs with different callbacks are one program", async () => {
    const f = (tag: string) => (x: Tensor) => {
      debug.callback(see, tag, x);
      debug.callback(see, tag, x);
      debug.callback(see, "constant");
      return x;
    };
    jit(f("a"))(array(1));
    jit(f("b"))(array(2));
    expect(await done()).toEqual([["a", 1], ["a", 1], "constant", ["b", 2], ["b", 2], "constant"]);
  });

  test("grad and jvp call it once, vmap for each lane, in any nesting", async () => {
    const f = (x: Tensor): Tensor => {
      debug.callback(see, x);
      return x.square();
    };
    await jit(valueAndGrad(f))(array(3))[1].item();
    await jvp(f, [array(4)], [array(1)])[1].item();
    await jit(vmap(grad(f)))(array([5, 6])).data();
    await grad((x: Tensor) => vmap(vmap(f))(x).sum())(
      array([
        [7, 8],
        [9, 10],
      ]),
    ).data();
    await grad(grad(f))(array(11)).item();
    expect(await done()).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test("a value that is the same for all lanes is shown once", async () => {
    const f = (x: Tensor, k: Tensor): Tensor => {
      debug.callback(see, "k", k);
      debug.callback(see, x, k);
      return x.mul(k);
    };
    await vmap(f, [0, null])(array([1, 2]), array(5)).data();
    expect(await done()).toEqual([
      ["k", 5],
      [1, 5],
      [2, 5],
    ]);
  });

  test("checkpoint does not repeat it; custom rules have their own", async () => {
    const f = checkpoint((x: Tensor) => {
      debug.callback(see, "forward", x);
      return x.sin().exp();
    });
    await jit(grad((x: Tensor) => f(f(x))))(array(0)).item();
    const g = customVjp(
      (x: Tensor) => x,
      (x) => [x, null] as const,
      (_, ct: Tensor) => {
        debug.callback(see, "cotangent", ct);
        return [ct];
      },
    );
    await grad((x: Tensor) => g(x).mul(3))(array(1)).item();
    expect(await done()).toEqual([
      ["forward", 0],
      ["forward", 1],
      ["cotangent", 3],
    ]);
    const h = customJvp(
      (x: Tensor) => x,
      ([x], [t]) => {
        debug.callback(see, t);
        return [x, t];
      },
    );
    expect(() => grad(h)(array(1))).toThrow(/of a tangent has no transpose/);
  });

  test("what a callback throws rejects the next barrier, and the others are called", async () => {
    debug.callback(() => {
      throw new Error("from the callback");
    }, array(1));
    debug.callback(see, array(2));
    await expect(debug.effectsBarrier()).rejects.toThrow("from the callback");
    expect(await done()).toEqual([2]);
  });

  test("on the f64 reference, too", async () => {
    await reference(
      vmap((x: Tensor) => {
        debug.callback(see, x);
        return x;
      }),
    )(hostArray([0.1, 2]));
    expect(seen).toEqual([0.1, 2]);
  });
});

describe("within loops and branches", () => {
  const scalar = { shape: [], dtype: "float32" as const };
  const int = { shape: [], dtype: "int32" as const };

  test("each step, in the loop's direction, and the branch that was taken", () => {
    const branch = (tag: string) =>
      buildGraph([scalar], ([x]) => {
        hostCall([x!], { lanes: 0, call: ([v]) => see(tag, v!.data[0]) });
        return [mul(x!, lit(2, "float32"))];
      });
    const branches = [branch("zero"), branch("one")];
    const body = buildGraph([scalar, int], ([c, i]) => {
      const [y] = cond(i!, [c!], branches);
      hostCall([y!], { lanes: 0, call: ([v]) => see("step", v!.data[0]) });
      return [add(c!, lit(1, "float32")), y!];
    });
    const graph = buildGraph([scalar, { shape: [3], dtype: "int32" }], ([c, xs]) => [
      ...scan([c!, xs!], { body, carry: 1, xs: 1, length: 3, reverse: true }),
    ]);
    const inputs = [ndarray([], "float32", 5), ndarray([3], "int32", [0, 1, 1])];
    interpret(graph, inputs);
    const want = [...seen];
    expect(want).toEqual([
      ["one", 5],
      ["step", 10],
      ["one", 6],
      ["step", 12],
      ["zero", 7],
      ["step", 14],
    ]);
    // What a device does: the values are outputs, the calls come afterwards.
    seen = [];
    const { graph: pure, effects } = harvestEffects(graph);
    const outs = interpret(pure, inputs);
    expect(outs.slice(0, 2).map((y) => Array.from(y.data))).toEqual([[8], [14, 12, 10]]);
    expect(seen).toEqual([]);
    perform(effects, outs.slice(2));
    expect(seen).toEqual(want);
  });

  test("within while it is an error that says what to do", () => {
    const test = buildGraph([{ shape: [], dtype: "bool" }], ([x]) => [x!]);
    const body = buildGraph([{ shape: [], dtype: "bool" }], ([x]) => {
      hostCall([x!], { lanes: 0, call: () => {} });
      return [x!];
    });
    const graph = buildGraph([{ shape: [], dtype: "bool" }], ([x]) => [
      ...whileLoop([x!], { cond: test, body, carry: 1 }),
    ]);
    expect(() => harvestEffects(graph)).toThrow(/within while: .* use scan or foriLoop/);
  });
});

describe("print", () => {
  test("formats", async () => {
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    jit((x: Tensor) => {
      debug.print("x = {}, y = {1}, {{z}} = {z}", x, x.mul(0.1), { z: x.greater(1) });
      return x;
    })(array([1, 2.5]));
    debug.print("{} {}", array(1e-7), { a: array([]) });
    await debug.effectsBarrier();
    expect(log.mock.calls).toEqual([
      ["x = [1, 2.5], y = [0.1, 0.25], {z} = [false, true]"],
      ["1e-7 {a: []}"],
    ]);
    log.mockRestore();
  });

  test("a format that wants more than there is", () => {
    expect(() => debug.print("{} {}", array(1))).toThrow(DtypeError);
    expect(() => debug.print("{x}", array(1))).toThrow(/wants \{x\}/);
    expect(() => debug.callback(1 as never)).toThrow(/must be a function/);
  });
});
