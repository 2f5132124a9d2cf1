/** What dawngrad aims at on lavapipe and SwiftShader, and what a run found. */
import { figure } from "./format.js";
import type { Aim } from "./report.js";
import type { Comparison, Figures, Row, Section } from "./results.js";

type Measure = { readonly text: string; readonly met: boolean } | undefined;

/** Contestants that are shaders run as they are. */
const isText = (r: Row): boolean => r.name === "plain WGSL" || /\.wgsl$|--kernels/.test(r.name);

class Findings {
  readonly #comparisons: readonly Comparison[];
  readonly figures: Figures;

  constructor(sections: readonly Section[], figures: Figures) {
    this.#comparisons = sections
      .flatMap((s) => s.parts)
      .filter((p): p is Comparison => p.kind === "comparison");
    this.figures = figures;
  }

  rows(title: string): readonly Row[] | undefined {
    const rows = this.#comparisons.find((c) => c.title.startsWith(title))?.rows;
    return rows?.[0]?.name === "dawngrad" ? rows : undefined;
  }

  /** dawngrad's time over another's. */
  over(title: string, name: string): number | undefined {
    return this.rows(title)?.find((r) => r.name.startsWith(name))?.ratio.median;
  }

  /** dawngrad's speed over that of the best shader. */
  againstText(title: string): { speed: number; name: string } | undefined {
    const texts = (this.rows(title) ?? []).filter(isText);
    if (texts.length === 0) return undefined;
    const best = texts.reduce((a, b) => (b.ratio.median > a.ratio.median ? b : a));
    return { speed: 1 / best.ratio.median, name: best.name };
  }

  bandwidth(title: string): number | undefined {
    const rate = this.rows(title)?.[0]?.rate?.match(/([\d.]+) GB\/s/);
    return rate ? Number(rate[1]) : undefined;
  }
}

const below = (x: number | undefined, limit: number, unit = ""): Measure =>
  x === undefined ? undefined : { text: `${figure(x)}${unit}`, met: x <= limit };
const above = (x: number | undefined, limit: number, unit = ""): Measure =>
  x === undefined ? undefined : { text: `${figure(x)}${unit}`, met: x >= limit };

function textAim(f: Findings, title: string): Measure {
  const found = f.againstText(title);
  return found && { text: `${figure(found.speed)} (${found.name})`, met: found.speed >= 0.95 };
}

function onLavapipe(f: Findings): (readonly [work: string, wanted: string, Measure])[] {
  const mlp = "MLP 784-512-256-10 batch";
  const jax = "jax-js webgpu";
  const fractionOfJax = (title: string, limit: number) => below(f.over(title, jax), limit);
  const speedOver = (title: string) => {
    const over = f.over(title, jax);
    return above(over === undefined ? undefined : 1 / over, 6, "×");
  };
  const get = (name: string) => f.figures.get(name);
  return [
    ...[512, 1024].flatMap((n): [string, string, Measure][] => {
      const title = `matmul A·B ${n}×${n}×${n}`;
      return [
        [title, "≥ 0.95 of the best shader's speed", textAim(f, title)],
        [title, "≥ 6× jax-js webgpu", speedOver(title)],
      ];
    }),
    ...["conv 3×3 forward 32", "conv 3×3 forward and both gradients 32"].map(
      (t): [string, string, Measure] => [
        t.replace(/ 32$/, ""),
        "≥ 0.95 of the best shaders' speed",
        textAim(f, t),
      ],
    ),
    ...[128, 16].flatMap((b): [string, string, Measure][] => {
      const title = `${mlp} ${b}: SGD step`;
      return [
        [title, "≤ 1/7 of jax-js webgpu's time", fractionOfJax(title, 1 / 7)],
        [title, "≤ jax-js wasm's time", below(f.over(title, "jax-js wasm"), 1)],
        [title, "≤ 12 dispatches", below(get(`${mlp} ${b} sgd: dispatches`), 12)],
      ];
    }),
    [
      "CNN batch 128: SGD step",
      "≤ 1/6 of jax-js webgpu's time",
      fractionOfJax("CNN batch 128: SGD", 1 / 6),
    ],
    [
      "CNN batch 128: SGD step",
      "≤ 1.3× PyTorch's time on one thread",
      below(f.over("CNN batch 128: SGD", "PyTorch CPU, 1"), 1.3, "×"),
    ],
    [
      "GRU of 64 units, 50 steps: value and gradient",
      "less than jax-js webgpu's time",
      below(f.over("GRU of 64 units, 50", jax), 1),
    ],
    ["elementwise chain", "≥ 10 GB/s", above(f.bandwidth("elementwise chain"), 10, " GB/s")],
    ["row sums", "≥ 15 GB/s", above(f.bandwidth("row sums"), 15, " GB/s")],
    ["column sums", "≥ 10 GB/s", above(f.bandwidth("column sums"), 10, " GB/s")],
    ...(
      [
        [128, 0.95],
        [16, 0.85],
      ] as const
    ).flatMap(([b, limit]): [string, string, Measure][] => [
      [
        `${mlp} ${b}: CR-SAM, ± as one vmap over ± as two passes`,
        `≤ ${limit}`,
        below(get(`${mlp} ${b}: vmapped over sequential`), limit),
      ],
      [
        `${mlp} ${b}: CR-SAM over SGD`,
        "less than its three passes",
        below(get(`${mlp} ${b} cr-sam: over SGD`), 3),
      ],
    ]),
    ["host time of a replayed MLP step", "≤ 0.3 ms", below(get(`${mlp} 128: host ms`), 0.3, " ms")],
    ["first MLP step, empty caches", "≤ 3 s", below(get("first step sgd: cold"), 3, " s")],
    ["first MLP step, second process", "≤ 0.5 s", below(get("first step sgd: warm"), 0.5, " s")],
  ];
}

function onSwiftShader(f: Findings): (readonly [work: string, wanted: string, Measure])[] {
  const product = "matmul A·B 512×512×512";
  const step = "MLP 784-512-256-10 batch 128: SGD step";
  const ms = f.figures.get(`SwiftShader ${product}, dawngrad: ms`);
  const rate = ms === undefined ? undefined : (2 * 512 ** 3) / ms / 1e6;
  return [
    [`SwiftShader: ${product}`, "≥ 8 GF/s", above(rate, 8, " GF/s")],
    [
      `SwiftShader: ${step}`,
      "≤ 40 ms",
      below(f.figures.get(`SwiftShader ${step}, dawngrad: ms`), 40, " ms"),
    ],
  ];
}

/** The aims with what was measured, the adapter's ceilings last. */
export function aimsOf(sections: readonly Section[], figures: Figures): Aim[] {
  const f = new Findings(sections, figures);
  const aims = [...onLavapipe(f), ...onSwiftShader(f)].map(
    ([work, wanted, m]): Aim => ({ work, wanted, measured: m?.text ?? "—", met: m?.met }),
  );
  const compute = figures.get("ceiling GF/s");
  const memory = figures.get("ceiling GB/s");
  const reading = figures.get("ceiling GB/s read");
  const measured =
    compute === undefined || memory === undefined || reading === undefined
      ? "—"
      : `${figure(compute)} GF/s, ${figure(memory)} GB/s, ${figure(reading)} GB/s`;
  return [
    ...aims,
    {
      work: "the adapter's ceilings: multiply-add in registers, streaming copy, streaming read",
      wanted: "(for comparison)",
      measured,
      met: undefined,
    },
  ];
}
