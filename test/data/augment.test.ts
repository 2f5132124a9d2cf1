/** Augmentations against Pillow and torchvision, pixel by pixel, and against what they promise. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyChoice, autoAugment, operations } from "../../data/augment/auto-augment.js";
import { cutout } from "../../data/augment/cutout.js";
import type { Fill, HostImage } from "../../data/augment/image.js";
import { equalize } from "../../data/augment/pil/tone.js";
import { cifar10, imagenet, type OperationName } from "../../data/augment/policies.js";
import { randomCrop } from "../../data/augment/random-crop.js";
import { flipped, randomHorizontalFlip } from "../../data/augment/random-horizontal-flip.js";
import { boxOf, randomResizedCrop } from "../../data/augment/random-resized-crop.js";
import { resizeBilinear } from "../../data/augment/resample.js";
import { centerCrop, resize } from "../../data/augment/resize.js";
import * as augmentations from "../../data/augmentations.js";
import { hostFoldIn, hostKey } from "../../data/host-random.js";
import { DataError } from "../../src/index.js";
import fixture from "../fixtures/augment.json" with { type: "json" };

interface Stored {
  readonly height: number;
  readonly width: number;
  readonly pixels: string;
}

const imageOf = ({ height, width, pixels }: Stored): HostImage<Uint8Array> => ({
  data: Uint8Array.from(Buffer.from(pixels, "base64")),
  height,
  width,
  channels: 3,
});
const pixelsOf = (image: HostImage): string => Buffer.from(image.data).toString("base64");
const keys = (count: number) => Array.from({ length: count }, (_, i) => hostFoldIn(hostKey(5), i));

/** Every value is its own position. */
const numbered = (height: number, width: number, channels = 1): HostImage => ({
  data: Float32Array.from({ length: height * width * channels }, (_, i) => i + 1),
  height,
  width,
  channels,
});

describe("AutoAugment", () => {
  const apply = (o: (typeof fixture.operations)[number], image: HostImage<Uint8Array>) => {
    const { magnitude, apply: run } = operations[o.name as OperationName];
    return run(image, o.sign * magnitude(o.level, image), (o.fill ?? 0) as Fill);
  };

  test("every operation is Pillow's at torchvision's magnitudes, bit for bit", () => {
    for (const o of fixture.operations) {
      expect([o.name, o.level, o.sign, pixelsOf(apply(o, imageOf(fixture.image)))]).toEqual([
        o.name,
        o.level,
        o.sign,
        o.pixels,
      ]);
    }
    expect(new Set(fixture.operations.map((o) => o.name))).toEqual(
      new Set(Object.keys(operations)),
    );
    for (const o of fixture.dulls) {
      expect([o.name, pixelsOf(apply(o, imageOf(fixture.dull)))]).toEqual([o.name, o.pixels]);
    }
  });

  test("equalize spreads a histogram as Pillow does", () => {
    const { source, histogram, height, width } = fixture.equalized;
    const data = Uint8Array.from(source.flatMap((n, byte) => Array(n).fill(byte)));
    const out = equalize({ data, height, width, channels: 1 });
    const counts = new Array(256).fill(0);
    for (const byte of out.data) counts[byte]++;
    expect(counts).toEqual(histogram);
  });

  test("the policies are torchvision's", () => {
    const bare = (list: typeof cifar10) =>
      list.map((pair) => pair.map(([name, p, level]) => [name, p, level ?? null]));
    expect(bare(cifar10)).toEqual(fixture.policies.cifar10);
    expect(bare(imagenet)).toEqual(fixture.policies.imagenet);
  });

  test("applies an operation with its probability, and either sign", () => {
    const image = imageOf(fixture.image);
    const shifted = (chance: number, side: number) =>
      applyChoice(image, ["translateX", 0.3, 9], chance, side, 0);
    expect(shifted(0.3, 0)).toBe(image);
    const [left, right] = [shifted(0.29, 0.49), shifted(0.29, 0.5)];
    // 150/331 of 16 pixels is 7.25: by 7 whole pixels.
    expect([...right.data.subarray(0, 21)]).toEqual(Array(21).fill(0));
    expect(right.data.subarray(21, 48)).toEqual(image.data.subarray(0, 27));
    expect(left.data.subarray(0, 27)).toEqual(image.data.subarray(21, 48));
    const seen = new Set(
      keys(400).map((k) => pixelsOf(autoAugment({ policy: "cifar10" })(image, k))),
    );
    expect(seen.size).toBeGreaterThan(40);
  });
});

describe("sizes", () => {
  test("resizing is Pillow's, bit for bit, up and down", () => {
    for (const { from, to } of fixture.resizes) {
      expect(pixelsOf(resizeBilinear(imageOf(from), to.height, to.width))).toBe(to.pixels);
    }
  });

  test("resize and centerCrop are torchvision's", () => {
    const key = hostKey(0);
    for (const { from, size, crop, to } of fixture.evaluation) {
      const out = centerCrop({ size: crop })(resize({ size })(imageOf(from), key), key);
      expect([out.height, out.width, pixelsOf(out)]).toEqual([to.height, to.width, to.pixels]);
    }
  });

  test("the box of a random resized crop is inside, of the areas and shapes asked for", () => {
    const image = numbered(300, 400);
    const boxes = keys(500).map((k) => boxOf(image, [0.08, 1], [3 / 4, 4 / 3], k));
    const shares = boxes.map((b) => (b.height * b.width) / (300 * 400));
    for (const b of boxes) {
      expect(b.top >= 0 && b.left >= 0 && b.top + b.height <= 300).toBe(true);
      expect(b.left + b.width <= 400).toBe(true);
      // Sides are whole pixels.
      expect(b.width / b.height).toBeGreaterThan(0.75 * 0.98);
      expect(b.width / b.height).toBeLessThan((4 / 3) * 1.02);
    }
    expect(Math.min(...shares)).toBeLessThan(0.1);
    expect(Math.max(...shares)).toBeGreaterThan(0.9);
    // A strip has no such box: the largest one in its middle.
    expect(boxOf(numbered(10, 100), [0.9, 1], [3 / 4, 4 / 3], hostKey(1))).toEqual({
      top: 0,
      left: 43,
      height: 10,
      width: 13,
    });
    const bytes = imageOf(fixture.image);
    const whole = randomResizedCrop({ size: [7, 5], scale: [1, 1], ratio: [16 / 13, 16 / 13] });
    expect(pixelsOf(whole(bytes, hostKey(0)))).toBe(pixelsOf(resizeBilinear(bytes, 7, 5)));
  });
});

describe("crop, flip and cutout", () => {
  test("a random crop is a window of the padded image; every window comes up", () => {
    const image = numbered(3, 4, 2);
    const padded = (y: number, x: number, c: number) =>
      y < 0 || y >= 3 || x < 0 || x >= 4 ? 9 : image.data[(y * 4 + x) * 2 + c]!;
    const window = (top: number, left: number) =>
      Array.from({ length: 24 }, (_, i) =>
        padded(top + Math.floor(i / 8), left + (Math.floor(i / 2) % 4), i % 2),
      ).join();
    const all = new Set<string>();
    for (let t = -2; t <= 2; t++) for (let l = -2; l <= 2; l++) all.add(window(t, l));
    const crop = randomCrop({ padding: 2, fill: 9 });
    const seen = new Set(keys(400).map((k) => crop(image, k).data.join()));
    expect(seen).toEqual(all);
  });

  test("reflection mirrors at the edge pixels", () => {
    const line: HostImage = { data: Uint8Array.of(1, 2, 3), height: 1, width: 3, channels: 1 };
    const crop = randomCrop({ padding: 2, size: [1, 7], mode: "reflect" });
    // Of the rows of the padded image, five of one, each is the same.
    expect([...crop(line, hostKey(0)).data]).toEqual([3, 2, 1, 2, 3, 2, 1]);
  });

  test("a flip exchanges left and right, half of the time", () => {
    const image = numbered(2, 3, 2);
    expect([...flipped(image).data]).toEqual([5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8]);
    expect(flipped(flipped(image))).toEqual(image);
    const flip = randomHorizontalFlip();
    const count = keys(1000).filter((k) => flip(image, k) !== image).length;
    // Five standard deviations of a fair coin.
    expect(Math.abs(count - 500)).toBeLessThan(5 * Math.sqrt(250));
  });

  test("cutout blanks a square around any pixel, cut off at the edges", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 9 }), (seed, size) => {
        const image = numbered(8, 6, 3);
        const before = image.data.slice();
        const { data } = cutout({ size, fill: [0, -1, -2] })(image, hostKey(seed % 2 ** 32));
        expect(image.data).toEqual(before);
        const blank = Array.from({ length: 48 }, (_, p) => data[3 * p] === 0);
        const ys = blank.flatMap((b, p) => (b ? [Math.floor(p / 6)] : []));
        const xs = blank.flatMap((b, p) => (b ? [p % 6] : []));
        const [h, w] = [
          Math.max(...ys) - Math.min(...ys) + 1,
          Math.max(...xs) - Math.min(...xs) + 1,
        ];
        expect(blank.filter(Boolean)).toHaveLength(h * w);
        expect(h).toBeLessThanOrEqual(size);
        expect(w).toBeLessThanOrEqual(size);
        // The centre is a pixel of the image: at least the nearer half is inside.
        expect(h).toBeGreaterThanOrEqual(Math.min(8, Math.floor((size + 1) / 2)));
        blank.forEach((b, p) => {
          expect([...data.subarray(3 * p, 3 * p + 3)]).toEqual(
            b ? [0, -1, -2] : [...before.subarray(3 * p, 3 * p + 3)],
          );
        });
      }),
      { numRuns: 200 },
    );
  });
});

test("wrong options are DataErrors that name them", () => {
  const cases: [() => unknown, RegExp][] = [
    [() => augmentations.randomCrop({ padding: -1 }), /randomCrop: expected padding .* -1/],
    [() => augmentations.randomCrop({ mode: "wrap" as never }), /randomCrop: expected mode.*wrap/],
    [() => augmentations.randomHorizontalFlip({ p: 2 }), /randomHorizontalFlip: expected p .* 2/],
    [() => augmentations.cutout({ size: 0 }), /cutout: expected size .* 0/],
    [() => augmentations.cutout({ fill: Number.NaN }), /cutout: expected fill/],
    [() => augmentations.autoAugment({ policy: "mnist" as never }), /policy .*cifar10.*mnist/],
    [() => augmentations.randomResizedCrop({ size: 8, scale: [1, 0.5] }), /scale .* 1 and 0.5/],
    [() => augmentations.resize({ size: 1.5 }), /resize: expected size .* 1.5/],
    [() => augmentations.centerCrop({ size: [3, 0] }), /centerCrop: expected size .* 0/],
    [() => augmentations.normalize({ mean: 0, std: 0 }), /normalize: expected finite means/],
  ];
  for (const [make, message] of cases) {
    expect(make).toThrow(DataError);
    expect(make).toThrow(message);
  }
});
