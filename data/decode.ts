/** Image files to pixels, by the optional package sharp. Worker threads load this file. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { HostImage } from "./augment/image.js";

/** What a file may take on disk; and in pixels, where Pillow warns of a decompression bomb. */
const MAX_BYTES = 2 ** 28;
const MAX_PIXELS = 89_478_485;

type Sharp = typeof import("sharp").default;
let loading: Promise<Sharp> | undefined;

/** Throws an Error that says what to install. */
export function loadSharp(): Promise<Sharp> {
  loading ??= import("sharp").then(
    (module) => module.default,
    (error: unknown) => {
      throw new Error(
        "reading image files needs the package sharp, which is not installed here: npm install sharp",
        { cause: error },
      );
    },
  );
  return loading;
}

const starts: readonly (readonly [format: string, bytes: readonly number[]])[] = [
  ["JPEG", [0xff, 0xd8, 0xff]],
  ["PNG", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["GIF", [0x47, 0x49, 0x46, 0x38]],
  ["WebP", [0x52, 0x49, 0x46, 0x46]],
  ["TIFF", [0x49, 0x49, 0x2a, 0x00]],
  ["TIFF", [0x4d, 0x4d, 0x00, 0x2a]],
];

/** Endings of the files that an image folder takes for images. */
export const imageEndings: readonly string[] = [
  ".jpg",
  ".jpeg",
  ".png",
  ".webp",
  ".gif",
  ".tif",
  ".tiff",
];

/**
 * The image of a file as red, green and blue bytes; of several frames the first. Transparency is
 * dropped and orientation tags are ignored, as Pillow's `convert("RGB")` does.
 *
 * Throws an Error that names the file if it is no image, damaged, truncated or far too large.
 */
export async function decodeFile(path: string): Promise<HostImage<Uint8Array>> {
  const sharp = await loadSharp();
  const bytes = await readBytes(path);
  if (!starts.some(([, start]) => start.every((byte, i) => bytes[i] === byte))) {
    const formats = [...new Set(starts.map(([format]) => format))].join(", ");
    throw new Error(`${path}: expected an image (${formats}), found ${kindOf(bytes)}`);
  }
  try {
    const { data, info } = await sharp(bytes, { failOn: "error", limitInputPixels: MAX_PIXELS })
      .toColourspace("srgb")
      .removeAlpha()
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    const pixels = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { data: threeChannels(pixels, info.channels), height, width, channels: 3 };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${path}: expected a whole image, found: ${message.trim()}`, { cause: error });
  }
}

async function readBytes(path: string): Promise<Buffer> {
  // Non-blocking, or opening a named pipe would wait for its writer for ever.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(
    (error: Error) => {
      throw new Error(`${path}: expected an image file, found: ${error.message}`, { cause: error });
    },
  );
  try {
    const info = await handle.stat();
    if (!info.isFile() || info.size === 0 || info.size > MAX_BYTES) {
      const found = info.isFile() ? `${info.size} bytes` : "something that is no file";
      throw new Error(`${path}: expected an image of at most ${MAX_BYTES} bytes, found ${found}`);
    }
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

const kindOf = (bytes: Uint8Array): string => {
  const start = bytes.subarray(0, 64);
  const text = start.every((b) => (b >= 0x20 && b < 0x7f) || b === 9 || b === 10 || b === 13);
  return text
    ? `text: ${JSON.stringify(Buffer.from(start.subarray(0, 24)).toString("latin1"))}`
    : `bytes ${Buffer.from(bytes.subarray(0, 8)).toString("hex")}`;
};

/** Grey images as colour. */
function threeChannels(pixels: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return pixels;
  const out = new Uint8Array((pixels.length / channels) * 3);
  for (let i = 0; i < out.length; i++) out[i] = pixels[Math.floor(i / 3) * channels]!;
  return out;
}
