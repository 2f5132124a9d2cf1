/** Choices between tiles: every tile computes the same, measuring picks one, caches and restoring. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conv, grad, type Tensor } from "dawngrad";
import { beforeAll, describe, expect, it } from "vitest";
import { aval } from "../../src/core/aval.js";
import { KernelChoices } from "../../src/device/choices.js";
import { currentGpu, init } from "../../src/device/index.js";
import { choiceStore } from "../../src/device/node/choice-store.js";
import type { Graph } from "../../src/ir/graph.js";
import { optimise } from "../../src/optimise/index.js";
import * as P from "../../src/prims/index.js";
import { Executable } from "../../src/runtime/executable.js";
import { compile } from "../../src/runtime/index.js";
import { type Measurement, tune } from "../../src/runtime/tune.js";
import { traceFunction } from "../../src/trace/trace.js";
import { tilesOf } from "../../src/wgsl/index.js";
import { constant, graphOf } from "../schedule/helpers.js";
import { expectSame } from "./compile-harness.js";

beforeAll(async () => {
  await init();
});

const dot = (a: 0 | 1, b: 0 | 1) => ({ contract: [[a], [b]], batch: [[], []] }) as const;

/** Operands that lie in every way, sizes with and without edges, few columns, windows. */
const products: readonly (readonly [name: string, graph: Graph])[] = [
  [
    "plain",
    graphOf(
      [
        [40, 24],
        [24, 36],
      ],
      (a, b) => [P.dotGeneral(a, b, dot(1, 0))],
    ),
  ],
  [
    "edges",
    graphOf(
      [
        [35, 23],
        [23, 37],
      ],
      (a, b) => [P.dotGeneral(a, b, dot(1, 0))],
    ),
  ],
  [
    "first transposed",
    graphOf(
      [
        [24, 40],
        [24, 36],
      ],
      (a, b) => [P.dotGeneral(a, b, dot(0, 0))],
    ),
  ],
  [
    "second transposed",
    graphOf(
      [
        [40, 24],
        [36, 24],
      ],
      (a, b) => [P.dotGeneral(a, b, dot(1, 1))],
    ),
  ],
  [
    "both transposed",
    graphOf(
      [
        [24, 40],
        [36, 24],
      ],
      (a, b) => [P.dotGeneral(a, b, dot(0, 1))],
    ),
  ],
  [
    "few columns",
    graphOf(
      [
        [70, 24],
        [24, 10],
      ],
      (a, b) => [P.dotGeneral(a, b, dot(1, 0))],
    ),
  ],
  [
    "a lane on one side, with an epilogue",
    graphOf([[3, 20, 24], [24, 12], [12]], (a, b, c) => {
      const y = P.dotGeneral(a, b, { contract: [[2], [0]], batch: [[], []] });
      return [P.max(P.add(y, P.broadcastInDim(c, [3, 20, 12], [2])), constant(0, [3, 20, 12]))];
    }),
  ],
  ...(
    [
      ["convolution", { stride: 1, lo: 1, base: 1, positions: 6 }, 8],
      ["convolution of one channel", { stride: 1, lo: 1, base: 1, positions: 6 }, 1],
      ["convolution of three channels", { stride: 1, lo: 1, base: 1, positions: 6 }, 3],
      ["strided convolution", { stride: 2, lo: 1, base: 1, positions: 3 }, 4],
      ["dilated input, three channels", { stride: 1, lo: 1, base: 2, positions: 11 }, 3],
    ] as const
  ).map(([name, d, channels]) => {
    const dim = { ...d, window: 3, dilation: 1 };
    const graph = graphOf(
      [
        [2, 6, 6, channels],
        [3, 3, channels, 8],
      ],
      (x, w) => [
        P.conv(x, w, {
          lhs: { batch: [], free: [0], contract: [3], spatial: [1, 2] },
          rhs: { batch: [], free: [3], contract: [2], spatial: [0, 1] },
          out: [0, 1, 2, 3],
          dims: [dim, dim],
        }),
      ],
    );
    return [name, graph] as const;
  }),
  ["input gradient", inputGradient()],
];

/** The gradient of a convolution by its input: windows that slide the other way. */
function inputGradient(): Graph {
  const spec = (shape: readonly number[]) => ({ aval: aval(shape, "float32"), weak: false });
  const shapes = [
    [2, 5, 7, 6],
    [3, 3, 6, 12],
    [2, 5, 7, 12],
  ];
  const { graph } = traceFunction("dx", shapes.map(spec), ([x, w, dy]) =>
    grad((image: Tensor) => conv(image, w!, { padding: "SAME" }).mul(dy!).sum())(x!),
  );
  return optimise(graph);
}

/** Those whose windows the template for sliding ones takes. */
const sliding = [
  "convolution",
  "convolution of one channel",
  "convolution of three channels",
  "input gradient",
];

const programOf = (g: Graph, emit = {}): Executable => {
  const { executable } = compile(g, { name: "tune", donated: g.inputs.map(() => false), emit });
  if (!(executable instanceof Executable)) throw new Error("a program without loops was expected");
  return executable;
};

describe("every tile computes the same", () => {
  // Those of workgroup memory, which CPU drivers compile for seconds, are in contract.test.ts.
  it.each(products)("%s", { timeout: 120_000 }, async (name, g) => {
    const { schedule } = programOf(g);
    const { tiles } = schedule.dispatches.map((d) => tilesOf(schedule, d)).find((t) => t)!;
    const variants = new Set(tiles.map((t) => t.split("-")[0]!.split(" ")[0]));
    expect([...variants]).toContain("register");
    if (sliding.includes(name) && currentGpu("test").subgroupSize > 0) {
      expect(tiles.filter((t) => t.startsWith("subgroup-windows")).length).toBe(1);
    }
    for (const tile of tiles) {
      await expectSame(g, 1e-5, { emit: { tile } });
    }
  });

  it("a tile that does not exist is an error that lists those that do", () => {
    expect(() => programOf(products[0]![1], { tile: "none" })).toThrow(
      /no tile none.*register 8x32/,
    );
  });
});

describe("measuring", () => {
  const gpu = () => currentGpu("test");

  it("chooses one of the tiles, within the budget, and is not repeated", async () => {
    const { schedule: s } = programOf(products[0]![1]);
    const choices = new KernelChoices("full");
    const seen: Measurement[] = [];
    const options = { budgetMs: 6000, choices, report: (m: Measurement) => seen.push(m) };
    expect(await tune(gpu(), s, () => 16384, options)).toBe(true);
    const { key, tiles } = tilesOf(s, s.dispatches[0]!)!;
    expect(seen.length).toBe(1);
    expect(tiles).toContain(seen[0]!.chosen);
    expect(seen[0]!.speedups[tiles[0]!]).toBe(1);
    expect(choices.get(key)).toBe(seen[0]!.chosen);
    expect(await tune(gpu(), s, () => 16384, options)).toBe(false);
    expect(seen.length).toBe(1);
  });

  it.each(["off", "cached"] as const)("does nothing in mode %s", async (mode) => {
    const { schedule: s } = programOf(products[0]![1]);
    expect(await tune(gpu(), s, () => 16384, { choices: new KernelChoices(mode) })).toBe(false);
  });
});

describe("choices", () => {
  it("restored ones stand above measured ones, and are what programs use", () => {
    const choices = new KernelChoices("full");
    choices.measured("a", "x");
    choices.use("b", "rule");
    choices.restore({ a: "y" });
    expect(choices.get("a")).toBe("y");
    choices.measured("a", "z");
    expect(choices.get("a")).toBe("y");
    expect(choices.get("b")).toBeUndefined();
    expect(choices.all()).toEqual({ a: "y", b: "rule" });
    expect(() => choices.restore({ a: 1 as never })).toThrow(/restoreKernelChoices.*'a' is 1/);
  });

  it("a program follows a restored choice, ignores one that does not exist", () => {
    const g = graphOf(
      [
        [44, 20],
        [20, 28],
      ],
      (a, b) => [P.dotGeneral(a, b, dot(1, 0))],
    );
    const { schedule: s } = programOf(g);
    const { key } = tilesOf(s, s.dispatches[0]!)!;
    const { choices } = currentGpu("test");
    choices.restore({ [key]: "register 4x32" });
    const other = graphOf(
      [
        [44, 20],
        [20, 28],
      ],
      (a, b) => [P.neg(P.dotGeneral(a, b, dot(1, 0)))],
    );
    const keyOf = (p: ReturnType<typeof programOf>) => {
      const { schedule: t } = p;
      return tilesOf(t, t.dispatches[0]!)!.key;
    };
    const otherKey = keyOf(programOf(other));
    choices.restore({ [otherKey]: "from another version" });
    const grid = (h: Graph) => programOf(h, { lanes: "none" }).shaders[0]!.workgroups;
    expect(grid(g)).toEqual([1, 11, 1]);
    expect(grid(other)[1]).not.toBe(11);
    expect(choices.all()[key]).toBe("register 4x32");
  });
});

describe("the cache on disk", () => {
  const inFolder = async (f: (folder: string) => Promise<void>) => {
    const folder = await mkdtemp(join(tmpdir(), "dawngrad-choices-"));
    try {
      await f(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  };
  const store = (folder: string, adapter = "an adapter") =>
    choiceStore(adapter, () => Promise.resolve(folder));

  it("keeps what several have measured, each adapter's own", () =>
    inFolder(async (folder) => {
      expect(await store(folder).load()).toEqual({});
      await store(folder).save({ a: "x" });
      await store(folder).save({ b: "y" });
      expect(await store(folder).load()).toEqual({ a: "x", b: "y" });
      expect(await store(folder, "another").load()).toEqual({});
    }));

  it("ignores and rewrites what is not its own", () =>
    inFolder(async (folder) => {
      await store(folder).save({ a: "x" });
      const dir = join(folder, "kernels");
      const file = join(dir, (await readdir(dir))[0]!);
      const whole = await readFile(file, "utf8");
      for (const broken of [
        "",
        whole.slice(0, -20),
        "null",
        "[]",
        '{"format":"other"}',
        whole.replace('"x"', "7"),
        whole.replace("an adapter", "foreign"),
      ]) {
        await writeFile(file, broken);
        expect(await store(folder).load()).toEqual({});
        await store(folder).save({ b: "y" });
        expect(await store(folder).load()).toEqual({ b: "y" });
      }
    }));

  it("is whole at all times while many write", () =>
    inFolder(async (folder) => {
      await store(folder).save({ first: "x" });
      let writing = true;
      const reading = (async () => {
        while (writing) expect((await store(folder).load()).first).toBe("x");
      })();
      await Promise.all(
        Array.from({ length: 20 }, (_, i) => store(folder).save({ [`k${i}`]: "y" })),
      );
      writing = false;
      await reading;
      expect((await readdir(join(folder, "kernels"))).length).toBe(1);
    }));

  it("a folder that cannot be written is no error", async () => {
    const nowhere = choiceStore("a", () => Promise.resolve("/dev/null/none"));
    await nowhere.save({ a: "x" });
    expect(await nowhere.load()).toEqual({});
  });
});
