import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Dataset, labelNoise } from "../../data/dataset.js";
import { DataError } from "../../src/index.js";

/** Example i has the bytes i, i + 100 and the label i mod classes. */
const numbered = (size: number, classes = 3) =>
  new Dataset({
    name: "numbered",
    images: Uint8Array.from({ length: 2 * size }, (_, i) => (i >> 1) + 100 * (i & 1)),
    labels: Array.from({ length: size }, (_, i) => i % classes),
    inputShape: [1, 1, 2],
    classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
  });

const firstBytes = (d: Dataset) => Array.from({ length: d.size }, (_, i) => d.get(i).image[0]);

describe("Dataset", () => {
  test("refuses images and labels that do not belong together", () => {
    const fields = { name: "bad", inputShape: [2, 2, 1], classes: ["a", "b"] };
    const images = new Uint8Array(8);
    expect(() => new Dataset({ ...fields, images, labels: [0] })).toThrow(
      /bad: expected as many images as labels, found 8 bytes of images \(2 of shape \[2,2,1\]\) and 1 labels/,
    );
    expect(() => new Dataset({ ...fields, images, labels: [0, 2] })).toThrow(
      /integers from 0 to 1, found 2 for example 1/,
    );
    expect(() => new Dataset({ ...fields, images, labels: [0.5, 0] })).toThrow(DataError);
    expect(() => new Dataset({ ...fields, images, labels: [-1, 0] })).toThrow(DataError);
  });

  test("gives examples, and refuses indices outside", () => {
    const d = numbered(4);
    expect([...d.get(3).image]).toEqual([3, 103]);
    expect(d.get(3).label).toBe(0);
    for (const index of [-1, 4, 0.5]) {
      expect(() => d.get(index)).toThrow(/expected an index from 0 to 3 in numbered/);
      expect(() => d.subset([index])).toThrow(DataError);
    }
  });

  test("subset takes images with their labels, in order and with repetition", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(19)), (indices) => {
        const part = numbered(20).subset(indices);
        expect(part.size).toBe(indices.length);
        expect(firstBytes(part)).toEqual(indices);
        expect([...part.labels]).toEqual(indices.map((i) => i % 3));
        expect(part.classes).toHaveLength(3);
      }),
    );
  });

  test("take and slice share memory; subset copies", () => {
    const d = numbered(10);
    expect(firstBytes(d.take(3))).toEqual([0, 1, 2]);
    expect(d.slice(8).images.buffer).toBe(d.images.buffer);
    expect(d.subset([1]).images.buffer).not.toBe(d.images.buffer);
    expect(d.take(0).size).toBe(0);
    for (const count of [-1, 11, 1.5]) expect(() => d.take(count)).toThrow(DataError);
  });

  test("split divides, and shuffles first with a seed", () => {
    const d = numbered(10);
    const [a, b] = d.split(4);
    expect(firstBytes(a)).toEqual([0, 1, 2, 3]);
    expect(firstBytes(b)).toEqual([4, 5, 6, 7, 8, 9]);
    const [c, e] = d.split(4, { seed: 1 });
    const all = [...firstBytes(c), ...firstBytes(e)];
    expect(all).not.toEqual(firstBytes(d));
    expect([...all].sort()).toEqual(firstBytes(d));
    expect(d.split(4, { seed: 1 })[1].images).toEqual(e.images);
    expect(c.name).toBe("numbered (part of 4, shuffled)");
  });

  test("sample draws different examples, the same for the same seed", () => {
    const d = numbered(50);
    const part = d.sample(20, { seed: 3 });
    expect(new Set(firstBytes(part)).size).toBe(20);
    expect(firstBytes(d.sample(20, { seed: 3 }))).toEqual(firstBytes(part));
    expect(firstBytes(d.sample(20, { seed: 4 }))).not.toEqual(firstBytes(part));
    expect(() => d.sample(51, { seed: 0 })).toThrow(DataError);
  });

  test("histogram counts the labels", () => {
    expect(numbered(10).histogram()).toEqual([4, 3, 3]);
  });
});

describe("labelNoise", () => {
  const changed = (a: Dataset, b: Dataset) => [...a.labels].filter((y, i) => y !== b.labels[i]);

  test("makes exactly the stated part of the labels wrong, and says so in the name", () => {
    fc.assert(
      fc.property(
        fc.nat(200),
        fc.integer({ min: 2, max: 10 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(),
        (size, classes, fraction, seed) => {
          const clean = numbered(size, classes);
          const noisy = labelNoise(clean, { fraction, seed });
          expect(changed(clean, noisy)).toHaveLength(Math.round(fraction * size));
          expect(noisy.images).toBe(clean.images);
          expect([...labelNoise(clean, { fraction, seed }).labels]).toEqual([...noisy.labels]);
        },
      ),
    );
    expect(labelNoise(numbered(5), { fraction: 0.2, seed: 0 }).name).toBe(
      "numbered (20% of labels noisy)",
    );
  });

  test("is uniform over the other classes", () => {
    const clean = numbered(30_000, 3);
    const noisy = labelNoise(clean, { fraction: 1, seed: 5 });
    const steps = [0, 0, 0];
    clean.labels.forEach((y, i) => {
      steps[(noisy.labels[i]! - y + 3) % 3]!++;
    });
    expect(steps[0]).toBe(0);
    // Binomial(30000, 1/2): five standard deviations are 433.
    expect(Math.abs(steps[1]! - 15_000)).toBeLessThan(433);
  });

  test("among all classes, a relabelled example may keep its label", () => {
    const clean = numbered(30_000, 3);
    const noisy = labelNoise(clean, { fraction: 1, seed: 5, among: "all" });
    // Binomial(30000, 2/3): five standard deviations are 408.
    expect(Math.abs(changed(clean, noisy).length - 20_000)).toBeLessThan(408);
  });

  test("refuses a fraction outside [0, 1] and a single class", () => {
    for (const fraction of [-0.1, 1.1, Number.NaN]) {
      expect(() => labelNoise(numbered(4), { fraction, seed: 0 })).toThrow(DataError);
    }
    expect(() => labelNoise(numbered(4, 1), { fraction: 0.5, seed: 0 })).toThrow(/2 classes/);
  });
});
