/** Folders of image files, their decoding, and worker threads. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import {
  autoAugment,
  centerCrop,
  cutout,
  normalize,
  randomCrop,
  randomHorizontalFlip,
  randomResizedCrop,
  resize,
} from "../../data/augmentations.js";
import { Dataset, type ExampleSource, type FileSource } from "../../data/dataset.js";
import { decodeFile } from "../../data/decode.js";
import { hostLoader, type LoaderOptions, type PreparedBatch } from "../../data/host-loader.js";
import { imageFolder, imageNet, imageNetC, imageNetR } from "../../data/image-folder.js";
import type { Transform } from "../../data/transform.js";
import { closeWorkers } from "../../data/workers/pool.js";
import { DataError } from "../../src/index.js";

const root = await mkdtemp(join(tmpdir(), "image-folder-"));
afterAll(async () => {
  await closeWorkers();
  await rm(root, { recursive: true });
});

/** Red grows to the right, green downwards, blue is the seed. */
const pixels = (height: number, width: number, seed: number, channels = 3) =>
  Buffer.from(
    Array.from({ length: height * width * channels }, (_, i) => {
      const at = Math.floor(i / channels);
      return [(at % width) * 9, Math.floor(at / width) * 9, seed, 77][i % channels]! % 256;
    }),
  );

const image = (height: number, width: number, seed: number, channels: 1 | 3 | 4 = 3) =>
  sharp(pixels(height, width, seed, channels), { raw: { width, height, channels } });

async function save(path: string, content: Buffer | string): Promise<void> {
  await mkdir(join(root, path, ".."), { recursive: true });
  await writeFile(join(root, path), content);
}

/** Twelve images of different sizes in three classes. */
for (let i = 0; i < 12; i++) {
  const content = await image(8 + i, 14 - (i % 5), i)
    .png()
    .toBuffer();
  await save(`train/${["ant", "bee", "cow"][i % 3]}/${i}.png`, content);
}
await mkdir(join(root, "train/.hidden"));

const load = (source: ExampleSource | FileSource, options: LoaderOptions) =>
  hostLoader<PreparedBatch>(
    source,
    options,
    (b) => b,
    () => {},
  );

async function collect(source: ExampleSource | FileSource, options: LoaderOptions) {
  const out: PreparedBatch[] = [];
  for await (const batch of load(source, options)) out.push(batch);
  return out;
}

describe("decoding", () => {
  test("gives red, green and blue of every format, depth and kind", async () => {
    const exact = new Uint8Array(pixels(7, 5, 3));
    const cases: [string, Buffer, Uint8Array][] = [
      ["a.png", await image(7, 5, 3).png().toBuffer(), exact],
      ["b.tiff", await image(7, 5, 3).tiff({ compression: "lzw" }).toBuffer(), exact],
      ["c.webp", await image(7, 5, 3).webp({ lossless: true }).toBuffer(), exact],
      ["d.png", await image(7, 5, 3).png({ compressionLevel: 0 }).toBuffer(), exact],
      ["alpha.png", await image(7, 5, 3, 4).png().toBuffer(), exact],
      ["turned.png", await image(7, 5, 3).withMetadata({ orientation: 6 }).png().toBuffer(), exact],
    ];
    for (const [name, content, expected] of cases) {
      await save(name, content);
      const decoded = await decodeFile(join(root, name));
      expect([name, decoded.height, decoded.width, decoded.channels]).toEqual([name, 7, 5, 3]);
      expect(decoded.data).toEqual(expected);
    }
    await save("grey.png", await image(4, 4, 0, 1).toColourspace("b-w").png().toBuffer());
    const grey = await decodeFile(join(root, "grey.png"));
    expect([...grey.data.subarray(0, 9)]).toEqual([0, 0, 0, 9, 9, 9, 18, 18, 18]);
    // Lossy: near.
    await save("e.jpg", await image(16, 16, 90).jpeg({ quality: 100 }).toBuffer());
    const jpeg = await decodeFile(join(root, "e.jpg"));
    const away = jpeg.data.map((x, i) => Math.abs(x - pixels(16, 16, 90)[i]!));
    expect(Math.max(...away)).toBeLessThan(8);
  });

  test("refuses, quickly and by name, what is no whole image", async () => {
    const jpeg = await image(64, 64, 1).jpeg().toBuffer();
    const png = await image(64, 64, 1).png().toBuffer();
    // A PNG that claims 60000 × 60000 pixels.
    const bomb = Buffer.from(png);
    bomb.writeUInt32BE(60_000, 16);
    bomb.writeUInt32BE(60_000, 20);
    const cases: [string, Buffer | string, RegExp][] = [
      ["text.jpg", "this is no image at all", /text\.jpg: expected an image .*text: "this is no/],
      ["svg.png", "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", /text: "<svg/],
      ["zeros.png", Buffer.alloc(200), /found bytes 0000000000000000/],
      ["empty.png", "", /found 0 bytes/],
      ["cut.jpg", jpeg.subarray(0, jpeg.length / 2), /cut\.jpg: expected a whole image/],
      ["cut.png", png.subarray(0, png.length / 2), /cut\.png: expected a whole image/],
      ["start.jpg", Buffer.from([0xff, 0xd8, 0xff]), /start\.jpg: expected a whole image/],
      ["bomb.png", bomb, /bomb\.png: expected a whole image/],
    ];
    const began = performance.now();
    for (const [name, content, message] of cases) {
      await save(`bad/x/${name}`, content);
      await expect(decodeFile(join(root, "bad/x", name))).rejects.toThrow(message);
    }
    await expect(decodeFile(join(root, "bad/x/none.png"))).rejects.toThrow(/none\.png.*ENOENT/);
    await expect(decodeFile(join(root, "bad/x"))).rejects.toThrow(/no file/);
    expect(performance.now() - began).toBeLessThan(1000 * cases.length);
  });
});

describe("imageFolder", () => {
  test("labels images by their folders, at any depth, hidden ones left out", async () => {
    await save("deep/b/x/y/1.PNG", await image(3, 3, 0).png().toBuffer());
    await save("deep/b/notes.txt", "not an image");
    await save("deep/b/.2.png", "hidden");
    await save("deep/a/2.png", await image(3, 3, 0).png().toBuffer());
    const found = await imageFolder(join(root, "deep"));
    expect(found.classes).toEqual(["a", "b"]);
    expect(found.files).toEqual([join(root, "deep/a/2.png"), join(root, "deep/b/x/y/1.PNG")]);
    expect([...found.labels]).toEqual([0, 1]);
    const numbered = await imageFolder(join(root, "deep"), { classes: ["z", "b", "a"] });
    expect([...numbered.labels]).toEqual([2, 1]);
    expect([...numbered.subset([1, 1]).labels]).toEqual([1, 1]);
    expect(() => numbered.subset([2])).toThrow(/from 0 to 1 .* found 2/);
  });

  test("refuses what is no folder of classes", async () => {
    await save("flat/1.png", "");
    await save("hollow/a/readme.txt", "");
    await mkdir(join(root, "void"));
    await mkdir(join(root, "loop/a"), { recursive: true });
    await symlink(join(root, "loop"), join(root, "loop/a/again"));
    const cases: [() => Promise<unknown>, RegExp][] = [
      [() => imageFolder(join(root, "nowhere")), /nowhere: expected a readable folder.*ENOENT/],
      [() => imageFolder(join(root, "a.png")), /expected a readable folder.*ENOTDIR/],
      [() => imageFolder(join(root, "void")), /one folder for each class.*no folder/],
      [() => imageFolder(join(root, "flat")), /1 images and no folder \(move the images/],
      [() => imageFolder(join(root, "hollow")), /expected images .*none in 1 folders/],
      [() => imageFolder(join(root, "loop")), /at most 8 folders in each other/],
      [() => imageFolder(join(root, "train"), { classes: ["ant"] }), /2 others: bee, cow/],
      [() => imageFolder(join(root, "train"), { corrupt: "ignore" as never }), /corrupt .* ignore/],
      [
        () => imageNetC(join(root, "train"), { classes: ["ant"] }),
        /<corruption>\/<severity>\/<class>/,
      ],
    ];
    for (const [call, message] of cases) {
      const error = await call().catch((e: unknown) => e);
      expect(error).toBeInstanceOf(DataError);
      expect((error as Error).message).toMatch(message);
    }
  });

  test("reads the layouts of ImageNet, ImageNet-C and ImageNet-R", async () => {
    const png = await image(3, 3, 0).png().toBuffer();
    for (const split of ["train", "val"]) {
      for (const c of ["n1", "n2", "n3"]) await save(`in/${split}/${c}/1.png`, png);
    }
    await save("in-c/fog/1/n2/1.png", png);
    await save("in-c/fog/5/n3/1.png", png);
    await save("in-c/blur/2/n1/1.png", png);
    await save("in-r/n3/art.png", png);
    const { train, test: val } = await imageNet(join(root, "in"));
    expect([...val.labels]).toEqual([0, 1, 2]);
    const { classes } = train;
    const folders = await imageNetC(join(root, "in-c"), { classes });
    expect(folders.map((f) => `${f.corruption} ${f.severity}`)).toEqual([
      "blur 2",
      "fog 1",
      "fog 5",
    ]);
    expect([...(await folders[2]!.open()).labels]).toEqual([2]);
    const r = await imageNetR(join(root, "in-r"), { classes });
    expect([[...r.test.labels], r.present]).toEqual([[2], [2]]);
  });
});

describe("loading files", () => {
  const evaluation = [resize({ size: 6 }), centerCrop({ size: 6 })];

  test("images of several sizes need a transform that gives them one", async () => {
    const train = await imageFolder(join(root, "train"));
    await expect(collect(train, { batchSize: 4 })).rejects.toThrow(
      /batch 0 of epoch 0.*images of one size.*randomResizedCrop/,
    );
    const [first] = await collect(train, { batchSize: 12, transform: evaluation });
    expect(first!.shape).toEqual([12, 6, 6, 3]);
    expect([...first!.labels]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    // Blue is the number of the file.
    const blue = Array.from({ length: 12 }, (_, row) => first!.images[row * 108 + 2]! * 255);
    expect(blue.map(Math.round)).toEqual([0, 3, 6, 9, 1, 10, 4, 7, 11, 2, 5, 8]);
  });

  test("corrupt files stop the loader, or are skipped, counted, with weight 0", async () => {
    for (const i of [0, 1, 2, 3]) {
      await save(`mixed/a/${i}.png`, await image(8, 8, i).png().toBuffer());
    }
    await save("mixed/a/1.png", "broken");
    await save("mixed/a/3.png", "broken");
    const strict = await imageFolder(join(root, "mixed"));
    const error = await collect(strict, { batchSize: 4 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(/batch 0 of epoch 0.*1\.png: expected an image/);
    for (const workers of [0, 2]) {
      const heard: [string, number][] = [];
      const lenient = await imageFolder(join(root, "mixed"), {
        corrupt: "skip",
        onSkip: (file, _reason, count) => heard.push([file, count]),
      });
      const [batch] = await collect(lenient, { batchSize: 4, pad: true, workers });
      expect([...batch!.weights]).toEqual([1, 0, 1, 0]);
      expect([...batch!.indices]).toEqual([0, 2, 2, 0]);
      expect(batch!.images.subarray(192, 384)).toEqual(batch!.images.subarray(384, 576));
      await collect(lenient, { batchSize: 4, workers });
      expect(heard).toEqual([
        [join(root, "mixed/a/1.png"), 1],
        [join(root, "mixed/a/3.png"), 2],
      ]);
      expect([...lenient.skipped.keys()]).toEqual(heard.map(([file]) => file));
      const bad = lenient.subset([1, 3]);
      await expect(collect(bad, { batchSize: 2, workers })).rejects.toThrow(/none of the 2 images/);
    }
  });
});

describe("worker threads", () => {
  const bytes = new Dataset({
    name: "bytes",
    images: Uint8Array.from({ length: 40 * 12 * 12 * 3 }, (_, i) => (i * 7919) % 251),
    labels: Array.from({ length: 40 }, (_, i) => i % 4),
    inputShape: [12, 12, 3],
    classes: ["a", "b", "c", "d"],
  });
  const scaled = normalize({ mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.4] });
  const small = [randomCrop(), randomHorizontalFlip(), autoAugment({ policy: "cifar10" })];
  /** A function of one's own stays on the main thread, and so do those after it. */
  const own: Transform = (batch, { key }) => ({
    ...batch,
    labels: batch.labels.map((l) => l + (key[0] & 1)),
  });

  test("order and pixels are the same for any number of them", async () => {
    const files = await imageFolder(join(root, "train"));
    const cases: [string, ExampleSource | FileSource, readonly Transform[]][] = [
      ["bytes", bytes, [...small, scaled, cutout({ size: 4 })]],
      ["own function", bytes, [small[0]!, own, small[1]!]],
      ["files", files, [randomResizedCrop({ size: 6 }), randomHorizontalFlip(), scaled]],
      ["no transform", bytes, []],
    ];
    for (const [name, source, transform] of cases) {
      const options = { batchSize: 5, shuffle: 3, transform };
      const expected = await collect(source, options);
      for (const [workers, prefetch] of [[1], [2, 0], [3, 7]] as const) {
        const more = prefetch === undefined ? {} : { prefetch };
        const got = await collect(source, { ...options, workers, ...more });
        expect([name, workers, got]).toEqual([name, workers, expected]);
      }
      // And the epoch changes them.
      const second: PreparedBatch[] = [];
      for await (const batch of load(source, options).epoch(1)) second.push(batch);
      expect(second[0]!.images).not.toEqual(expected[0]!.images);
    }
  });

  test("an error in one is a DataError of its batch", async () => {
    const crop = randomCrop({ size: 40 });
    const error = await collect(bytes, { batchSize: 8, transform: crop, workers: 2 }).catch(
      (e) => e,
    );
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(
      /batch 0 of epoch 0 .*randomCrop: expected images of at least 40/,
    );
    // The threads live on.
    expect(await collect(bytes, { batchSize: 8, workers: 2 })).toHaveLength(5);
  });
});
