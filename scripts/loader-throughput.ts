/**
 * Images a second that a loader prepares for the device, by number of worker threads:
 *
 *     npx tsx scripts/loader-throughput.ts [JPEG FILES FOLDER]
 *
 * Bytes are CIFAR-10's shape, made up. Without a folder, 256 JPEG files of 500×375 are made in the
 * system's temporary folder.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import type { ExampleSource, FileSource } from "../data/dataset.js";
import { hostLoader } from "../data/host-loader.js";
import {
  autoAugment,
  closeWorkers,
  cutout,
  Dataset,
  imageFolder,
  normalize,
  randomCrop,
  randomHorizontalFlip,
  randomResizedCrop,
  type Transform,
} from "../data/index.js";

const scaled = normalize({ mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] });
const bytes = new Dataset({
  name: "bytes",
  images: new Uint8Array(20_000 * 3072).map((_, i) => (i * 7919) >> 3),
  labels: new Uint8Array(20_000),
  inputShape: [32, 32, 3],
  classes: ["a"],
});

async function makeFiles(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "dawngrad-throughput-"));
  await mkdir(join(root, "a"));
  const raw = { width: 500, height: 375, channels: 3 } as const;
  for (let i = 0; i < 256; i++) {
    // Waves and some noise: files of about 60 kB, as ImageNet's are 110 kB.
    const data = Buffer.alloc(500 * 375 * 3);
    for (let p = 0; p < data.length; p++) {
      data[p] = 128 + 90 * Math.sin((p % 1500) / (60 + i)) + ((p * 2654435761) % 32);
    }
    await writeFile(join(root, "a", `${i}.jpg`), await sharp(data, { raw }).jpeg().toBuffer());
  }
  return root;
}

async function measure(source: ExampleSource | FileSource, transform: Transform[], size: number) {
  const rates: string[] = [];
  for (const workers of [0, 1, 2]) {
    const options = { batchSize: size, shuffle: 0, transform, workers, dropLast: true };
    const batches = hostLoader(
      source,
      options,
      (b) => b.indices.length,
      () => {},
    );
    // Threads start, code warms up.
    for await (const _ of batches) break;
    const began = performance.now();
    let images = 0;
    while (performance.now() - began < 2500) {
      for await (const rows of batches) {
        images += rows;
        if (performance.now() - began > 2500) break;
      }
    }
    rates.push(((1000 * images) / (performance.now() - began)).toFixed(0).padStart(8));
  }
  return rates.join("");
}

const given = process.argv[2];
const folder = given ?? (await makeFiles());
const files = await imageFolder(folder);
const small = [randomCrop(), randomHorizontalFlip()];
const policy = autoAugment({ policy: "cifar10" });
const cases: readonly [string, ExampleSource | FileSource, Transform[], number][] = [
  ["32×32, normalize", bytes, [scaled], 128],
  ["32×32, crop, flip, normalize", bytes, [...small, scaled], 128],
  ["32×32, crop, flip, autoAugment, cutout", bytes, [...small, policy, scaled, cutout()], 128],
  [
    "files, randomResizedCrop 224, flip",
    files,
    [randomResizedCrop({ size: 224 }), small[1]!, scaled],
    32,
  ],
];
console.log(`${"images a second, by threads".padEnd(42)}       0       1       2`);
for (const [name, source, transform, size] of cases) {
  console.log(`${name.padEnd(42)}${await measure(source, transform, size)}`);
}
await closeWorkers();
if (given === undefined) await rm(folder, { recursive: true });
