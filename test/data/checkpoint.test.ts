import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  loadCheckpoint,
  loadSafetensors,
  saveCheckpoint,
  saveSafetensors,
} from "../../data/index.js";
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

test("a flat record is a file of any reader's, by its names alone", async () => {
  const path = join(dir, "flat.safetensors");
  const tensors = { "fc.weight": array([[1, -2]]), "fc.steps": array([7], { dtype: "int32" }) };
  await saveSafetensors(path, tensors, { metadata: { format: "pt" } });
  const bytes = await readFile(path);
  const header =
    '{"__metadata__":{"format":"pt"},' +
    '"fc.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},' +
    '"fc.steps":{"dtype":"I32","shape":[1],"data_offsets":[8,12]}}';
  const length = Number(bytes.readBigUInt64LE());
  expect(length % 8).toBe(0);
  expect(bytes.toString("utf8", 8, 8 + length)).toBe(header.padEnd(length));
  expect(bytes.subarray(8 + length).toString("hex")).toBe("0000803f000000c007000000");
  const back = await loadSafetensors(path);
  expect(await back["fc.weight"]!.toArray()).toEqual([[1, -2]]);
  expect(await back["fc.steps"]!.toArray()).toEqual([7]);
});

test("what a flat record cannot hold is refused before the file is touched", async () => {
  const path = join(dir, "kept.safetensors");
  await saveSafetensors(path, { w: array([1]) });
  const before = await readFile(path);
  const cases: [Promise<void>, RegExp][] = [
    [saveSafetensors(path, { w: 3 as never }), /a tensor "w" to save, found number/],
    [saveSafetensors(path, { __metadata__: array([1]) }), /keeps this name for itself/],
    [saveSafetensors(path, {}, { metadata: { n: 1 as never } }), /string as metadata "n"/],
  ];
  for (const [saving, message] of cases) {
    const error = await saving.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(message);
  }
  expect(await readFile(path)).toEqual(before);
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
