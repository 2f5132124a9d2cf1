import { readFileSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeAtomically } from "../../data/atomic-write.js";
import { fromStored, toStored } from "../../data/convert.js";
import {
  encodeSafetensors,
  readSafetensors,
  type StoredTensor,
} from "../../data/safetensors-format.js";
import { decodeTree, encodeTree } from "../../data/tree-text.js";
import { DataError } from "../../src/index.js";
import { scratch } from "./idx-files.js";

const dir = await scratch();
let files = 0;
async function file(bytes: Uint8Array): Promise<string> {
  const path = join(dir, `file-${files++}.safetensors`);
  await writeFile(path, bytes);
  return path;
}

/** A file with this header (an object, or text as it stands) and this many bytes of data. */
function raw(header: unknown, dataBytes: number, length?: bigint): Buffer {
  const json = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([head, json, Buffer.alloc(dataBytes)]);
}

async function refusal(bytes: Uint8Array): Promise<string> {
  const path = await file(bytes);
  const error = await readSafetensors(path).then(
    () => new Error("was read"),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(DataError);
  expect((error as Error).message).toContain(path);
  return (error as Error).message;
}

describe("the format", () => {
  const widths = { F64: 8, F32: 4, I16: 2, BOOL: 1, U64: 8 } as const;
  const tensor = fc
    .tuple(
      fc.constantFrom(...(Object.keys(widths) as (keyof typeof widths)[])),
      fc.array(fc.nat(4), { maxLength: 3 }),
    )
    .chain(([dtype, shape]) => {
      const length = widths[dtype] * shape.reduce((n, d) => n * d, 1);
      return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => ({
        dtype,
        shape,
        bytes: Uint8Array.from(bytes),
      }));
    });

  test("is read back, names and metadata of any kind, elements aligned", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string(), tensor, { maxKeys: 6 }),
        fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
        async (tensors, metadata) => {
          const stored = new Map<string, StoredTensor>(
            Object.entries(tensors).filter(([name]) => name !== "__metadata__"),
          );
          const meta = new Map(Object.entries(metadata));
          const bytes = Buffer.concat(encodeSafetensors({ tensors: stored, metadata: meta }));
          const back = await readSafetensors(await file(bytes));
          expect(new Map(back.metadata)).toEqual(meta);
          expect([...back.tensors.keys()].sort()).toEqual([...stored.keys()].sort());
          for (const [name, t] of back.tensors) {
            expect(t.shape).toEqual(stored.get(name)!.shape);
            expect(Buffer.compare(t.bytes, stored.get(name)!.bytes)).toBe(0);
            if (t.bytes.length > 0) {
              expect(t.bytes.byteOffset % widths[t.dtype as keyof typeof widths]).toBe(0);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a file that the reference implementation wrote", async () => {
    // safetensors 0.8: save_file({"b": arange(3, int64), "a": float32 [[1.5, -2]],
    // "h": float16 [1, -2.5]}, metadata={"k": "v"})
    const written =
      "wAAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJrIjoidiJ9LCJiIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOlszXSwiZGF0" +
      "YV9vZmZzZXRzIjpbMCwyNF19LCJhIjp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOlsxLDJdLCJkYXRhX29mZnNldHMiOlsy" +
      "NCwzMl19LCJoIjp7ImR0eXBlIjoiRjE2Iiwic2hhcGUiOlsyXSwiZGF0YV9vZmZzZXRzIjpbMzIsMzZdfX0AAAAAAAAA" +
      "AAEAAAAAAAAAAgAAAAAAAAAAAMA/AAAAwAA8AME=";
    const bytes = Buffer.from(written, "base64");
    const { tensors, metadata } = await readSafetensors(await file(bytes));
    expect(metadata.get("k")).toBe("v");
    const values = (name: string) => [...fromStored("f", name, tensors.get(name)!).data];
    expect(values("b")).toEqual([0, 1, 2]);
    expect(values("a")).toEqual([1.5, -2]);
    expect(tensors.get("a")?.shape).toEqual([1, 2]);
    expect(values("h")).toEqual([1, -2.5]);
    // From the same tensors in any order, ours writes the same bytes.
    const shuffled = new Map([...tensors].reverse());
    const again = Buffer.concat(encodeSafetensors({ tensors: shuffled, metadata }));
    expect(again.toString("base64")).toBe(written);
  });

  test("byte for byte as it is described: types, names, places, padding, values", () => {
    const url = new URL("../fixtures/safetensors.json", import.meta.url);
    const recorded = JSON.parse(readFileSync(url, "utf8")) as {
      tensors: (Omit<StoredTensor, "bytes"> & { name: string; bytes: string })[];
      file: string;
    };
    const tensors = new Map(
      recorded.tensors.map(({ name, dtype, shape, bytes }) => [
        name,
        { dtype, shape, bytes: Uint8Array.from(Buffer.from(bytes, "hex")) },
      ]),
    );
    const metadata = new Map([["format", "pt"]]);
    const written = Buffer.concat(encodeSafetensors({ tensors, metadata }));
    expect(written.toString("hex")).toBe(recorded.file);
  });

  test("a file cut short at any byte, or with bytes after its end, is refused", async () => {
    const stored = { dtype: "F32", shape: [2], bytes: new Uint8Array(8) } as const;
    const whole = Buffer.concat(
      encodeSafetensors({ tensors: new Map([["w", stored]]), metadata: new Map() }),
    );
    for (let length = 0; length < whole.length; length++) await refusal(whole.subarray(0, length));
    expect(await refusal(Buffer.concat([whole, Buffer.of(0)]))).toMatch(/trailing bytes/);
  });

  test("a hostile header is refused before anything is allocated for it", async () => {
    const f32 = (shape: unknown, data_offsets: unknown, dtype: unknown = "F32") => ({
      dtype,
      shape,
      data_offsets,
    });
    const cases: [Uint8Array, RegExp][] = [
      [raw({}, 0, 2n ** 64n - 1n), /header length of at most 2 bytes/],
      [raw({}, 0, 100n), /header length/],
      [raw("[]", 0), /a JSON object as header, found \[\]/],
      [raw("null", 0), /a JSON object/],
      [raw("{", 0), /damage/],
      [raw(Buffer.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x7b, 0x7d, 0x7d), 0), /damage/],
      [raw("[".repeat(200_000), 0), /damage/],
      [raw({ w: 3 }, 0), /an object for tensor "w"/],
      [raw({ w: f32([1], [0, 4], "F31") }, 4), /one of the types F64, .*found "F31"/],
      [raw({ w: f32([1], [0, 4], "constructor") }, 4), /one of the types/],
      [raw({ w: f32([-1], [0, 4]) }, 4), /list of sizes/],
      [raw({ w: f32([1.5], [0, 6]) }, 6), /list of sizes/],
      [raw({ w: f32("1", [0, 4]) }, 4), /list of sizes/],
      [raw({ w: f32([1], [0]) }, 4), /two data_offsets/],
      [raw({ w: f32([1], [4, 0]) }, 4), /to take 4 bytes, found offsets 4 to 0/],
      [raw({ w: f32([2 ** 40, 2 ** 40, 2 ** 40], [0, 4]) }, 4), /to take .* bytes/],
      [raw({ w: f32([2 ** 50], [0, 2 ** 52]) }, 4), /4503599627370496 bytes of data.*truncated/],
      [raw({ a: f32([1], [0, 4]), b: f32([1], [2, 6]) }, 6), /overlap/],
      [raw({ a: f32([1], [0, 4]), b: f32([1], [0, 4]) }, 4), /overlap/],
      [raw({ a: f32([1], [0, 4]), b: f32([1], [6, 10]) }, 10), /belong to no tensor/],
      [raw({ a: f32([1], [4, 8]) }, 8), /belong to no tensor/],
      [raw({ __metadata__: 3 }, 0), /__metadata__ to be an object/],
      [raw({ __metadata__: { k: 1 } }, 0), /__metadata__.k to be a string/],
    ];
    for (const [bytes, message] of cases) expect(await refusal(bytes)).toMatch(message);
  });

  test("a tensor may be called __proto__, and be empty", async () => {
    const header =
      '{"__proto__":{"dtype":"F32","shape":[0,9007199254740991],"data_offsets":[0,0]}}';
    const { tensors } = await readSafetensors(await file(raw(header, 0)));
    expect(tensors.get("__proto__")?.shape).toEqual([0, 9007199254740991]);
  });
});

describe("element types", () => {
  const store = (dtype: StoredTensor["dtype"], view: ArrayBufferView, shape: number[]) =>
    fromStored("file", "w", {
      dtype,
      shape,
      bytes: new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength),
    });

  test("ours are kept bit for bit", () => {
    const floats = Float32Array.of(1.5, -0, Number.NaN, Infinity, 1e-45);
    const back = fromStored("f", "w", toStored({ dtype: "float32", data: floats }, [5]));
    expect(Buffer.compare(Buffer.from(back.data.buffer), Buffer.from(floats.buffer))).toBe(0);
    for (const values of [
      { dtype: "int32", data: Int32Array.of(-(2 ** 31), 7) },
      { dtype: "uint32", data: Uint32Array.of(2 ** 32 - 1, 7) },
      { dtype: "bool", data: Uint8Array.of(0, 1) },
    ] as const) {
      expect(fromStored("f", "w", toStored(values, [2]))).toEqual(values);
    }
  });

  test("half-precision floats", () => {
    // 1, -2, 2^-24 (the smallest), 65504 (the largest), infinity, NaN, 1/3 rounded.
    const half = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x7e00, 0x3555);
    expect([...store("F16", half, [7]).data]).toEqual([
      1,
      -2,
      2 ** -24,
      65504,
      Infinity,
      Number.NaN,
      0.333251953125,
    ]);
    const brain = Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x3eab);
    expect([...store("BF16", brain, [4]).data]).toEqual([1, -2, Infinity, 0.333984375]);
  });

  test("other widths, refusing what does not fit", () => {
    expect(store("F64", Float64Array.of(0.1), [1]).data[0]).toBe(Math.fround(0.1));
    expect([...store("I16", Int16Array.of(-5), [1]).data]).toEqual([-5]);
    expect([...store("I8", Int8Array.of(-5), [1]).data]).toEqual([-5]);
    expect([...store("U16", Uint16Array.of(65535), [1]).data]).toEqual([65535]);
    expect(store("U8", Uint8Array.of(200), [1])).toEqual({
      dtype: "uint32",
      data: Uint32Array.of(200),
    });
    expect([...store("I64", BigInt64Array.of(-5n, 2n ** 31n - 1n), [2]).data]).toEqual([
      -5, 2147483647,
    ]);
    expect(() => store("I64", BigInt64Array.of(2n ** 31n), [1])).toThrow(
      /file: expected 64-bit integers that fit 32 bits in tensor "w", found 2147483648/,
    );
    expect(() => store("I64", BigInt64Array.of(2n ** 53n), [1])).toThrow(DataError);
    expect(() => store("U64", BigUint64Array.of(2n ** 64n - 1n), [1])).toThrow(DataError);
    expect(() => store("BOOL", Uint8Array.of(2), [1])).toThrow(DataError);
  });
});

describe("trees", () => {
  class Leaf {
    readonly id: number;
    constructor(id: number) {
      this.id = id;
    }
  }
  const isLeaf = (x: unknown): x is Leaf => x instanceof Leaf;
  const leaf = fc.oneof(
    fc.nat().map((id) => new Leaf(id)),
    fc.double(),
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.constant(undefined),
  );
  const trees = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie("tree"), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).tree;

  test("come back as they were", () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const { text, tensors } = encodeTree(tree, isLeaf);
        expect(decodeTree(text, (name) => tensors.get(name))).toStrictEqual(tree);
      }),
    );
  });

  test("name tensors by their key paths, each once", () => {
    const t = (id: number) => new Leaf(id);
    const tree = {
      params: [{ weight: t(0), bias: t(1) }],
      "a.b": t(2),
      a: { b: t(3) },
      __metadata__: t(4),
    };
    const { tensors } = encodeTree(tree, isLeaf);
    expect([...tensors].map(([name, { id }]) => [id, name]).sort()).toEqual([
      [0, "params.0.weight"],
      [1, "params.0.bias"],
      [2, "a.b"],
      [3, "a.b~1"],
      [4, "__metadata__~"],
    ]);
  });

  test("refuse what cannot be saved, by its key path", () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const cases: [unknown, RegExp][] = [
      [{ a: [1, () => 1] }, /found a function at a.1/],
      [{ m: new Map() }, /found an instance of Map at m/],
      [{ n: 3n }, /found a bigint at n/],
      [cycle, /contains it at self/],
      [Symbol("s"), /found a symbol at the root/],
    ];
    for (const [tree, message] of cases) {
      expect(() => encodeTree(tree, isLeaf)).toThrow(message);
      expect(() => encodeTree(tree, isLeaf)).toThrow(DataError);
    }
    // The same object twice is no cycle.
    const shared = { x: 1 };
    expect(decodeTree(encodeTree([shared, shared], isLeaf).text, () => 0)).toEqual([
      shared,
      shared,
    ]);
  });

  test("damaged text is refused, and cannot reach a prototype", () => {
    for (const text of [
      "",
      "{}",
      '["list",3]',
      '["tensor"]',
      '["number",1]',
      '["object",[[1,["null"]]]]',
      '["what"]',
      "[".repeat(200_000),
    ]) {
      expect(() => decodeTree(text, () => 0)).toThrow(DataError);
    }
    const evil = decodeTree(
      '["object",[["__proto__",["object",[["x",["number","1"]]]]]]]',
      () => 0,
    );
    expect(Object.getPrototypeOf(evil)).toBe(Object.prototype);
    expect((evil as { x?: number }).x).toBeUndefined();
  });
});

describe("writeAtomically", () => {
  test("replaces a file, and leaves nothing else", async () => {
    const folder = join(dir, "atomic");
    await mkdir(folder);
    const path = join(folder, "f");
    await writeAtomically(path, [Buffer.from("old")]);
    await writeAtomically(path, [Buffer.from("new"), Buffer.from("er")]);
    expect(await readFile(path, "utf8")).toBe("newer");
    expect(await readdir(folder)).toEqual(["f"]);
  });

  test("a failure keeps the old file, cleans up and names the file", async () => {
    const folder = join(dir, "failing");
    await mkdir(join(folder, "taken"), { recursive: true });
    await writeFile(join(folder, "taken", "inside"), "");
    const error = await writeAtomically(join(folder, "taken"), [Buffer.from("x")]).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toContain(join(folder, "taken"));
    expect(await readdir(folder)).toEqual(["taken"]);
    await expect(writeAtomically(join(dir, "no", "such", "folder"), [])).rejects.toThrow(DataError);
  });
});
