import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { loadCheckpoint, loadSafetensors, saveCheckpoint } from "../../data/index.js";
import { array, DataError, init, jit, random, type Tensor } from "../../src/index.js";
import { scratch } from "./idx-files.js";

const dir = await scratch();

beforeAll(async () => {
  await init();
});

test("a tree comes back as it was, bit for bit", async () => {
  const path = join(dir, "run.safetensors");
  const floats = Float32Array.of(0.1, -0, Infinity, 1e-45, 3e38);
  const saved = {
    params: [{ weight: array(floats, { shape: [5, 1] }), bias: null }, []],
    count: array([1, -2], { dtype: "int32" }),
    mask: array([true, false]),
    key: random.key(2 ** 32 - 1),
    epoch: 3,
    rate: 1e-3,
    best: -Infinity,
    name: "run é",
    done: false,
  };
  await saveCheckpoint(path, saved, { metadata: { note: "n" } });
  const loaded = await loadCheckpoint<typeof saved>(path);
  expect(Object.keys(loaded)).toEqual(Object.keys(saved));
  const { weight, bias } = loaded.params[0] as { weight: Tensor; bias: null };
  expect([weight.dtype, weight.shape, bias]).toEqual(["float32", [5, 1], null]);
  expect(Buffer.from((await weight.data()).buffer)).toEqual(Buffer.from(floats.buffer));
  expect(loaded.params[1]).toEqual([]);
  expect(await loaded.count.toArray()).toEqual([1, -2]);
  expect(await loaded.mask.toArray()).toEqual([true, false]);
  expect(await loaded.key.toArray()).toEqual(await saved.key.toArray());
  const { epoch, rate, best, name, done } = loaded;
  expect({ epoch, rate, best, name, done }).toEqual({
    epoch: 3,
    rate: 1e-3,
    best: -Infinity,
    name: "run é",
    done: false,
  });
  const tensors = await loadSafetensors(path);
  expect(Object.keys(tensors).sort()).toEqual(["count", "key", "mask", "params.0.weight"]);
  expect(await tensors.count!.toArray()).toEqual([1, -2]);
});

test("values are those at the call, though the tensors are donated right after it", async () => {
  const path = join(dir, "donated.safetensors");
  const step = jit((w: Tensor) => w.add(1), { donateArgnums: 0 });
  let w = step(array([1, 2, 3]));
  const saving = saveCheckpoint(path, { w });
  for (let i = 0; i < 20; i++) w = step(w);
  await saving;
  const { w: kept } = await loadCheckpoint<{ w: Tensor }>(path);
  expect(await kept.toArray()).toEqual([2, 3, 4]);
  expect(await w.toArray()).toEqual([22, 23, 24]);
});

test("files of others, and damaged ones, are refused by name", async () => {
  const path = join(dir, "good.safetensors");
  await saveCheckpoint(path, { w: array([1, 2]) });
  const bytes = await readFile(path);
  const cases: [string, Buffer, RegExp][] = [
    ["cut", bytes.subarray(0, -1), /truncated/],
    [
      "other",
      Buffer.from(bytes.toString("latin1").replace("dawngrad.tree", "somebody.tree"), "latin1"),
      /without a tree \(loadSafetensors reads it\)/,
    ],
    [
      "renamed",
      Buffer.from(bytes.toString("latin1").replace('"w":{"dtype"', '"v":{"dtype"'), "latin1"),
      /expected a tensor "w", found none of that name/,
    ],
    [
      "kind",
      Buffer.from(bytes.toString("latin1").replace("object", "abject"), "latin1"),
      /a checkpoint of dawngrad, found .*damage/,
    ],
  ];
  for (const [name, content, message] of cases) {
    const where = join(dir, `${name}.safetensors`);
    await writeFile(where, content);
    const error = await loadCheckpoint(where).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(where);
  }
  await expect(loadCheckpoint(join(dir, "absent"))).rejects.toThrow(/found nothing there/);
});
