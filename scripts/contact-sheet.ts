/**
 * Pictures of every augmentation: a row each, the same images in the same columns.
 *
 *     npx tsx scripts/contact-sheet.ts cifar10 FOLDER docs/images/augmentations-cifar10.png
 *     npx tsx scripts/contact-sheet.ts files FOLDER docs/images/augmentations-files.png
 *
 * FOLDER is CIFAR-10's binary version, or a folder of images, one folder a class.
 */
import sharp, { type OverlayOptions } from "sharp";
import { batchOf } from "../data/augment/rows.js";
import { decodeFile } from "../data/decode.js";
import {
  autoAugment,
  centerCrop,
  cifar10,
  cutout,
  type HostBatch,
  hostFoldIn,
  hostKey,
  imageFolder,
  randomCrop,
  randomHorizontalFlip,
  randomResizedCrop,
  resize,
  type Transform,
} from "../data/index.js";

const [kind, folder, path] = process.argv.slice(2);
if (folder === undefined || path === undefined || (kind !== "cifar10" && kind !== "files")) {
  throw new Error("usage: contact-sheet.ts cifar10|files FOLDER PICTURE");
}

const columns = kind === "files" ? 6 : 12;
const side = kind === "files" ? 112 : 32;
const scale = kind === "files" ? 1 : 2;
const gap = 2;
const labelWidth = 150;

async function images(): Promise<HostBatch> {
  const indices = Int32Array.from({ length: columns }, (_, i) => i);
  if (kind === "files") {
    const { files } = await imageFolder(folder!);
    const list = await Promise.all(
      Array.from(indices, (i) => decodeFile(files[i % files.length]!)),
    );
    return batchOf(list, { labels: indices, indices });
  }
  const { train } = await cifar10(folder!);
  const data = new Uint8Array(columns * 3072);
  train.gather(indices, data);
  return { images: data, shape: [columns, 32, 32, 3], labels: indices, indices };
}

const sized = [resize({ size: Math.round((side * 256) / 224) }), centerCrop({ size: side })];
const before = kind === "files" ? sized : [];
const rows: readonly (readonly [string, readonly Transform[]])[] = [
  [kind === "files" ? "resize, centerCrop" : "as stored", before],
  ...(kind === "files"
    ? [["randomResizedCrop", [randomResizedCrop({ size: side })]] as const]
    : [
        ["randomCrop", [randomCrop()]] as const,
        ["randomCrop, reflect", [randomCrop({ mode: "reflect" })]] as const,
      ]),
  ["randomHorizontalFlip", [...before, randomHorizontalFlip()]],
  ["cutout", [...before, cutout({ size: side / 2 })]],
  ["autoAugment cifar10", [...before, autoAugment({ policy: "cifar10" })]],
  ["autoAugment imagenet", [...before, autoAugment({ policy: "imagenet" })]],
  [
    "all",
    [
      kind === "files" ? randomResizedCrop({ size: side }) : randomCrop(),
      randomHorizontalFlip(),
      autoAugment({ policy: kind === "files" ? "imagenet" : "cifar10" }),
      cutout({ size: side / 2 }),
    ],
  ],
];

const cell = side * scale + gap;
const width = labelWidth + columns * cell;
const parts: OverlayOptions[] = [];
const source = await images();
const signal = new AbortController().signal;
for (const [row, [name, transforms]] of rows.entries()) {
  let batch = source;
  for (const [i, transform] of transforms.entries()) {
    batch = await transform(batch, { key: hostFoldIn(hostKey(4), i), epoch: 0, batch: 0, signal });
  }
  const top = row * cell;
  const text = `<svg width="${labelWidth}" height="${cell}"><text x="6" y="${cell / 2 + 4}" font-family="sans-serif" font-size="12">${name}</text></svg>`;
  parts.push({ input: Buffer.from(text), left: 0, top });
  const size = side * side * 3;
  for (let i = 0; i < columns; i++) {
    const pixels = Buffer.from(batch.images.slice(i * size, (i + 1) * size));
    const input = await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
      .resize(side * scale, side * scale, { kernel: "nearest" })
      .png()
      .toBuffer();
    parts.push({ input, left: labelWidth + i * cell, top });
  }
}
await sharp({ create: { width, height: rows.length * cell, channels: 3, background: "white" } })
  .composite(parts)
  .png({ palette: true, quality: 80 })
  .toFile(path);
