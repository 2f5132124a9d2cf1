/** Makes IDX files, for tests of the reader; written from the format's description. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll } from "vitest";

const codes = {
  uint8: 0x08,
  int8: 0x09,
  int16: 0x0b,
  int32: 0x0c,
  float32: 0x0d,
  float64: 0x0e,
} as const;

export type IdxName = keyof typeof codes;

/** The bytes of an IDX file. */
export function idxBytes(
  dtype: IdxName,
  shape: readonly number[],
  values: readonly number[],
): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head[2] = codes[dtype];
  head[3] = shape.length;
  shape.forEach((d, i) => {
    head.writeUInt32BE(d, 4 + 4 * i);
  });
  const width = { uint8: 1, int8: 1, int16: 2, int32: 4, float32: 4, float64: 8 }[dtype];
  const body = Buffer.alloc(width * values.length);
  values.forEach((v, i) => {
    if (dtype === "uint8") body.writeUInt8(v, i);
    else if (dtype === "int8") body.writeInt8(v, i);
    else if (dtype === "int16") body.writeInt16BE(v, 2 * i);
    else if (dtype === "int32") body.writeInt32BE(v, 4 * i);
    else if (dtype === "float32") body.writeFloatBE(v, 4 * i);
    else body.writeDoubleBE(v, 8 * i);
  });
  return Buffer.concat([head, body]);
}

/** A folder that lives as long as the test file. */
export async function scratch(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "dawngrad-data-"));
  afterAll(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Four files in MNIST's naming; `change` may replace one's bytes. */
export async function writeMnistLike(
  dir: string,
  options: {
    readonly train: readonly number[];
    readonly test: readonly number[];
    readonly side?: number;
    readonly gzip?: boolean;
    readonly change?: Readonly<Record<string, Buffer>>;
  },
): Promise<void> {
  const side = options.side ?? 2;
  for (const [prefix, labels] of [
    ["train", options.train],
    ["t10k", options.test],
  ] as const) {
    const pixels = Array.from({ length: labels.length * side * side }, (_, i) => (7 * i) % 256);
    const files: [string, Buffer][] = [
      [`${prefix}-images-idx3-ubyte`, idxBytes("uint8", [labels.length, side, side], pixels)],
      [`${prefix}-labels-idx1-ubyte`, idxBytes("uint8", [labels.length], labels)],
    ];
    for (const [name, bytes] of files) {
      const content = options.change?.[name] ?? bytes;
      await writeFile(
        join(dir, options.gzip ? `${name}.gz` : name),
        options.gzip ? gzipSync(content) : content,
      );
    }
  }
}
