/**
 * Pictures of every augmentation: a row each, the same images in the same columns.
 *
 *     npx tsx scripts/contact-sheet.ts cifar10 FOLDER docs/images/augmentations-cifar10.png
 *     npx tsx scripts/contact-sheet.ts files FOLDER docs/images/augmentations-files.png
 *     npx tsx scripts/contact-sheet.ts files cards docs/images/augmentations-cards.png
 *
 * FOLDER is CIFAR-10's binary version, or a folder of images, one folder a class. Cards are drawn here: their
 * squares are numbered, so that one sees what was cut out and how it was stretched.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
const labelWidth = 160;

/** Files of six sizes and shapes: a circle over coloured squares, each with its number. */
async function drawCards(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "dawngrad-cards-"));
  await mkdir(join(root, "cards"));
  const sizes = [
    ...([
      [500, 375],
      [375, 500],
      [400, 400],
    ] as const),
    ...([
      [640, 240],
      [240, 640],
      [160, 120],
    ] as const),
  ];
  for (const [i, [width, height]] of sizes.entries()) {
    const squares = Array.from({ length: 48 }, (_, n) => {
      const [w, h] = [width / 8, height / 6];
      const [x, y] = [(n % 8) * w, Math.floor(n / 8) * h];
      const colour = `hsl(${(n * 360) / 48}, 70%, ${n % 2 === 0 ? 45 : 70}%)`;
      const size = Math.min(w, h) * 0.55;
      return (
        `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="${colour}"/>` +
        `<text x="${x + w / 2}" y="${y + h / 2 + size / 3}" font-size="${size}" ` +
        `font-family="sans-serif" text-anchor="middle">${n}</text>`
      );
    });
    const r = Math.min(width, height) / 2.2;
    const circle = `<circle cx="${width / 2}" cy="${height / 2}" r="${r}" fill="none" stroke="black" stroke-width="4"/>`;
    const svg = `<svg width="${width}" height="${height}" xmlns="http://www.w3.org/2000/svg">${squares.join("")}${circle}</svg>`;
    await sharp(Buffer.from(svg))
      .png()
      .toFile(join(root, "cards", `${i}.png`));
  }
  return root;
}

async function images(): Promise<HostBatch> {
  const indices = Int32Array.from({ length: columns }, (_, i) => i);
  if (kind === "files") {
    const root = folder === "cards" ? await drawCards() : folder!;
    const { files } = await imageFolder(root);
    const list = await Promise.all(
      Array.from(indices, (i) => decodeFile(files[i % files.length]!)),
    );
    if (root !== folder) await rm(root, { recursive: true });
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
    ? [
        ["randomResizedCrop", [randomResizedCrop({ size: side })]] as const,
        [
          "… of 8–30% of the area",
          [randomResizedCrop({ size: side, scale: [0.08, 0.3] })],
        ] as const,
      ]
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
