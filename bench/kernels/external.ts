/**
 * Shaders of the reader's own (`--kernels FOLDER`), by the names of their files: what each computes,
 * and how its constants and its grid follow from the shape. Nothing of them is part of this project.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Values } from "../harness/values.js";
import type { RawWork } from "./raw.js";

export type ProductKind = "plain" | "first transposed" | "second transposed";
export type ProductShape = readonly [m: number, k: number, n: number];

interface ProductText {
  readonly kind: ProductKind;
  /** The text for a shape, or undefined where it cannot do it. */
  readonly text: (text: string, shape: ProductShape) => string | undefined;
  readonly grid: (shape: ProductShape) => [number, number];
}

const only =
  (m: number, k: number, n: number) =>
  (text: string, shape: ProductShape): string | undefined =>
    shape[0] === m && shape[1] === k && shape[2] === n ? text : undefined;

const sized = (text: string, [m, k, n]: ProductShape): string | undefined =>
  m % 4 === 0 && k % 4 === 0 && n % 32 === 0
    ? text.replace(
        /const M=\d+u; const K=\d+u; const N=\d+u;/,
        `const M=${m}u; const K=${k}u; const N=${n}u;`,
      )
    : undefined;

const square = (text: string, [m, k, n]: ProductShape): string | undefined =>
  m === k && k === n ? text.replace(/const N = \d+u;/, `const N = ${n}u;`) : undefined;

/** The shapes of the texts that are known. */
const products: Readonly<Record<string, ProductText>> = {
  "matmul-subgroup8-unrolled": {
    kind: "plain",
    text: sized,
    grid: ([m, , n]) => [n / 32, Math.ceil(m / 16)],
  },
  "matmul-subgroup8-compact": { kind: "plain", text: square, grid: ([m, , n]) => [n / 32, m / 16] },
  "matmul-register-8x4": {
    kind: "plain",
    text: sized,
    grid: ([m, , n]) => [n / 32, Math.ceil(m / 8)],
  },
  "matmul-transposed-a-subgroup8": {
    kind: "first transposed",
    text: only(512, 128, 256),
    grid: () => [8, 16],
  },
  "matmul-transposed-b-subgroup8": {
    kind: "second transposed",
    text: only(128, 256, 512),
    grid: () => [16, 4],
  },
};

const convForward = "conv3x3-nhwc-implicit-gemm-subgroup8";
const convWeightGradient = "conv3x3-weight-gradient-subgroup8";

export class ExternalTexts {
  readonly #texts = new Map<string, string>();

  constructor(folder?: string) {
    if (folder === undefined) return;
    for (const file of readdirSync(folder)
      .filter((f) => f.endsWith(".wgsl"))
      .sort()) {
      this.#texts.set(basename(file, ".wgsl"), readFileSync(join(folder, file), "utf8"));
    }
  }

  /** Names of texts whose shapes nobody has told this file. */
  unknown(): string[] {
    const known = [...Object.keys(products), convForward, convWeightGradient];
    return [...this.#texts.keys()].filter((name) => !known.includes(name));
  }

  /** Every text that can do this product; `a` and `b` as they lie in memory. */
  products(kind: ProductKind, shape: ProductShape, a: Values, b: Values): RawWork[] {
    return Object.entries(products).flatMap(([name, entry]): RawWork[] => {
      const given = entry.kind === kind ? this.#texts.get(name) : undefined;
      const wgsl = given === undefined ? undefined : entry.text(given, shape);
      if (wgsl === undefined) return [];
      return [
        {
          name: `${name}.wgsl`,
          inputs: { a, b },
          made: { c: [shape[0], shape[2]] },
          passes: [{ wgsl, grid: entry.grid(shape), buffers: ["a", "b", "c"] }],
          outputs: ["c"],
        },
      ];
    });
  }

  /** 32×32×32×64→64: the forward text, and the texts of the weight gradient (a pass a part). */
  get conv(): string | undefined {
    return this.#texts.get(convForward);
  }

  get convWeightGradient(): readonly string[] | undefined {
    return this.#texts.get(convWeightGradient)?.split(/^\/\/ -+ next kernel\s*$/m);
  }
}
