/**
 * Pillow's affine transform with the nearest pixel, to the bit: steps in 16.16 fixed point (shears,
 * rotations), or positions in doubles added up (translations).
 */
import { emptyLike, type Fill, fillWith, type HostImage } from "../image.js";

/** (x, y) of the result comes from (a·x + b·y + c, d·x + e·y + f) of the image. */
type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

const fixed = (x: number): number => Math.floor(x * 65536 + 0.5);

/** The index of the pixel that holds a position; -1 outside on the low side. */
const pixel = (x: number): number => (x < 0 ? -1 : Math.trunc(x));

export function affine(image: HostImage, matrix: Affine, fill: Fill): HostImage {
  const { height, width, channels } = image;
  const out = emptyLike(image, height, width);
  fillWith(out, fill);
  const copy = (x: number, y: number, fromX: number, fromY: number) => {
    if (fromX < 0 || fromX >= width || fromY < 0 || fromY >= height) return;
    const to = (y * width + x) * channels;
    const from = (fromY * width + fromX) * channels;
    for (let c = 0; c < channels; c++) out.data[to + c] = image.data[from + c]!;
  };
  const [a, b, c, d, e, f] = matrix;
  if (b === 0 && d === 0) {
    let sourceY = f + e * 0.5;
    for (let y = 0; y < height; y++, sourceY += e) {
      let sourceX = c + a * 0.5;
      for (let x = 0; x < width; x++, sourceX += a) copy(x, y, pixel(sourceX), pixel(sourceY));
    }
    return out;
  }
  const [stepX, stepY] = [fixed(a), fixed(d)];
  let rowX = fixed(c + a * 0.5 + b * 0.5);
  let rowY = fixed(f + d * 0.5 + e * 0.5);
  for (let y = 0; y < height; y++, rowX += fixed(b), rowY += fixed(e)) {
    for (let x = 0; x < width; x++) {
      copy(x, y, (rowX + x * stepX) >> 16, (rowY + x * stepY) >> 16);
    }
  }
  return out;
}

/** Pillow's matrices go through degrees, whose rounding can decide between two pixels. */
const throughDegrees = (radians: number): number => radians * (180 / Math.PI) * (Math.PI / 180);

export const shearX = (image: HostImage, by: number, fill: Fill): HostImage =>
  affine(image, [1, Math.tan(throughDegrees(Math.atan(by))), 0, 0, 1, 0], fill);

export const shearY = (image: HostImage, by: number, fill: Fill): HostImage =>
  affine(image, [1, 0, 0, Math.tan(throughDegrees(Math.atan(by))), 1, 0], fill);

/** By whole pixels to the right and down. */
export const translate = (image: HostImage, x: number, y: number, fill: Fill): HostImage =>
  affine(image, [1, 0, -x, 0, 1, -y], fill);

const round15 = (x: number): number => Number(x.toFixed(15));

/** Counter-clockwise around the centre; quarter turns are exact, of square images also at 90°. */
export function rotate(image: HostImage, degrees: number, fill: Fill): HostImage {
  const angle = ((degrees % 360) + 360) % 360;
  if (angle === 0) return image;
  const { width, height } = image;
  const radians = -angle * (Math.PI / 180);
  const [cos, sin] = [round15(Math.cos(radians)), round15(Math.sin(radians))];
  const [x, y] = [width / 2, height / 2];
  const c = cos * -x + sin * -y + x;
  const f = -sin * -x + cos * -y + y;
  return affine(image, [cos, sin, c, -sin, cos, f], fill);
}
