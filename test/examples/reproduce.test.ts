/** The reproduction at its smallest scale, all parts; its statistics, controls and corruptions. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { evalShape, random, type Tensor, tree } from "dawngrad";
import type { Dataset } from "dawngrad/data";
import { gradientOf } from "dawngrad/optim";
import { hostArray, reference } from "dawngrad/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { corrupted, corruptions } from "../../examples/reproduce/corruptions.js";
import { heldOut, readImages } from "../../examples/reproduce/images.js";
import { reproduce } from "../../examples/reproduce/main.js";
import { gradientFunction, settingsOf } from "../../examples/reproduce/methods.js";
import { networkOf } from "../../examples/reproduce/networks.js";
import { scales } from "../../examples/reproduce/scales.js";
import { holm, pairedP } from "../../examples/reproduce/statistics.js";
import { storeIn } from "../../examples/reproduce/store.js";

describe("--scale smoke", () => {
  let folder: string;
  const options = () => ({ scale: "smoke", out: folder, adapter: "auto", quiet: true }) as const;
  const never = new AbortController().signal;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "reproduce-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("makes every table and figure, and goes on from raw results", async () => {
    const file = await reproduce(["all"], options(), never);
    const text = await readFile(file, "utf8");
    for (const heading of ["Table 1", "Table 2", "Table 3", "Figures 1 and 2", "Figure 4"]) {
      expect(text).toContain(`## ${heading}`);
    }
    expect(text).toContain("SAM at ρ(1+2β)");
    expect(text).toContain("not decided: 2 seeds, a test needs 6");
    expect(text).toContain("**mean of corruptions**");
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
    // Every figure is there in both forms, with a text in its place.
    const shown = [...text.matchAll(/!\[(.+?)\]\(figures\/(.+?)\.png\)/g)];
    expect(shown.map((m) => m[2])).toEqual(["figure1", "figure2", "figure4-mlp-mnist"]);
    for (const [, alternative, name] of shown) {
      expect(alternative!.length).toBeGreaterThan(80);
      expect((await stat(join(folder, "figures", `${name}.png`))).size).toBeGreaterThan(5000);
      expect(await readFile(join(folder, "figures", `${name}.svg`), "utf8")).toMatch(/^<svg/);
    }
    // Again: nothing is trained, the report is the same.
    const raw = join(folder, "raw", "table1", "mlp-mnist");
    const times = async () =>
      Promise.all((await readdir(raw)).map(async (f) => (await stat(join(raw, f))).mtimeMs));
    const before = await times();
    await reproduce(["all"], options(), never);
    expect(await times()).toEqual(before);
    expect(await readFile(file, "utf8")).toBe(text);
    // A report alone, after an interruption: what there is, what was not run, and how to go on.
    await rm(join(raw, "cr-sam-control-seeds-0-1.json"));
    await rm(join(folder, "raw", "figures"), { recursive: true });
    await reproduce(["all"], { ...options(), report: true }, never);
    const partial = await readFile(file, "utf8");
    expect(partial).toContain("Not run: SAM at ρ(1+2β).");
    expect(partial).toContain(
      "Not run so far: `npm run reproduce -- all --scale smoke` goes on from here.",
    );
    expect(partial).toContain("**mean of corruptions**");
    expect(partial).not.toMatch(/NaN|undefined|Infinity/);
  }, 300_000);

  test("a data set that is absent is reported as skipped, with where to get it", async () => {
    const { missing } = await import("../../examples/reproduce/images.js");
    expect(missing("cifar-10", {})).toMatch(
      /give --cifar FOLDER with its binary version, from https:/,
    );
    expect(missing("cifar-100", { "cifar-100": "/nowhere" })).toMatch(/\/nowhere does not exist/);
    expect(missing("mnist", {})).toBeUndefined();
  });

  test("another key makes a piece anew; damaged raw results say so", async () => {
    const store = storeIn(join(folder, "keys"), "none");
    const made: number[] = [];
    const once = (key: number) =>
      store.once("piece", { key }, async () => {
        made.push(key);
        return key;
      });
    expect((await once(1)).result).toBe(1);
    expect((await once(1)).result).toBe(1);
    expect((await once(2)).result).toBe(2);
    expect(made).toEqual([1, 2]);
    await writeFile(join(folder, "keys", "raw", "piece.json"), "{");
    await expect(once(2)).rejects.toThrow(/piece\.json: expected raw results as JSON.*remove it/);
    expect(made).toEqual([1, 2]);
  });

  test("a folder that cannot be written to is an error before any training", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    const out = join(file, "results");
    await expect(reproduce(["all"], { ...options(), out }, never)).rejects.toThrow(
      /results: expected a folder to write to, found: /,
    );
  });
});

test("every scale's experiments have names of their own and a control for CR-SAM", () => {
  for (const { table1, table2 } of Object.values(scales)) {
    const all = [...table1, ...table2];
    expect(new Set(all.map((e) => e.name)).size).toBe(all.length);
    for (const { methods } of all) {
      if (methods.includes("cr-sam")) expect(methods).toContain("cr-sam-control");
      if (methods.includes("cr-sam-paper")) expect(methods).toContain("cr-sam-paper-control");
    }
  }
});

test("the full scale has the paper's networks on the paper's data, with the search", () => {
  const { table1, table2 } = scales.full;
  const names = (some: typeof table1) => some.map((e) => e.name);
  for (const network of ["resnet-18", "resnet-101", "wrn-28-10", "pyramidnet-110"]) {
    for (const data of ["cifar-10", "cifar-100"]) {
      for (const augmentation of ["basic", "cutout", "autoaugment"]) {
        expect(names(table1)).toContain(`${network}-${data}-${augmentation}`);
      }
    }
  }
  expect(names(table2)).toEqual(
    ["resnet-50", "resnet-101", "vit-s-32", "vit-b-32"].map((n) => `${n}-imagenet`),
  );
  // Every network can be built, with as many parameters as its paper says, in millions.
  const millions = (some: typeof table1, classes: number, side: number) =>
    some.map(({ network }) => {
      const model = networkOf(network, classes);
      const params = evalShape(
        (key) => model.init(key, [1, side, side, 3]).params as Tensor[],
        random.key(0),
      );
      const leaves = tree.leaves(params) as unknown as { readonly shape: readonly number[] }[];
      const count = leaves.reduce((s, { shape }) => s + shape.reduce((a, b) => a * b, 1), 0);
      return Number((count / 1e6).toFixed(1));
    });
  const onCifar10 = table1.filter((e) => e.name.endsWith("-cifar-10-basic"));
  expect(millions(onCifar10, 10, 32)).toEqual([11.2, 42.5, 36.5, 28.5]);
  expect(millions(table2, 1000, 224)).toEqual([25.6, 44.5, 22.9, 88.2]);
  expect([...table1, ...table2].every((e) => e.tune !== undefined)).toBe(true);
});

test("what is held out is no image that a run trains or is tested on, and as noisy as those", async () => {
  const e = scales.small.table1.find(({ name }) => name === "mlp-mnist")!;
  const images = await readImages(e, {});
  const { train, test: held } = heldOut(images, 500) as { train: Dataset; test: Dataset };
  expect([train, held.size]).toEqual([images.train, 500]);
  const keys = (d: Dataset) =>
    Array.from({ length: d.size }, (_, i) => Buffer.from(d.get(i).image).toString("base64"));
  const known = new Set([...keys(train), ...keys(images.test as Dataset)]);
  expect(keys(held).filter((k) => known.has(k))).toEqual([]);
  // The same images with their true labels: 20% of the others are wrong.
  const clean = images.unused!.take(500).labels;
  expect(held.labels.filter((label, i) => label !== clean[i]).length).toBe(100);
  // Where nothing is unused, a part of the training images.
  const { unused: _, ...all } = images;
  const split = heldOut(all, 500);
  expect([split.train.size, split.test.size]).toEqual([train.size - 500, 500]);
});

test("a form of CR-SAM and its control have the radius that was found for the form", () => {
  const h = {
    ...scales.small.table1[0]!.hyper,
    rho: 0.1,
    beta: 0.5,
    codeRho: 0.03,
    paperRho: 0.05,
  };
  expect(settingsOf("sam", h)).toContain("ρ 0.1");
  expect(settingsOf("cr-sam", h)).toContain("ρ 0.03");
  expect(settingsOf("cr-sam-control", h)).toContain("ρ 0.06");
  expect(settingsOf("cr-sam-paper", h)).toContain("ρ 0.05");
});

describe("statistics", () => {
  test("differences that rounding alone tells apart are ties", () => {
    // 0.3 − 0.2 and 0.2 − 0.1 are not the same double.
    const a = [0.3, 0.2, 0.7, 0.8, 0.9, 0.6, 0.5, 0.4];
    const b = [0.2, 0.1, 0.6, 0.7, 0.8, 0.5, 0.4, 0.3];
    const even = a.map(() => 1);
    const zero = a.map(() => 0);
    expect(new Set(a.map((x, i) => x - b[i]!)).size).toBeGreaterThan(1);
    expect(pairedP(a, b)).toBe(pairedP(even, zero));
  });
  test("Wilcoxon's exact test: ten differences of one sign have p = 2/2¹⁰", () => {
    const a = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    expect(
      pairedP(
        a,
        a.map(() => 0),
      ),
    ).toBeCloseTo(2 / 2 ** 10, 10);
    expect(pairedP(a, a)).toBe(1);
    expect(pairedP([1, 2, 3], [0, 0, 0])).toBeNaN();
  });
  test("Holm: sorted p-values times what is left, never falling; NaN stays", () => {
    const [a, nan, b, c] = holm([0.01, Number.NaN, 0.04, 0.03]);
    expect([a, b, c].map((p) => Number(p!.toFixed(6)))).toEqual([0.03, 0.06, 0.06]);
    expect(nan).toBeNaN();
  });
});

test("controls are CR-SAM itself where the loss is quadratic", async () => {
  const base = gradientOf((w: Tensor, state: null, _b: null, _k: Tensor) => ({
    loss: w
      .mul(w)
      .sum()
      .add(w.slice([1], [2]).square().sum().mul(3)),
    state,
  }));
  const h = { ...scales.small.table1[0]!.hyper, floorB: 1e-3 };
  const step = (name: Parameters<typeof gradientFunction>[0]) => (w: Tensor) =>
    gradientFunction(name, base, h)(w, null, null, random.key(0)).grads;
  const w = hostArray([3, 1]);
  for (const name of ["cr-sam", "cr-sam-paper"] as const) {
    const [ours, control] = [
      await reference(step(name))(w),
      await reference(step(`${name}-control`))(w),
    ];
    Array.from(ours.data).forEach((v, i) => {
      // Constants are folded to float32.
      expect(Math.abs(v - control.data[i]!)).toBeLessThan(2e-6);
    });
  }
});

describe("corruptions", () => {
  // Smooth within an image, so that more blur is more change.
  const image = Uint8Array.from({ length: 2 * 8 * 8 * 3 }, (_, i) =>
    Math.round(
      127 + 120 * Math.sin(Math.floor((i % 192) / 24) / 1.3) * Math.cos(((i % 24) / 3) | 0),
    ),
  );
  test.each(Object.keys(corruptions))("%s: the same every time, stronger with severity", (name) => {
    const make = (severity: number) => corrupted(image, [8, 8, 3], name, severity);
    const change = (severity: number) =>
      make(severity).reduce((s, v, i) => s + Math.abs(v - image[i]!), 0);
    expect(make(3)).toEqual(make(3));
    expect(change(5)).toBeGreaterThan(change(1));
  });
});
