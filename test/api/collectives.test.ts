/** Collectives over named axes: against the same computed on whole arrays, and JAX's conventions. */
import {
  add,
  allGather,
  allToAll,
  array,
  axisIndex,
  axisSize,
  DawngradError,
  grad,
  hessian,
  init,
  jit,
  jvp,
  pmax,
  pmean,
  pmin,
  ppermute,
  pshuffle,
  psum,
  psumScatter,
  ShapeError,
  type Tensor,
  vjp,
  vmap,
} from "dawngrad";
import { checkGrads, hostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";

const over = { axisName: "i" };
const hosted = async (
  f: (...xs: Tensor[]) => unknown,
  ...xs: Parameters<typeof hostArray>[0][]
) => {
  const y = await reference(f as (...xs: Tensor[]) => Tensor)(...xs.map((x) => hostArray(x)));
  return y.toArray();
};

const x23 = [
  [1, 2, 3],
  [4, 5, 7],
];

describe("values", () => {
  test.each([
    [
      "psum",
      (x: Tensor) => psum(x, "i"),
      [
        [5, 7, 10],
        [5, 7, 10],
      ],
    ],
    [
      "pmean",
      (x: Tensor) => pmean(x, "i"),
      [
        [2.5, 3.5, 5],
        [2.5, 3.5, 5],
      ],
    ],
    [
      "pmax",
      (x: Tensor) => pmax(x.neg(), "i"),
      [
        [-1, -2, -3],
        [-1, -2, -3],
      ],
    ],
    [
      "pmin",
      (x: Tensor) => pmin(x, "i"),
      [
        [1, 2, 3],
        [1, 2, 3],
      ],
    ],
    [
      "axisIndex",
      (x: Tensor) => x.mul(axisIndex("i")),
      [
        [0, 0, 0],
        [4, 5, 7],
      ],
    ],
    [
      "axisSize",
      (x: Tensor) => x.mul(axisSize("i")),
      [
        [2, 4, 6],
        [8, 10, 14],
      ],
    ],
    ["allGather", (x: Tensor) => allGather(x, "i"), [x23, x23]],
    [
      "allGather at the end",
      (x: Tensor) => allGather(x, "i", { axis: -1 }),
      [0, 1].map(() => [
        [1, 4],
        [2, 5],
        [3, 7],
      ]),
    ],
    [
      "allGather tiled",
      (x: Tensor) => allGather(x, "i", { tiled: true }),
      [0, 1].map(() => [1, 2, 3, 4, 5, 7]),
    ],
    [
      "ppermute",
      (x: Tensor) => ppermute(x, "i", [[0, 1]]),
      [
        [0, 0, 0],
        [1, 2, 3],
      ],
    ],
    [
      "pshuffle",
      (x: Tensor) => pshuffle(x, "i", [1, 0]),
      [
        [4, 5, 7],
        [1, 2, 3],
      ],
    ],
  ] as const)("%s", async (_, f, want) => {
    expect(await hosted(vmap(f, 0, 0, over), x23)).toEqual(want);
  });

  test("psum of what is the same for all lanes counts each; pmax does not", async () => {
    const f = (_: Tensor, k: Tensor) => [psum(1, "i"), psum(k, "i"), pmean(k, "i"), pmax(k, "i")];
    const out = await reference(vmap(f, [0, null], null, over))(hostArray([1, 2, 3]), hostArray(5));
    expect(out.map((y) => y.item())).toEqual([3, 15, 5, 5]);
  });

  test("the other collectives of what is the same for all lanes", async () => {
    const k = hostArray([1, 2]);
    const f = (_: Tensor, y: Tensor) => [
      allGather(y, "i"),
      psumScatter(y, "i"),
      allToAll(y, "i", 0, 0),
      ppermute(y, "i", [[1, 0]]),
    ];
    const out = await reference(vmap(f, [0, null], 0, over))(hostArray([0, 0]), k);
    expect(out.map((y) => y.toArray())).toEqual([
      [
        [
          [1, 2],
          [1, 2],
        ],
        [
          [1, 2],
          [1, 2],
        ],
      ],
      [2, 4],
      [
        [1, 1],
        [2, 2],
      ],
      [
        [1, 2],
        [0, 0],
      ],
    ]);
  });

  test("allToAll is a transposition of lanes and entries; tiled, of blocks", async () => {
    const x = [
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [7, 8],
      ],
    ];
    const f = (split: number, concat: number, tiled = false) =>
      hosted(
        vmap((y: Tensor) => allToAll(y, "i", split, concat, { tiled }), 0, 0, over),
        x,
      );
    expect(await f(0, 0)).toEqual([
      [
        [1, 2],
        [5, 6],
      ],
      [
        [3, 4],
        [7, 8],
      ],
    ]);
    expect(await f(1, 0)).toEqual([
      [
        [1, 3],
        [5, 7],
      ],
      [
        [2, 4],
        [6, 8],
      ],
    ]);
    expect(await f(0, 1)).toEqual([
      [
        [1, 5],
        [2, 6],
      ],
      [
        [3, 7],
        [4, 8],
      ],
    ]);
    // lax.all_to_all(x, 'i', 0, 1, tiled=True): row blocks out, columns concatenated.
    expect(await f(0, 1, true)).toEqual([[[1, 2, 5, 6]], [[3, 4, 7, 8]]]);
    expect(await f(1, 0, true)).toEqual([
      [[1], [3], [5], [7]],
      [[2], [4], [6], [8]],
    ]);
  });

  test("psumScatter deals out the sum", async () => {
    const x = [
      [1, 2, 3, 4],
      [10, 20, 30, 40],
    ];
    const tiled = vmap((y: Tensor) => psumScatter(y, "i", { tiled: true }), 0, 0, over);
    expect(await hosted(tiled, x)).toEqual([
      [11, 22],
      [33, 44],
    ]);
  });

  test("trees, integers and booleans", async () => {
    const f = (x: Tensor) => psum({ a: x, n: [axisIndex("i"), x.greater(1)] }, "i");
    const out = await reference(vmap(f, 0, null, over))(hostArray([1, 2, 3]));
    expect([out.a.item(), ...out.n.map((y) => [y.dtype, y.item()])]).toEqual([
      6,
      ["int32", 3],
      ["int32", 2],
    ]);
  });
});

describe("nesting", () => {
  const nested = (f: (x: Tensor) => unknown) =>
    vmap(vmap(f, 0, 0, { axisName: "j" }), 0, 0, { axisName: "i" });

  test("an inner function reaches every axis around it", async () => {
    const f = (x: Tensor) => [
      psum(x, "i"),
      psum(x, "j"),
      psum(x, ["i", "j"]),
      axisIndex(["i", "j"]),
    ];
    const [i, j, both, at] = await reference(nested(f) as (x: Tensor) => Tensor[])(hostArray(x23));
    expect(i!.toArray()).toEqual([
      [5, 7, 10],
      [5, 7, 10],
    ]);
    expect(j!.toArray()).toEqual([
      [6, 6, 6],
      [16, 16, 16],
    ]);
    expect(both!.toArray()).toEqual([
      [22, 22, 22],
      [22, 22, 22],
    ]);
    expect(at!.toArray()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
  });

  test("collectives along axes of the value move with an inner lane", async () => {
    const x = [
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [7, 8],
      ],
    ];
    const f = vmap(
      vmap((y: Tensor) => [allGather(y, "i", { axis: 1 }), allToAll(y, "i", 0, 0)], 0, 0, {
        axisName: "j",
      }),
      0,
      0,
      { axisName: "i" },
    );
    const [gathered, dealt] = await reference(f as unknown as (x: Tensor) => Tensor[])(
      hostArray(x),
    );
    expect((gathered!.toArray() as unknown[])[1]).toEqual([
      [
        [1, 5],
        [2, 6],
      ],
      [
        [3, 7],
        [4, 8],
      ],
    ]);
    expect(dealt!.toArray()).toEqual([
      [
        [1, 5],
        [3, 7],
      ],
      [
        [2, 6],
        [4, 8],
      ],
    ]);
  });

  test("the innermost axis of a name is meant; an outer value enters as it is", async () => {
    const f = vmap(
      (x: Tensor) => {
        const s = psum(x, "i").sum();
        return vmap((y: Tensor) => psum(y, "i").add(s), 0, 0, over)(x);
      },
      0,
      0,
      over,
    );
    expect(await hosted(f, x23)).toEqual([
      [28, 28, 28],
      [38, 38, 38],
    ]);
  });

  test("through jit, on the device", async () => {
    await init();
    const f = jit(
      vmap(
        jit((x: Tensor) => x.sub(pmean(x, "i"))),
        0,
        0,
        over,
      ),
    );
    expect(await f(array(x23)).toArray()).toEqual([
      [-1.5, -1.5, -2],
      [1.5, 1.5, 2],
    ]);
  });
});

describe("derivatives", () => {
  test("the transpose of psum is psum: vmap(grad) is the gradient of the sum of losses", async () => {
    // JAX: vmap(grad(lambda x: psum(x ** 2, 'i')), axis_name='i')([1., 2., 3.]) = [6., 12., 18.]
    const g = vmap(
      grad((x: Tensor) => psum(x.square(), "i")),
      0,
      0,
      over,
    );
    expect(await hosted(g, [1, 2, 3])).toEqual([6, 12, 18]);
    const mean = vmap(
      grad((x: Tensor) => pmean(x.square(), "i")),
      0,
      0,
      over,
    );
    expect(await hosted(mean, [1, 2, 3])).toEqual([2, 4, 6]);
  });

  test("grad(vmap) is that of the whole array", async () => {
    const f = vmap((x: Tensor) => x.mul(psum(x.square(), "i")), 0, 0, over);
    const whole = (x: Tensor) => x.mul(x.square().sum());
    const w = [0.5, -1, 2];
    expect(
      await hosted(
        grad((x: Tensor) => f(x).sum()),
        w,
      ),
    ).toEqual(
      await hosted(
        grad((x: Tensor) => whole(x).sum()),
        w,
      ),
    );
    expect(
      await hosted(
        hessian((x: Tensor) => f(x).sum()),
        w,
      ),
    ).toEqual(
      await hosted(
        hessian((x: Tensor) => whole(x).sum()),
        w,
      ),
    );
  });

  test("every collective, to second order, around and within vmap", async () => {
    const weights = (n: number) => array(Array.from({ length: n }, (_, k) => (k % 3) - 0.75));
    const collectives: readonly ((x: Tensor) => Tensor)[] = [
      (x) => psum(x, "i"),
      (x) => pmean(x, "i"),
      (x) => pmax(x, "i"),
      (x) => pmin(x, "i"),
      (x) => allGather(x, "i", { axis: 1 }),
      (x) => allGather(x, "i", { tiled: true }),
      (x) => psumScatter(x, "i"),
      (x) => allToAll(x, "i", 0, 0),
      (x) => ppermute(x, "i", [[0, 1]]),
    ];
    const loss = (f: (x: Tensor) => Tensor) => (x: Tensor) => {
      const y = f(x.square()).sin();
      return add(y.reshape([-1]).mul(weights(y.size)).sum(), psum(y, "i").sum().mul(0.5));
    };
    const x = hostArray([
      [0.3, -0.8],
      [1.1, 0.6],
    ]);
    for (const f of collectives) {
      await checkGrads(vmap(loss(f), 0, 0, over), [x], { order: 2 });
      await checkGrads(vmap(grad(loss(f)), 0, 0, over), [x], { order: 1 });
      // A pushforward and a pullback within the lanes are transposes of each other.
      const push = (y: Tensor) => jvp(loss(f), [y], [y.cos()])[1];
      const pull = (y: Tensor) => vjp(loss(f), y)[1](array(1))[0].mul(y.cos()).sum();
      const total = (h: (y: Tensor) => Tensor) => (y: Tensor) => vmap(h, 0, 0, over)(y).sum();
      const [a, b] = [await reference(total(push))(x), await reference(total(pull))(x)];
      expect(Math.abs((a.item() as number) - (b.item() as number))).toBeLessThan(1e-12);
    }
  });
});

describe("errors", () => {
  test("an unbound name, with those in scope", () => {
    expect(() => psum(array(1), "batch")).toThrow(
      /^psum: no axis named 'batch' is in scope \(none is\); name one with vmap/,
    );
    const f = vmap((x: Tensor) => psum(x, "batch"), 0, 0, over);
    expect(() => f(array([1]))).toThrow("(in scope: 'i')");
    // The name is gone once vmap has returned, and when it threw.
    expect(() => axisIndex("i")).toThrow(DawngradError);
  });

  test("sizes that do not fit the lanes", () => {
    const f = vmap((x: Tensor) => psumScatter(x, "i"), 0, 0, over);
    expect(() => f(array(x23))).toThrow(ShapeError);
    const g = vmap((x: Tensor) => allToAll(x, "i", 0, 0, { tiled: true }), 0, 0, over);
    expect(() => g(array(x23))).toThrow(/does not divide into 2 blocks/);
    const h = vmap((x: Tensor) => ppermute(x, "i", [[0, 2]]), 0, 0, over);
    expect(() => h(array(x23))).toThrow(/out of range for the 2 lanes of 'i'/);
  });
});
