import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readIdx } from "../../data/idx.js";
import { DataError } from "../../src/index.js";
import { type IdxName, idxBytes, scratch } from "./idx-files.js";

const dir = await scratch();
let files = 0;
async function file(bytes: Uint8Array): Promise<string> {
  const path = join(dir, `file-${files++}`);
  await writeFile(path, bytes);
  return path;
}

/** The DataError of reading these bytes; fails if they are read, or if anything else is thrown. */
async function refusal(bytes: Uint8Array, options = {}): Promise<string> {
  const path = await file(bytes);
  const error = await readIdx(path, options).then(
    (array) => new Error(`was read as ${array.dtype}[${array.shape}]`),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(DataError);
  const message = (error as Error).message;
  expect(message).toContain(path);
  expect(message).toMatch(/expected .+found /s);
  return message;
}

const ranges: Record<IdxName, fc.Arbitrary<number>> = {
  uint8: fc.integer({ min: 0, max: 255 }),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32768, max: 32767 }),
  int32: fc.integer(),
  float32: fc.float({ noNaN: true }),
  float64: fc.double({ noNaN: true }),
};

const arrays = fc
  .tuple(
    fc.constantFrom(...(Object.keys(ranges) as IdxName[])),
    fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
  )
  .chain(([dtype, shape]) => {
    const size = shape.reduce((n, d) => n * d, 1);
    return fc.record({
      dtype: fc.constant(dtype),
      shape: fc.constant(shape),
      values: fc.array(ranges[dtype], { minLength: size, maxLength: size }),
    });
  });

describe("readIdx", () => {
  test("reads back every type and shape, plain and gzipped, in one member or several", async () => {
    await fc.assert(
      fc.asyncProperty(arrays, fc.nat(), async ({ dtype, shape, values }, cut) => {
        const bytes = idxBytes(dtype, shape, values);
        const at = cut % bytes.length;
        const members = Buffer.concat([
          gzipSync(bytes.subarray(0, at)),
          gzipSync(bytes.subarray(at)),
        ]);
        for (const content of [bytes, gzipSync(bytes), members]) {
          const got = await readIdx(await file(content), { dtype, rank: shape.length });
          expect(got.dtype).toBe(dtype);
          expect(got.shape).toEqual(shape);
          expect(Array.from(got.data)).toEqual(values);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("reads what is larger than one chunk", async () => {
    const values = Array.from({ length: 3_000_000 }, (_, i) => (i * 31) & 255);
    const bytes = idxBytes("uint8", [3000, 1000], values);
    for (const content of [bytes, gzipSync(bytes)]) {
      const { data } = await readIdx(await file(content));
      expect(Buffer.compare(data as Uint8Array, Buffer.from(values))).toBe(0);
    }
  });

  const small = idxBytes("int16", [2, 3], [1, -2, 3, -4, 5, -6]);
  const zipped = gzipSync(small);

  test("refuses a file cut short at any byte, saying so", async () => {
    for (let length = 0; length < small.length; length++) {
      expect(await refusal(small.subarray(0, length))).toMatch(/truncated/);
    }
    // The first byte alone is not known to be gzip, but is no IDX file either.
    for (let length = 0; length < zipped.length; length++) {
      expect(await refusal(zipped.subarray(0, length))).toMatch(/truncated/);
    }
  });

  test("refuses trailing bytes", async () => {
    for (const tail of [
      Buffer.of(0),
      Buffer.from("hello"),
      Buffer.of(0x1f, 0x8b),
      Buffer.alloc(999),
    ]) {
      expect(await refusal(Buffer.concat([small, tail]))).toContain(
        `int16[2,3], which is 12 bytes after the header, found ${12 + tail.length}`,
      );
      await refusal(Buffer.concat([zipped, tail]));
      await refusal(gzipSync(Buffer.concat([small, tail])));
    }
  });

  test("refuses every other magic number", async () => {
    for (let byte = 0; byte < 4; byte++) {
      for (let bit = 0; bit < 8; bit++) {
        const bytes = Buffer.from(small);
        bytes[byte]! ^= 1 << bit;
        await refusal(bytes);
        await refusal(gzipSync(bytes));
      }
    }
    expect(await refusal(Buffer.from("\x89PNG\r\n\x1a\n and so on", "latin1"))).toContain(
      "89 50 4e 47",
    );
    expect(await refusal(Buffer.of(0, 0, 8, 0, 5))).toMatch(/rank of at least 1/);
  });

  test("any one bit flipped in a gzip file is refused, or harmless", async () => {
    // Harmless: the time stamp, the operating system, the padding of DEFLATE's last byte.
    let refused = 0;
    for (let at = 0; at < zipped.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const bytes = Buffer.from(zipped);
        bytes[at]! ^= 1 << bit;
        const path = await file(bytes);
        try {
          expect(Array.from((await readIdx(path)).data)).toEqual([1, -2, 3, -4, 5, -6]);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
          expect((error as Error).message).toContain(path);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(8 * (zipped.length - 10));
  });

  test("allocates nothing for a header that the file cannot satisfy", async () => {
    const huge = [0xffffffff, 0xffffffff, 0xffffffff];
    const large = [1 << 30];
    for (const shape of [huge, large, [...huge, ...huge]]) {
      const bytes = idxBytes("uint8", shape, [1, 2, 3]);
      const before = process.memoryUsage().arrayBuffers;
      const started = performance.now();
      await refusal(bytes);
      expect(await refusal(gzipSync(bytes))).toMatch(/maxBytes|cannot hold that many/);
      expect(performance.now() - started).toBeLessThan(1000);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 << 20);
    }
    // Within what the compressed size allows: grows with what arrives, never with what is claimed.
    const liar = gzipSync(idxBytes("uint8", [50 << 20], Array<number>(60_000).fill(0)), {
      level: 0,
    });
    const before = process.memoryUsage().arrayBuffers;
    expect(await refusal(liar)).toMatch(/found 60000.*truncated/s);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 << 20);
  });

  test("stops a compressed file that expands beyond its header", async () => {
    const head = idxBytes("uint8", [10], []);
    const bomb = gzipSync(Buffer.concat([head, Buffer.alloc(64 << 20)]), { level: 1 });
    const started = performance.now();
    expect(await refusal(bomb)).toMatch(/uint8\[10\], which is 10 bytes.*found at least/);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test("an empty array may have huge other sizes", async () => {
    const huge = [...Array<number>(40).fill(0xffffffff), 0, 0xffffffff];
    const { shape, data } = await readIdx(await file(idxBytes("float64", huge, [])));
    expect(shape).toEqual(huge);
    expect(data.length).toBe(0);
  });

  test("refuses another type, rank or size than asked for", async () => {
    expect(await refusal(small, { dtype: "uint8" })).toContain("uint8, found int16");
    expect(await refusal(small, { rank: 3 })).toContain("3 dimensions, found 2");
    expect(await refusal(small, { maxBytes: 11 })).toContain("maxBytes");
  });

  test("refuses what is no file, at once", async () => {
    await expect(readIdx(join(dir, "absent"))).rejects.toThrow(
      /absent: expected a file, found nothing/,
    );
    await mkdir(join(dir, "folder"));
    await expect(readIdx(join(dir, "folder"))).rejects.toThrow(/expected a file, found a folder/);
    await expect(readIdx(join(await file(small), "inside"))).rejects.toThrow(DataError);
    if (process.platform !== "win32") {
      execFileSync("mkfifo", [join(dir, "pipe")]);
      await expect(readIdx(join(dir, "pipe"))).rejects.toThrow(/found something that is no file/);
    }
  }, 2000);
});
