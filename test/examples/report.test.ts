/** The table and the sentences under it say no more than the runs do. */
import { describe, expect, test } from "vitest";
import { footnotes, table, verdict } from "../../examples/cr-sam-mnist/report.js";
import { compare, median, pooledError, std } from "../../examples/cr-sam-mnist/statistics.js";
import { syntheticResults, syntheticRun } from "./synthetic.js";

describe("statistics", () => {
  test("spread is the sample standard deviation, and one value has none", () => {
    expect(std([1, 2, 3, 4])).toBeCloseTo(Math.sqrt(5 / 3), 12);
    expect(std([1])).toBeNaN();
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  test("independent estimates: the mean of n has an error smaller by √n", () => {
    expect(pooledError([3, 3, 3, 3])).toBeCloseTo(1.5, 12);
  });

  test("methods are compared seed by seed", () => {
    // Seeds differ by 10, the methods by 1 on every seed: pairing sees it.
    expect(compare([11, 21, 31.5], [10, 20, 30])).toMatchObject({ seeds: 3, beyond: true });
    expect(compare([1, -1], [0, 0])).toMatchObject({ difference: 0, beyond: false });
    expect(compare([1], [0]).beyond).toBeUndefined();
  });
});

describe("report", () => {
  const runs = (ours: readonly number[], control: readonly number[]) => [
    ...ours.map((a, seed) => syntheticRun("cr-sam", seed, a)),
    ...control.map((a, seed) => syntheticRun("sam-control", seed, a)),
  ];

  test("the table has a column for each method that ran, within 100 columns", () => {
    const all = ["sgd", "sam", "sam-control", "cr-sam"] as const;
    const text = table(
      syntheticResults(
        all.flatMap((m) => [0, 1].map((seed) => syntheticRun(m, seed, 0.8 + seed / 100))),
      ),
    );
    for (const label of ["SGD", "SAM ρ = 0.1 ", "SAM ρ = 0.102", "CR-SAM"])
      expect(text).toContain(label);
    expect(text).toContain("80.50 ± 0.71");
    expect(text).toContain("300 ± 21");
    expect(text).toContain("151 ± 1");
    expect(text).toContain("12.3");
    expect(text).toContain("21");
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    const partial = table(syntheticResults([syntheticRun("sam", 0, 0.8)]));
    expect(partial).not.toContain("CR-SAM");
    expect(partial).toContain("80.00 │");
  });

  test("a difference within the spread is not claimed", () => {
    const lines = verdict(syntheticResults(runs([0.81, 0.79, 0.81], [0.8, 0.8, 0.8]))).join("\n");
    expect(lines).toContain(
      "test accuracy +0.33 points, spread 1.15: within the spread, so no difference",
    );
    expect(lines).toContain("SAM ρ = 0.102");
    expect(lines).toContain("3 seeds are few");
  });

  test("a difference beyond the spread is, in either direction", () => {
    const up = verdict(syntheticResults(runs([0.83, 0.82], [0.8, 0.8]))).join("\n");
    expect(up).toContain("test accuracy +2.50 points, spread 0.71: more than the spread");
    const down = verdict(syntheticResults(runs([0.78, 0.77], [0.8, 0.8]))).join("\n");
    expect(down).toContain("test accuracy −2.50 points, spread 0.71: more than the spread");
  });

  test("one seed says nothing, and without the control nothing is said", () => {
    const results = syntheticResults(runs([0.83], [0.8]));
    expect(verdict(results).join("\n")).toContain("One seed says nothing about the spread");
    expect(footnotes(results).join("\n")).toContain("no spread is known");
    expect(verdict(syntheticResults(runs([0.83], [])))).toEqual([]);
  });
});
