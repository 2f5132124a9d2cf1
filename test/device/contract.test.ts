import { beforeAll, describe, expect, it } from "vitest";
import { aval } from "../../src/core/aval.js";
import { currentGpu, init } from "../../src/device/index.js";
import { buildGraph } from "../../src/ir/builder.js";
import type { Graph } from "../../src/ir/graph.js";
import { addLane } from "../../src/prims/broadcast.js";
import * as P from "../../src/prims/index.js";
import { compile, explainProgram } from "../../src/runtime/index.js";
import type { ContractVariant } from "../../src/wgsl/index.js";
import { shaders } from "../../src/wgsl/shaders.generated.js";
import { constant, graphOf } from "../schedule/helpers.js";
import { below, expectSame } from "./compile-harness.js";

beforeAll(async () => {
  await init();
});

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposed: readonly [boolean, boolean];
  readonly batch: number;
  readonly mapped: readonly [boolean, boolean];
}

/** A product with an epilogue that reads the product's own place, a row and a column. */
function product(c: Case): Graph {
  const lanes = (mapped: boolean) => (mapped && c.batch > 1 ? [c.batch] : []);
  const side = (mapped: boolean, t: boolean, rows: number, columns: number) => [
    ...lanes(mapped),
    ...(t ? [columns, rows] : [rows, columns]),
  ];
  const shapes = [
    side(c.mapped[0], c.transposed[0], c.m, c.k),
    side(c.mapped[1], c.transposed[1], c.k, c.n),
    [c.n],
  ];
  return buildGraph(
    shapes.map((s) => aval(s, "float32")),
    ([a, b, bias]) => {
      const batched = c.batch > 1;
      const spread = (x: typeof a, mapped: boolean) =>
        batched && !mapped ? addLane(x!, c.batch) : x!;
      const from = batched ? 1 : 0;
      const out = P.dotGeneral(spread(a, c.mapped[0]), spread(b, c.mapped[1]), {
        contract: [[from + (c.transposed[0] ? 0 : 1)], [from + (c.transposed[1] ? 1 : 0)]],
        batch: batched ? [[0], [0]] : [[], []],
      });
      const { shape } = out.aval;
      const y = P.add(out, P.broadcastInDim(bias!, shape, [shape.length - 1]));
      return [P.max(y, constant(0, shape)), P.gt(y, constant(0.25, shape))];
    },
  );
}

describe.each(["subgroup", "register", "workgroup"] as ContractVariant[])(
  "%s products",
  (variant) => {
    // Workgroup memory takes CPU drivers seconds to compile: fewer cases, chosen for its edges.
    const slow = variant === "workgroup";
    const supported = () =>
      variant !== "subgroup" || [4, 8, 16].includes(currentGpu("test").subgroupSize);
    const check = async (c: Case) => {
      const g = product(c);
      const program = compile(g, {
        name: "product",
        donated: [false, false, false],
        emit: { contractVariant: variant },
      });
      const { schedule } = program.executable;
      if (!("dispatches" in schedule)) throw new Error("a product is a straight program");
      const kinds = schedule.dispatches.map((d) => d.kernels[0]!.kind);
      // Thin ones are sums of products: nothing of the template to test.
      if (!kinds.includes("contract")) return false;
      await expectSame(g, 1e-5, { emit: { contractVariant: variant } });
      return true;
    };

    it("of every transposition, aligned and with edges, with lanes on either side", {
      timeout: 300_000,
    }, async () => {
      if (!supported()) return;
      if (slow) {
        const base = { m: 33, n: 35, k: 24, batch: 1, mapped: [true, true] } as const;
        expect(await check({ ...base, transposed: [false, true] })).toBe(true);
        expect(
          await check({ ...base, transposed: [true, false], batch: 2, mapped: [false, true] }),
        ).toBe(true);
        return;
      }
      for (const [m, n, k] of [
        [16, 32, 16],
        [33, 35, 37],
        [70, 64, 66],
        ...(variant === "subgroup" ? ([[70, 13, 38]] as const) : []),
      ] as const) {
        for (const transposed of [
          [false, false],
          [true, false],
          [false, true],
          [true, true],
        ] as const) {
          const base = { m, n, k, transposed };
          expect(await check({ ...base, batch: 1, mapped: [true, true] })).toBe(true);
          const mapped = below(3);
          await check({ ...base, batch: 3, mapped: [mapped !== 0, mapped !== 1] });
        }
      }
    });

    it("of random sizes from 1 to 70", { timeout: 300_000 }, async () => {
      if (!supported() || slow) return;
      for (let i = 0; i < 12; i++) {
        const batch = 1 + below(3);
        await check({
          m: 1 + below(70),
          n: 1 + below(70),
          k: 1 + below(70),
          transposed: [below(2) === 1, below(2) === 1],
          batch,
          mapped: [true, below(2) === 1],
        });
      }
    });
  },
);

describe("products", () => {
  it("over several axes at once", async () => {
    const g = graphOf(
      [
        [3, 8, 4, 6],
        [6, 5, 8, 7, 4],
      ],
      (a, b) => [
        P.dotGeneral(a, b, {
          contract: [
            [1, 3],
            [2, 0],
          ],
          batch: [[2], [4]],
        }),
      ],
    );
    await expectSame(g, 1e-5);
  });

  it("of views: slices, reversed rows, wider rows than the depth", async () => {
    const g = graphOf(
      [
        [40, 64],
        [64, 48],
      ],
      (a, b) => {
        const x = P.slice(a, [0, 0], [40, 50]);
        const y = P.reverse(P.slice(b, [4, 0], [54, 48]), [1]);
        return [P.dotGeneral(x, y, { contract: [[1], [0]], batch: [[], []] })];
      },
    );
    await expectSame(g, 1e-5);
  });

  it("of more tiles side by side, and above each other, than a dispatch has workgroups", async () => {
    const wide = graphOf(
      [
        [3, 70, 8],
        [3, 8, 333],
      ],
      (a, b) => [P.dotGeneral(a, b, { contract: [[2], [1]], batch: [[0], [0]] })],
    );
    const target = { maxWorkgroups: 5 };
    const program = compile(wide, { name: "wide", donated: [false, false], target });
    const [kernel] = explainProgram(program).kernels;
    expect(Math.max(...kernel!.workgroups.slice(0, 2))).toBeLessThanOrEqual(5);
    await expectSame(wide, 1e-6, { target });
  });

  it("of integers", async () => {
    const g = buildGraph([aval([20, 30], "int32"), aval([30, 25], "int32")], ([a, b]) => [
      P.dotGeneral(a!, b!, { contract: [[1], [0]], batch: [[], []] }),
    ]);
    await expectSame(g, 0);
  });

  it("of small and thin matrices, and long inner products", async () => {
    for (const [m, n, k] of [
      [1, 1, 5000],
      [1, 70, 300],
      [70, 1, 300],
      [150, 3, 150],
      [90, 2, 401],
      [300, 130, 2],
      [2, 300, 130],
      [2, 3, 4],
      [5, 5, 0],
      [64, 64, 1],
    ] as const) {
      const g = graphOf(
        [
          [m, k],
          [k, n],
        ],
        (a, b) => [P.dotGeneral(a, b, { contract: [[1], [0]], batch: [[], []] })],
      );
      await expectSame(g, 1e-5);
    }
  });

  it("templates compile as they stand", () => {
    const gpu = currentGpu("test");
    for (const s of shaders) {
      if (s.lines.some((l) => l.startsWith("enable subgroups")) && gpu.subgroupSize === 0) continue;
      const pipeline = gpu.pipelines.get({
        wgsl: s.lines.join("\n"),
        layout: [{ type: "read-only-storage" }, { type: "read-only-storage" }, { type: "storage" }],
        label: s.name,
      });
      expect(pipeline.label).toBe(s.name);
    }
  });
});
