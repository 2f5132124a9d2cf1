/** Memory plans: nothing that lives at once overlaps, chunks keep their size, small arrays stay together. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Var } from "../../src/ir/graph.js";
import { type Life, place } from "../../src/schedule/first-fit.js";

const life = (first: number, length: number, bytes: number): Life => ({
  variable: new Var({ shape: [], dtype: "float32" }),
  first,
  last: first + length,
  bytes,
});

test("whatever lives at once lies apart, within chunks of the size that can be bound", () => {
  const any = fc.tuple(fc.nat(30), fc.nat(10), fc.integer({ min: 1, max: 4096 }));
  fc.assert(
    fc.property(fc.array(any, { maxLength: 60 }), (list) => {
      const most = 4096 * 64;
      const lives = list.map(([first, length, units]) => life(first, length, units * 64));
      const { placed, sizes } = place(lives, most);
      lives.forEach((a, i) => {
        const [chunk, offset] = placed.get(a.variable)!;
        expect(offset % 64).toBe(0);
        expect(offset + a.bytes).toBeLessThanOrEqual(sizes[chunk]!);
        expect(sizes[chunk]).toBeLessThanOrEqual(most);
        for (const b of lives.slice(i + 1)) {
          const [other, at] = placed.get(b.variable)!;
          const together = other === chunk && a.first <= b.last && b.first <= a.last;
          const apart = offset + a.bytes <= at || at + b.bytes <= offset;
          expect(!together || apart).toBe(true);
        }
      });
    }),
    { numRuns: 200, seed: 3 },
  );
});

test("small arrays lie in one chunk beside many that are full", () => {
  const most = 2 ** 20;
  // Every chunk is full when its small array is made: first fit alone would put each into a hole of its own.
  const lives = Array.from({ length: 20 }, (_, i) => [
    life(0, 100, most - 64 * (i % 7)),
    life(i, 100, 64 * ((i % 5) + 1)),
  ]).flat();
  const { placed, sizes } = place(lives, most);
  const chunks = new Set(
    lives.filter((l) => l.bytes < 1024).map((l) => placed.get(l.variable)![0]),
  );
  expect(chunks.size).toBe(1);
  expect(sizes.length).toBe(21);
});

test("what fits into one chunk is one", () => {
  const { sizes } = place([life(0, 1, 2 ** 18), life(0, 1, 64), life(2, 1, 2 ** 18)], 2 ** 20);
  expect(sizes).toEqual([2 ** 18 + 64]);
});
