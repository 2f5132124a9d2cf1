/**
 * Sample operands for every primitive, by name. The table test fails for a primitive without
 * samples: a new primitive cannot be forgotten.
 */
import { sizeOf } from "../../src/core/aval.js";
import type { DType } from "../../src/core/dtype.js";
import { type NdArray, ndarray } from "../../src/core/ndarray.js";
import { uniforms } from "../../src/reference/perturb.js";

export interface Sample {
  readonly inputs: readonly NdArray[];
  readonly params: object;
}

const random = uniforms(42);

/** Distinct values in (lo, hi), so that no two are near a tie. */
export function floats(shape: readonly number[], lo = -2, hi = 2): NdArray {
  const n = sizeOf(shape);
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const step = (hi - lo) / (n + 1);
  return ndarray(
    shape,
    "float32",
    // Rounded to f32, so that the device sees the same values.
    order.map((k) => Math.fround(lo + step * (k + 0.75 + 0.4 * random()))),
  );
}

export function integers(
  shape: readonly number[],
  lo: number,
  hi: number,
  dtype: DType = "int32",
): NdArray {
  return ndarray(
    shape,
    dtype,
    Array.from({ length: sizeOf(shape) }, () => lo + Math.floor(random() * (hi - lo + 1))),
  );
}

const bools = (shape: readonly number[]): NdArray => integers(shape, 0, 1, "bool");
const words = (shape: readonly number[]): NdArray => integers(shape, 0, 2 ** 32 - 1, "uint32");

const S = [2, 3] as const;
const one = (lo: number, hi: number): Sample[] => [{ inputs: [floats(S, lo, hi)], params: {} }];
const two = (lo = -2, hi = 2): Sample[] => [
  { inputs: [floats(S, lo, hi), floats(S, lo * 0.9 + 0.013, hi * 0.9 + 0.017)], params: {} },
];
const arithmetic = (): Sample[] => [
  ...two(),
  { inputs: [integers(S, -(2 ** 31), 2 ** 31 - 1), integers(S, -9, 9)], params: {} },
  { inputs: [words(S), words(S)], params: {} },
];
const compare = (): Sample[] => [
  ...two(),
  { inputs: [integers(S, -2, 2), integers(S, -2, 2)], params: {} },
  { inputs: [words(S), words(S)], params: {} },
];
const bitwise = (): Sample[] => [
  { inputs: [bools(S), bools(S)], params: {} },
  { inputs: [integers(S, -99, 99), integers(S, -99, 99)], params: {} },
  { inputs: [words(S), words(S)], params: {} },
];
const shifts = (): Sample[] => [
  { inputs: [integers(S, -99, 99), integers(S, 0, 35)], params: {} },
  { inputs: [words(S), integers(S, 0, 35, "uint32")], params: {} },
];
const dtyped = (make: (dtype: DType) => NdArray): NdArray[] =>
  (["float32", "int32", "uint32", "bool"] as const).map(make);
const anything = (shape: readonly number[]): NdArray[] =>
  dtyped((d) =>
    d === "float32" ? floats(shape) : d === "bool" ? bools(shape) : integers(shape, 0, 9, d),
  );
const views = (shape: readonly number[], params: object): Sample[] =>
  anything(shape).map((x) => ({ inputs: [x], params }));
const T = [2, 3, 4] as const;

/** One axis of a window map: `positions` places of a window of `window` elements. */
const slide = (
  positions: number,
  window: number,
  { stride = 1, dilation = 1, base = 1, lo = 0 } = {},
) => ({ positions, window, stride, dilation, base, lo });
/** Axes [1, 2] of [2, 4, 3, 2], with strides, padding, dilations of window and base. */
const sliding = [
  { axes: [1, 2], dims: [slide(4, 3, { lo: 1 }), slide(2, 2)] },
  { axes: [1, 2], dims: [slide(2, 2, { stride: 2 }), slide(3, 2, { dilation: 2, lo: 1 })] },
  { axes: [1, 2], dims: [slide(5, 3, { base: 2, lo: 1 }), slide(2, 2, { dilation: -1, lo: -1 })] },
] as const;
const IMAGE = [2, 4, 3, 2] as const;
const nhwc = { batch: [], free: [0], contract: [3], spatial: [1, 2] };
const hwio = { batch: [], free: [3], contract: [2], spatial: [0, 1] };

export const samples: Readonly<Record<string, () => Sample[]>> = {
  abs: () => [...one(-2, 2), { inputs: [integers(S, -9, 9)], params: {} }],
  acos: () => one(-0.9, 0.9),
  acosh: () => one(1.1, 6),
  add: arithmetic,
  and: bitwise,
  asin: () => one(-0.9, 0.9),
  asinh: () => one(-3, 3),
  atan: () => one(-4, 4),
  atan2: () => [
    { inputs: [floats(S), floats(S, 0.2, 2)], params: {} },
    { inputs: [floats(S, 0.1, 2), floats(S, -2, -0.2)], params: {} },
  ],
  atanh: () => one(-0.9, 0.9),
  bitcast: () => [
    { inputs: [floats(S)], params: { dtype: "int32" } },
    { inputs: [floats(S)], params: { dtype: "uint32" } },
    { inputs: [integers(S, 0x3f800000, 0x40400000)], params: { dtype: "float32" } },
  ],
  ceil: () => one(-2, 2),
  clamp: () => [{ inputs: [floats(S, -1.3, -1), floats(S), floats(S, 1, 1.3)], params: {} }],
  clz: () => [{ inputs: [words(S)], params: {} }],
  convert: () => [
    { inputs: [floats(S)], params: { dtype: "int32" } },
    { inputs: [floats(S, 0.1, 9)], params: { dtype: "uint32" } },
    { inputs: [floats(S)], params: { dtype: "bool" } },
    { inputs: [integers(S, -99, 99)], params: { dtype: "float32" } },
    { inputs: [words(S)], params: { dtype: "float32" } },
    { inputs: [bools(S)], params: { dtype: "float32" } },
    { inputs: [bools(S)], params: { dtype: "int32" } },
  ],
  cos: () => one(-4, 4),
  cosh: () => one(-3, 3),
  digamma: () => one(0.3, 5),
  div: () => [
    { inputs: [floats(S), floats(S, 0.4, 2)], params: {} },
    { inputs: [integers(S, -99, 99), integers(S, 1, 7)], params: {} },
    { inputs: [words(S), integers(S, 1, 7, "uint32")], params: {} },
  ],
  eq: compare,
  erf: () => one(-3, 3),
  erfInv: () => one(-0.95, 0.95),
  erfc: () => one(-2, 3),
  exp: () => one(-4, 4),
  expm1: () => one(-2, 2),
  floor: () => one(-2, 2),
  ge: compare,
  gt: compare,
  integerPow: () =>
    [-2, 0, 1, 2, 3, 5].map((n) => ({ inputs: [floats(S, 0.3, 1.8)], params: { n } })),
  isFinite: () => one(-2, 2),
  isNan: () => one(-2, 2),
  le: compare,
  lgamma: () => one(0.3, 5),
  log: () => one(0.2, 6),
  log1p: () => one(-0.7, 5),
  logistic: () => one(-6, 6),
  lt: compare,
  max: arithmetic,
  min: arithmetic,
  mul: arithmetic,
  ne: compare,
  neg: () => [...one(-2, 2), { inputs: [integers(S, -9, 9)], params: {} }],
  not: () => [
    { inputs: [bools(S)], params: {} },
    { inputs: [integers(S, -9, 9)], params: {} },
  ],
  or: bitwise,
  polygamma: () => [1, 2].map((n) => ({ inputs: [floats(S, 0.5, 5)], params: { n } })),
  populationCount: () => [{ inputs: [words(S)], params: {} }],
  pow: () => [{ inputs: [floats(S, 0.2, 3), floats(S)], params: {} }],
  rem: () => [
    { inputs: [floats(S, 0.1, 4), floats(S, 1.3, 1.9)], params: {} },
    { inputs: [integers(S, -99, 99), integers(S, 1, 7)], params: {} },
  ],
  relu: () => one(-2, 2),
  round: () => one(-2, 2),
  rsqrt: () => one(0.2, 5),
  select: () => [
    { inputs: [bools(S), floats(S), floats(S)], params: {} },
    { inputs: [bools(S), integers(S, -9, 9), integers(S, -9, 9)], params: {} },
  ],
  shiftLeft: shifts,
  shiftRightArithmetic: shifts,
  shiftRightLogical: shifts,
  sign: () => [...one(-2, 2), { inputs: [integers(S, -2, 2)], params: {} }],
  sin: () => one(-4, 4),
  sinh: () => one(-3, 3),
  sqrt: () => one(0.2, 5),
  sub: arithmetic,
  tan: () => one(-1.2, 1.2),
  tanh: () => one(-3, 3),
  threefry2x32: () => [{ inputs: [words(S), words(S), words(S), words(S)], params: {} }],
  xor: bitwise,
  broadcastInDim: () => views([2, 1], { shape: [3, 2, 4], dims: [1, 2] }),
  reshape: () => views(S, { shape: [3, 2] }),
  transpose: () => views(T, { perm: [2, 0, 1] }),
  reverse: () => views(T, { axes: [0, 2] }),
  slice: () => views([5, 4], { start: [1, 0], limit: [5, 3], strides: [2, 1] }),
  pad: () => [
    ...anything(S).map((x) => ({
      inputs: [x, ndarray([], x.dtype, 1)],
      params: { lo: [1, -1], hi: [0, 2], interior: [1, 0] },
    })),
    { inputs: [floats(S), floats([])], params: { lo: [0, 1], hi: [-1, 1], interior: [0, 2] } },
  ],
  concatenate: () => anything(S).map((x) => ({ inputs: [x, x, x], params: { axis: 1 } })),
  iota: () =>
    (["float32", "int32", "uint32"] as const).map((dtype) => ({
      inputs: [],
      params: { dtype, shape: [3, 4], axis: 1 },
    })),
  stopGradient: () => views(S, {}),
  optimizationBarrier: () => [
    { inputs: [floats([2, 3])], params: {} },
    { inputs: [floats([2, 3]), floats([2]), floats([])], params: {} },
  ],
  gather: () => [
    { inputs: [floats(T), integers([5], -1, 4)], params: { axis: 1, batch: 0 } },
    { inputs: [floats(T), integers([2, 2], 0, 2, "uint32")], params: { axis: 1, batch: 1 } },
    { inputs: [integers(T, -9, 9), integers([2, 3, 2], 0, 3)], params: { axis: 2, batch: 2 } },
  ],
  scatterAdd: () => [
    {
      inputs: [floats(T), integers([5], -1, 4), floats([2, 5, 4])],
      params: { axis: 1, batch: 0 },
    },
    {
      inputs: [floats(T), integers([2, 2], 0, 2), floats([2, 2, 4])],
      params: { axis: 1, batch: 1 },
    },
  ],
  dynamicSlice: () => [
    {
      inputs: [floats([5, 4]), integers([], 0, 6), integers([], -1, 2)],
      params: { sizes: [2, 3], batch: 0 },
    },
    { inputs: [floats([2, 5]), integers([2], 0, 4)], params: { sizes: [2], batch: 1 } },
  ],
  dynamicUpdateSlice: () => [
    {
      inputs: [floats([5, 4]), floats([2, 3]), integers([], 0, 6), integers([], -1, 2)],
      params: { batch: 0 },
    },
    { inputs: [floats([2, 5]), floats([2, 2]), integers([2], 0, 4)], params: { batch: 1 } },
  ],
  reduceSum: () => [
    { inputs: [floats(T)], params: { axes: [0, 2] } },
    { inputs: [integers(T, -9, 9)], params: { axes: [1] } },
  ],
  reduceProd: () => [
    { inputs: [floats(T, 0.4, 1.5)], params: { axes: [1] } },
    // A zero among the factors: no division may be hidden in the derivative.
    { inputs: [ndarray([3], "float32", [0, 0.5, -1.5])], params: { axes: [0] } },
    { inputs: [ndarray([3], "float32", [0, 0.5, 0])], params: { axes: [0] } },
  ],
  reduceMax: () => [
    { inputs: [floats(T)], params: { axes: [0, 2] } },
    { inputs: [integers(T, -99, 99)], params: { axes: [1] } },
  ],
  reduceMin: () => [
    { inputs: [floats(T)], params: { axes: [1] } },
    { inputs: [words(T)], params: { axes: [1] } },
  ],
  reduceAnd: () => [{ inputs: [bools(T)], params: { axes: [1] } }],
  reduceOr: () => [{ inputs: [bools(T)], params: { axes: [0, 1] } }],
  cumsum: () => [
    { inputs: [floats([2, 5])], params: { axis: 1, reverse: false } },
    { inputs: [floats([5, 2])], params: { axis: 0, reverse: true } },
    { inputs: [floats([150])], params: { axis: 0, reverse: false } },
  ],
  cumprod: () => [
    { inputs: [floats([2, 5], 0.4, 1.5)], params: { axis: 1, reverse: false } },
    { inputs: [ndarray([4], "float32", [0.5, 0, 2, 3])], params: { axis: 0, reverse: true } },
  ],
  cummax: () => [{ inputs: [floats([2, 5])], params: { axis: 1, reverse: false } }],
  cummin: () => [{ inputs: [floats([5, 2])], params: { axis: 0, reverse: true } }],
  dotGeneral: () => [
    { inputs: [floats([2, 3]), floats([3, 4])], params: { contract: [[1], [0]], batch: [[], []] } },
    { inputs: [floats([3, 2]), floats([4, 3])], params: { contract: [[0], [1]], batch: [[], []] } },
    { inputs: [floats(T), floats([4, 2, 5])], params: { contract: [[2], [0]], batch: [[0], [1]] } },
    {
      inputs: [floats(T), floats(T)],
      params: {
        contract: [
          [0, 1, 2],
          [0, 1, 2],
        ],
        batch: [[], []],
      },
    },
    {
      inputs: [integers(S, -9, 9), integers([3], -9, 9)],
      params: { contract: [[1], [0]], batch: [[], []] },
    },
  ],
  windows: () => [
    ...sliding.map((params) => ({ inputs: [floats(IMAGE), floats([])], params })),
    ...anything(IMAGE).map((x) => ({
      inputs: [x, ndarray([], x.dtype, 1)],
      params: sliding[0],
    })),
    // Windows of one element are slices.
    {
      inputs: [floats([2, 5]), floats([])],
      params: { axes: [1], dims: [slide(2, 1, { stride: 2, lo: -1 })] },
    },
    {
      inputs: [floats([2, 5]), floats([])],
      params: { axes: [1], dims: [slide(3, 1, { stride: 2, lo: 1 })] },
    },
  ],
  shearWindows: () => [
    { inputs: [floats([2, 4, 3, 3, 2])], params: { axes: [1, 2], dims: sliding[0].dims } },
    { inputs: [floats([4, 3, 2])], params: { axes: [0], dims: [slide(5, 3, { lo: 1 })] } },
    {
      inputs: [floats([3, 2])],
      params: { axes: [0], dims: [slide(4, 2, { stride: 2, dilation: -2, base: 2, lo: -1 })] },
    },
    { inputs: [integers([3, 2], -9, 9)], params: { axes: [0], dims: [slide(3, 2, { lo: 1 })] } },
  ],
  windowMax: () => [
    ...sliding.map((params) => ({ inputs: [floats(IMAGE)], params })),
    {
      inputs: [integers([2, 5], -2, 2)],
      params: { axes: [1], dims: [slide(3, 3, { lo: 1, stride: 2 })] },
    },
  ],
  windowMin: () => [
    ...sliding.map((params) => ({ inputs: [floats(IMAGE)], params })),
    { inputs: [words([2, 5])], params: { axes: [1], dims: [slide(3, 3, { lo: 1, stride: 2 })] } },
  ],
  takeWindow: () =>
    sliding.map((params) => {
      const shape = [2, params.dims[0].positions, params.dims[1].positions, 2];
      return { inputs: [floats(IMAGE), integers(shape, -1, 7)], params };
    }),
  conv: () => [
    // Padding, stride and dilation.
    {
      inputs: [floats([2, 4, 5, 2]), floats([3, 2, 2, 3])],
      params: {
        lhs: nhwc,
        rhs: hwio,
        out: [0, 1, 2, 3],
        dims: [slide(4, 3, { lo: 1 }), slide(2, 2, { stride: 2, dilation: 2 })],
      },
    },
    // Channels first, an output of another order, a dilated base, windows read backwards.
    {
      inputs: [floats([2, 2, 3, 3]), floats([2, 2, 2, 2])],
      params: {
        lhs: { batch: [], free: [0], contract: [1], spatial: [2, 3] },
        rhs: { batch: [], free: [0], contract: [1], spatial: [2, 3] },
        out: [0, 3, 1, 2],
        dims: [slide(5, 2, { base: 2, lo: 1 }), slide(4, 2, { dilation: -1 })],
      },
    },
    // Groups as a batch axis, one spatial axis, two free axes on the left; no contracted axis.
    {
      inputs: [floats([2, 4, 2, 3]), floats([2, 2, 3])],
      params: {
        lhs: { batch: [3], free: [2, 0], contract: [], spatial: [1] },
        rhs: { batch: [2], free: [1], contract: [], spatial: [0] },
        out: [2, 3, 1, 4, 0],
        dims: [slide(3, 2)],
      },
    },
    // A gradient of weights: the window is larger than the places; spatial axes out of order.
    {
      inputs: [floats([4, 4, 2]), floats([3, 3, 2, 2])],
      params: {
        lhs: { batch: [], free: [], contract: [2], spatial: [1, 0] },
        rhs: { batch: [], free: [2], contract: [3], spatial: [1, 0] },
        out: [1, 0, 2],
        dims: [slide(2, 3), slide(2, 3)],
      },
    },
    // Windows that reach beyond both ends.
    {
      inputs: [floats([2, 3]), floats([4, 2, 3])],
      params: {
        lhs: { batch: [], free: [], contract: [0], spatial: [1] },
        rhs: { batch: [], free: [2], contract: [1], spatial: [0] },
        out: [0, 1],
        dims: [slide(2, 4, { lo: 1 })],
      },
    },
    {
      inputs: [integers([1, 4, 2], -9, 9), integers([3, 2, 2], -9, 9)],
      params: {
        lhs: { batch: [], free: [0], contract: [2], spatial: [1] },
        rhs: { batch: [], free: [2], contract: [1], spatial: [0] },
        out: [0, 1, 2],
        dims: [slide(4, 3, { lo: 1 })],
      },
    },
  ],
  argmax: () => [
    { inputs: [floats(T)], params: { axis: 1 } },
    { inputs: [integers(T, -2, 2)], params: { axis: 2 } },
  ],
  argmin: () => [{ inputs: [floats(T)], params: { axis: 0 } }],
  sort: () => [
    { inputs: [floats([2, 5])], params: { axis: 1 } },
    { inputs: [integers([5, 2], -2, 2), floats([5, 2])], params: { axis: 0 } },
  ],
  permute: () => {
    const order = [2, 0, 3, 1];
    const inverse = [1, 3, 0, 2];
    return [
      {
        inputs: [floats([4]), ndarray([4], "int32", order), ndarray([4], "int32", inverse)],
        params: {},
      },
    ];
  },
};
