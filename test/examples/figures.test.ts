/** Figures show every method's every seed and the mean, in SVG that stands alone. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { curves, writeFigures } from "../../examples/cr-sam-mnist/figures.js";
import { syntheticResults, syntheticRun } from "./synthetic.js";

const results = syntheticResults(
  (["sgd", "cr-sam"] as const).flatMap((m) =>
    [0, 1].map((seed) => syntheticRun(m, seed, 0.8 + seed / 10)),
  ),
);

describe("figures", () => {
  test("a mean over the seeds beside each seed's curve", () => {
    const points = curves(results, (run) => ({ x: [1, 2], y: [run.seed, 10 + run.seed] }));
    const sgd = points.filter((p) => p.method === "SGD");
    expect(sgd.filter((p) => p.seed === "1").map((p) => p.y)).toEqual([1, 11]);
    expect(sgd.filter((p) => p.seed === "mean").map((p) => p.y)).toEqual([0.5, 10.5]);
  });

  test("two SVG files with titles, axes, legends and a line for each curve", async () => {
    const folder = await mkdtemp(join(tmpdir(), "figures-"));
    try {
      const files = await writeFigures(join(folder, "new"), results);
      expect(files).toHaveLength(2);
      const [training, along] = await Promise.all(files.map((f) => readFile(f, "utf8")));
      for (const svg of [training!, along!]) {
        expect(svg).toMatch(/^<svg[^>]+xmlns="http:\/\/www.w3.org\/2000\/svg"/);
        expect(svg).not.toMatch(/NaN|undefined|Infinity/);
        for (const text of ["SGD", "CR-SAM", "2 seeds"]) expect(svg).toContain(text);
      }
      for (const text of ["Training loss", "Test accuracy", "epoch"])
        expect(training).toContain(text);
      for (const text of ["Loss along the gradient direction", "w + t·v"])
        expect(along).toContain(text);
      // Two methods, each with two seeds and a mean, in two panels and in one; and the axes' rules.
      const lines = (svg: string) => svg.match(/aria-roledescription="line mark"/g)?.length;
      expect(lines(training!)).toBe(12);
      expect(lines(along!)).toBe(6);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
