import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cifar10, cifar100 } from "../../data/cifar.js";
import { DataError } from "../../src/index.js";
import { scratch } from "./idx-files.js";

const root = await scratch();
let folders = 0;

/** Records whose pixel p of plane c is (p + 50·c + seed) mod 256. */
function records(labels: readonly (readonly number[])[]): Buffer {
  return Buffer.concat(
    labels.map((l, seed) =>
      Buffer.from([
        ...l,
        ...Array.from(
          { length: 3072 },
          (_, i) => ((i % 1024) + 50 * Math.floor(i / 1024) + seed) % 256,
        ),
      ]),
    ),
  );
}

async function folder(files: Readonly<Record<string, Buffer | string>>): Promise<string> {
  const dir = join(root, `folder-${folders++}`);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(dir, name, ".."), { recursive: true });
    await writeFile(join(dir, name), content);
  }
  return dir;
}

test("cifar10 reads records, several files, channels last", async () => {
  const dir = await folder({
    "cifar-10-batches-bin/data_batch_1.bin": records([[6], [9]]),
    "cifar-10-batches-bin/data_batch_2.bin": records([[4]]),
    "cifar-10-batches-bin/test_batch.bin": records([[3]]),
  });
  for (const where of [dir, join(dir, "cifar-10-batches-bin")]) {
    const { train, test: held } = await cifar10(where);
    expect([...train.labels]).toEqual([6, 9, 4]);
    expect(train.name).toBe("CIFAR-10 train (2 of 5 files)");
    expect(train.inputShape).toEqual([32, 32, 3]);
    expect([...train.get(1).image.subarray(3, 6)]).toEqual([2, 52, 102]);
    expect(held.classes[held.get(0).label]).toBe("cat");
  }
});

test("cifar100 reads fine and coarse labels, with names if they are there", async () => {
  const files = { "train.bin": records([[1, 77]]), "test.bin": records([[19, 99]]) };
  const plain = await cifar100(await folder(files));
  expect([...plain.test.labels]).toEqual([99]);
  expect(plain.train.classes[77]).toBe("77");
  const names = Array.from({ length: 20 }, (_, i) => `kind ${i}\n`).join("");
  const dir = await folder({ ...files, "coarse_label_names.txt": names });
  const named = await cifar100(dir, { labels: "coarse" });
  expect([...named.test.labels]).toEqual([19]);
  expect(named.test.classes[19]).toBe("kind 19");
  await writeFile(join(dir, "coarse_label_names.txt"), "one\ntwo\n");
  await expect(cifar100(dir, { labels: "coarse" })).rejects.toThrow(/20 class names.*found 2/);
});

test("damaged and absent files are refused, by name", async () => {
  const good = records([[1]]);
  const cases: [Record<string, Buffer>, RegExp][] = [
    [{ "test_batch.bin": good }, /data_batch_1.bin: expected this file/],
    [{ "data_batch_1.bin": good }, /test_batch.bin: expected a file, found nothing/],
    [
      { "data_batch_1.bin": good.subarray(0, 3072), "test_batch.bin": good },
      /data_batch_1.bin: expected a whole number of records of 3073 bytes, found 3072 bytes/,
    ],
    [{ "data_batch_1.bin": Buffer.alloc(0), "test_batch.bin": good }, /found 0 bytes/],
    [
      { "data_batch_1.bin": records([[1], [10]]), "test_batch.bin": good },
      /labels below 10, found 10 in record 1/,
    ],
  ];
  for (const [files, message] of cases) {
    const error = await cifar10(await folder(files)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(message);
  }
  await expect(cifar10(join(root, "nowhere"))).rejects.toThrow(/expected a folder at .*nowhere/);
});

test("the Python version is named when found instead", async () => {
  const pickled = Buffer.from([0x80, 2]);
  for (const inner of ["", "cifar-10-batches-py/"]) {
    const dir = await folder({ [`${inner}data_batch_1`]: pickled });
    await expect(cifar10(dir)).rejects.toThrow(
      /data_batch_1: expected data_batch_1\.bin.*Python version.*cifar-10-binary\.tar\.gz/,
    );
  }
  const dir = await folder({ "cifar-100-python/train": pickled });
  await expect(cifar100(dir)).rejects.toThrow(/train: expected train\.bin.*Python version/);
});
