/** Inputs on which each elementwise primitive is compared with its reference: dense, and the corners. */
import type { DType } from "../../src/core/dtype.js";
import { type NdArray, ndarray } from "../../src/core/ndarray.js";
import type { Primitive } from "../../src/ir/primitive.js";

/** One comparison: flat inputs of equal length, a multiple of 4. */
export interface Case {
  readonly inputs: readonly NdArray[];
  readonly params: object;
}

const f = Math.fround;
const special = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  Infinity,
  -Infinity,
  NaN,
  3.4028234663852886e38,
  2 ** -126,
];

const linear = (lo: number, hi: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => f(lo + ((hi - lo) * (i + 0.37)) / n));

/** Values of both signs, evenly spaced in their logarithm. */
const magnitudes = (lo: number, hi: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) =>
    f(lo * (hi / lo) ** ((i >> 1) / (n >> 1)) * (i % 2 ? -1 : 1)),
  );

const positive = (lo: number, hi: number, n: number): number[] =>
  magnitudes(lo, hi, 2 * n).filter((x) => x > 0);

// Normal results only: denormals may be flushed.
const everywhere = [...magnitudes(1e-30, 1e30, 4000), ...linear(-8, 8, 8000), ...special];
const around = (x: number): number[] =>
  Array.from({ length: 400 }, (_, i) => f(x + x * 2 ** -23 * (i - 200)));

const ints = [
  0,
  1,
  -1,
  2,
  3,
  -3,
  7,
  31,
  32,
  33,
  255,
  -256,
  65537,
  2 ** 31 - 1,
  -(2 ** 31),
  1e9,
  -1e9,
];
const manyInts = [
  ...ints,
  ...Array.from({ length: 200 }, (_, i) => Math.imul(i * i + 1, 0x9e3779b1)),
];

const padTo4 = <T>(list: readonly T[]): T[] => {
  const out = [...list];
  while (out.length % 4 !== 0) out.push(list[0]!);
  return out;
};

function pairs(xs: readonly number[], ys: readonly number[]): [number[], number[]] {
  const a: number[] = [];
  const b: number[] = [];
  for (const x of xs) {
    for (const y of ys) {
      a.push(x);
      b.push(y);
    }
  }
  return [padTo4(a), padTo4(b)];
}

const array = (dtype: DType, xs: readonly number[]): NdArray =>
  ndarray([xs.length], dtype, dtype === "bool" ? xs.map((x) => x & 1) : xs);

const unaryFloats: Readonly<Record<string, readonly number[]>> = {
  exp: [...linear(-87, 88.7, 20000), ...magnitudes(1e-20, 1, 500), ...special],
  expm1: [
    ...linear(-40, 88.7, 20000),
    ...linear(-2, 2, 8000),
    ...magnitudes(1e-20, 1, 2000),
    ...special,
  ],
  log: [...positive(2 ** -126, 3e38, 8000), ...linear(0.4, 2.5, 8000), ...around(1), ...special],
  log1p: [
    ...positive(1e-30, 3e38, 4000),
    ...linear(-1, 3, 12000),
    ...magnitudes(1e-20, 0.5, 4000),
    ...special,
  ],
  relu: [...linear(-3, 3, 2000), ...special],
  logistic: [...linear(-85, 90, 16000), ...special, 200, 1e30, -1e30],
  sqrt: [...positive(2 ** -126, 3e38, 8000), ...special],
  rsqrt: [...positive(2 ** -126, 3e38, 8000), ...special],
  asin: [...linear(-1, 1, 16000), ...magnitudes(1e-20, 1, 2000), ...around(0.5), ...special, 1.5],
  acos: [...linear(-1, 1, 16000), ...magnitudes(1e-20, 1, 2000), ...around(1), ...special, -1.5],
  acosh: [...positive(1, 3e38, 8000), ...linear(1, 4, 8000), ...around(1), ...special, -3],
  atanh: [...linear(-1, 1, 16000), ...magnitudes(1e-20, 1, 2000), ...around(1), ...special, 2],
  sinh: [...linear(-89.4, 89.4, 16000), ...magnitudes(1e-20, 2, 4000), ...special, 1e30],
  cosh: [...linear(-89.4, 89.4, 16000), ...special, -1e30],
  tanh: [...linear(-20, 20, 16000), ...magnitudes(1e-20, 2, 4000), ...special, 44.5, -100, 1e30],
  erf: [...linear(-5, 5, 16000), ...magnitudes(1e-20, 1, 2000), ...special, 50],
  erfc: [...linear(-5, 9.1, 16000), ...magnitudes(1e-20, 1, 2000), ...special, 50],
  erfInv: [...linear(-1, 1, 16000), ...magnitudes(1e-20, 1, 2000), ...around(1), ...special, 2],
  lgamma: [
    ...positive(1e-20, 1e35, 4000),
    ...linear(0.01, 12, 12000),
    ...linear(-9.99, 0, 4000).filter((x) => Math.abs(x - Math.round(x)) > 1e-3),
    ...around(1),
    ...around(2),
    ...special,
    -2,
  ],
  digamma: [
    ...positive(1e-18, 1e35, 4000),
    ...linear(0.01, 12, 12000),
    ...linear(-9.99, 0, 4000).filter((x) => Math.abs(x - Math.round(x)) > 1e-2),
    Infinity,
    NaN,
    -3,
  ],
  sin: trigonometric(),
  cos: trigonometric(),
  tan: trigonometric(),
};

function trigonometric(): number[] {
  const near = Array.from({ length: 4000 }, (_, i) => f((i * Math.PI) / 2));
  return [
    ...linear(-7, 7, 16000),
    ...magnitudes(1e-20, 1e5, 8000),
    ...magnitudes(8000, 3e38, 8000),
    ...near,
    ...special,
  ];
}

const paramsOf: Readonly<Record<string, readonly object[]>> = {
  convert: ["float32", "int32", "uint32", "bool"].map((dtype) => ({ dtype })),
  bitcast: ["float32", "int32", "uint32"].map((dtype) => ({ dtype })),
  integerPow: [-17, -3, -1, 0, 2, 3, 5, 16, 31].map((n) => ({ n })),
  polygamma: [1, 2, 3, 4].map((n) => ({ n })),
};

const binaryFloats = [...magnitudes(1e-8, 1e8, 120), ...linear(-4, 4, 80), ...special.slice(0, 9)];

const powBases = [
  ...positive(1e-6, 1e6, 60),
  ...linear(-3, 3, 60),
  ...around(1).slice(150, 250),
  ...special,
];
const powExponents = [
  ...linear(-20, 20, 60),
  ...[-3, -2, -1, 0, 1, 2, 3, 5, 10, 100, 1e9, 0.5],
  ...special,
];
const remainders = [...magnitudes(1e-30, 1e30, 200), ...linear(-20, 20, 60), 3, -3, ...special];

/** Every combination of dtypes (and parameters) that the primitive takes, with inputs for each. */
export function casesOf(prim: Primitive): Case[] {
  const out: Case[] = [];
  for (const params of paramsOf[prim.name] ?? [{}]) {
    for (const dtypes of signatures) {
      try {
        prim.aval(
          dtypes.map((dtype) => ({ shape: [4], dtype })),
          params,
        );
      } catch {
        continue;
      }
      out.push({ inputs: inputsFor(prim.name, dtypes), params });
    }
  }
  return out;
}

const all: readonly DType[] = ["float32", "int32", "uint32", "bool"];
const signatures: readonly (readonly DType[])[] = [
  ...all.map((d) => [d]),
  ...all.map((d) => [d, d]),
  ...all.map((d) => ["bool", d, d] as const),
  ...all.filter((d) => d !== "bool").map((d) => [d, d, d]),
  ["uint32", "uint32", "uint32", "uint32"],
];

function inputsFor(name: string, dtypes: readonly DType[]): NdArray[] {
  const [dtype] = dtypes;
  const last = dtypes.at(-1)!;
  if (dtypes.length === 1) {
    if (dtype !== "float32") return [array(dtype!, padTo4(manyInts))];
    if (name === "polygamma")
      return [
        array(dtype, padTo4(unaryFloats.digamma!.filter((x) => Math.abs(x) > 0.02 && x < 1e10))),
      ];
    if (name === "integerPow")
      return [array(dtype, padTo4([...magnitudes(0.02, 50, 2000), ...special.slice(0, 6)]))];
    // A NaN's bits are not kept on every path.
    const list = unaryFloats[name] ?? everywhere;
    return [array(dtype, padTo4(name === "bitcast" ? list.filter((x) => !Number.isNaN(x)) : list))];
  }
  if (dtypes.length === 2) {
    const [xs, ys] =
      dtype !== "float32"
        ? pairs(manyInts, [...ints, ...manyInts.slice(-10)])
        : name === "pow"
          ? pairs(powBases, powExponents)
          : name === "rem"
            ? pairs(remainders, remainders)
            : pairs(binaryFloats, binaryFloats);
    return [array(dtype!, xs), array(dtype!, ys)];
  }
  const words = padTo4(last === "float32" ? binaryFloats : manyInts);
  const turned = (k: number) => words.map((_, i) => words[(i * k + k) % words.length]!);
  return dtypes.map((d, i) =>
    array(d, d === "bool" ? words.map((_, j) => j % 2) : turned(2 * i + 1)),
  );
}
