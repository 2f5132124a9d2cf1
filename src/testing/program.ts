/**
 * Random well-typed programs. A program is decoded from a list of naturals, each taken modulo the
 * choices that are well typed at that point: every list is a valid program, so that shrinking
 * always yields a smaller valid program.
 */
import { type Shape, sizeOf } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { type NdArray, ndarray } from "../core/ndarray.js";
import { buildGraph, currentBuilder, lit } from "../ir/builder.js";
import type { Atom, Graph } from "../ir/graph.js";
import { showGraph } from "../ir/print.js";
import { dce } from "../optimise/dce.js";
import * as p from "../prims/index.js";
import { uniforms } from "../reference/perturb.js";
import { controlOperations } from "./control.js";

/** One decoded step: an operation, two operand choices and a parameter. */
export interface Step {
  readonly op: number;
  readonly a: number;
  readonly b: number;
  readonly param: number;
}

export interface ProgramCode {
  /** Sizes of the axes of the float inputs, as naturals. */
  readonly shapes: readonly (readonly number[])[];
  readonly steps: readonly Step[];
  readonly seed: number;
  /** Loops and branches come up too. */
  readonly control?: boolean;
}

export interface RandomProgram {
  readonly code: ProgramCode;
  readonly graph: Graph;
  readonly inputs: readonly NdArray[];
  toString(): string;
}

const MAX_SIZE = 96;
const MAX_RANK = 4;

/** What a step may draw on. */
export class Scope {
  readonly atoms: Atom[];
  readonly step: Step;
  constructor(atoms: Atom[], step: Step) {
    this.atoms = atoms;
    this.step = step;
  }
  #pick(dtype: DType, choice: number): Atom {
    const list = this.atoms.filter((x) => x.aval.dtype === dtype);
    // Later values are likelier, so that programs get deep.
    const k = choice % (2 * list.length);
    return list[k < list.length ? k : list.length - 1 - ((k - list.length) >> 1)]!;
  }
  float(): Atom {
    return this.#pick("float32", this.step.a);
  }
  other(): Atom {
    return this.#pick("float32", this.step.b);
  }
  of(dtype: DType, second = false): Atom {
    return this.#pick(dtype, second ? this.step.b : this.step.a);
  }
  get param(): number {
    return this.step.param;
  }
  axis(x: Atom): number {
    return this.param % x.aval.shape.length;
  }
}

const rank = (x: Atom): number => x.aval.shape.length;

const splat = (value: number, x: Atom, dtype: DType = x.aval.dtype): Atom => {
  const scalar = lit(value, dtype);
  return rank(x) === 0 ? scalar : p.broadcastInDim(scalar, x.aval.shape, []);
};

/** Bring a value to a shape by broadcasting, reshaping, or broadcasting its sum. */
function conform(x: Atom, shape: Shape): Atom {
  const have = x.aval.shape;
  if (have.length === shape.length && have.every((d, i) => d === shape[i])) return x;
  if (sizeOf(have) === sizeOf(shape)) return p.reshape(x, shape);
  const offset = shape.length - have.length;
  if (offset >= 0 && have.every((d, i) => d === shape[i + offset])) {
    return p.broadcastInDim(
      x,
      shape,
      have.map((_, i) => i + offset),
    );
  }
  const flat = x.aval.dtype === "bool" ? p.convert(x, "int32") : x;
  const axes = have.map((_, i) => i);
  const total = axes.length === 0 ? flat : p.reduceSum(flat, axes);
  const typed = x.aval.dtype === "bool" ? p.convert(total, "bool") : total;
  return shape.length === 0 ? typed : p.broadcastInDim(typed, shape, []);
}

/** Keep magnitudes tame, so that products and exponentials of a long program stay finite. */
const tame = (x: Atom): Atom => p.mul(p.tanh(p.mul(x, splat(0.25, x))), splat(2, x));
const positive = (x: Atom): Atom => p.add(p.mul(x, x), splat(0.5, x));

const unary =
  (f: (x: Atom) => Atom) =>
  (s: Scope): Atom =>
    f(s.float());
const binary =
  (f: (x: Atom, y: Atom) => Atom) =>
  (s: Scope): Atom => {
    const x = s.float();
    return f(x, conform(s.other(), x.aval.shape));
  };
const needsRank =
  (f: (s: Scope, x: Atom) => Atom) =>
  (s: Scope): Atom => {
    const x = s.float();
    return rank(x) === 0 ? p.neg(x) : f(s, x);
  };

const someAxes = (x: Atom, param: number): number[] => {
  const axes = x.aval.shape.map((_, i) => i).filter((i) => (param >> i) & 1);
  return axes.length === 0 && rank(x) > 0 ? [param % rank(x)] : axes;
};

/** The operations by name: what the decoder chooses from. All are total on well-typed operands. */
export const operations: Readonly<Record<string, (s: Scope) => Atom>> = {
  neg: unary(p.neg),
  add: binary(p.add),
  sub: binary(p.sub),
  mul: binary((x, y) => p.mul(tame(x), tame(y))),
  div: binary((x, y) => p.div(x, positive(y))),
  max: binary(p.max),
  min: binary(p.min),
  pow: binary((x, y) => p.pow(positive(tame(x)), tame(y))),
  atan2: binary((x, y) => p.atan2(x, positive(y))),
  abs: unary(p.abs),
  sign: unary((x) => p.mul(p.sign(x), x)),
  rounding: (s) => {
    const x = s.float();
    return p.add([p.floor, p.ceil, p.round][s.param % 3]!(x), x);
  },
  rem: binary((x, y) => p.rem(tame(x), positive(y))),
  square: unary((x) => p.square(tame(x))),
  integerPow: (s) => p.integerPow(tame(s.float()), 2 + (s.param % 3)),
  sqrt: unary((x) => p.sqrt(positive(x))),
  rsqrt: unary((x) => p.rsqrt(positive(x))),
  exp: unary((x) => p.exp(tame(x))),
  expm1: unary((x) => p.expm1(tame(x))),
  log: unary((x) => p.log(positive(x))),
  log1p: unary((x) => p.log1p(p.mul(x, x))),
  sin: unary((x) => p.sin(x)),
  cos: unary((x) => p.cos(x)),
  atan: unary(p.atan),
  asinh: unary(p.asinh),
  tan: unary((x) => p.tan(p.mul(p.tanh(x), splat(1.25, x)))),
  asin: unary((x) => p.asin(p.mul(p.tanh(x), splat(0.75, x)))),
  acos: unary((x) => p.acos(p.mul(p.tanh(x), splat(0.75, x)))),
  atanh: unary((x) => p.atanh(p.mul(p.tanh(x), splat(0.75, x)))),
  acosh: unary((x) => p.acosh(p.add(positive(x), splat(1, x)))),
  sinh: unary((x) => p.sinh(tame(x))),
  cosh: unary((x) => p.cosh(tame(x))),
  tanh: unary(p.tanh),
  logistic: unary(p.logistic),
  relu: unary(p.relu),
  erf: unary(p.erf),
  erfc: unary(p.erfc),
  erfInv: unary((x) => p.erfInv(p.mul(p.tanh(x), splat(0.75, x)))),
  lgamma: unary((x) => p.lgamma(positive(tame(x)))),
  digamma: unary((x) => p.digamma(p.add(positive(tame(x)), splat(0.5, x)))),
  clamp: unary((x) => p.clamp(splat(-1.03125, x), x, splat(1.28125, x))),
  scale: (s) => p.mul(s.float(), splat((1 + (s.param % 12)) / 8, s.float())),
  select: (s) => {
    const x = s.float();
    const pred = conform(s.of("bool"), x.aval.shape);
    return p.select(pred, x, conform(s.other(), x.aval.shape));
  },
  compare: (s) => {
    const x = s.float();
    const y = conform(s.other(), x.aval.shape);
    return [p.lt, p.le, p.gt, p.ge][s.param % 4]!(x, y);
  },
  logic: (s) => {
    const x = s.of("bool");
    const y = conform(s.of("bool", true), x.aval.shape);
    return [p.and, p.or, p.xor][s.param % 3]!(x, y);
  },
  not: (s) => p.not(s.of("bool")),
  toFloat: (s) => p.convert(s.of((["int32", "uint32", "bool"] as const)[s.param % 3]!), "float32"),
  toInt: (s) => p.convert(s.float(), "int32"),
  classify: (s) => {
    const x = s.float();
    return [p.isNan, p.isFinite][s.param % 2]!(x);
  },
  bits: (s) => p.bitcast(p.abs(s.of("int32")), "uint32"),
  countBits: (s) => [p.populationCount, p.clz][s.param % 2]!(s.of("uint32")),
  toUint: (s) => p.convert(p.abs(s.of("int32")), "uint32"),
  intArithmetic: (s) => {
    const x = s.of("int32");
    const y = conform(s.of("int32", true), x.aval.shape);
    return [p.add, p.sub, p.mul, p.max, p.min, p.and, p.or, p.xor][s.param % 8]!(x, y);
  },
  uintArithmetic: (s) => {
    const x = s.of("uint32");
    const y = conform(s.of("uint32", true), x.aval.shape);
    return [p.add, p.mul, p.max, p.min, p.and, p.or, p.xor][s.param % 7]!(x, y);
  },
  shift: (s) => {
    const x = s.of("uint32");
    return [p.shiftLeft, p.shiftRightLogical, p.shiftRightArithmetic][s.param % 3]!(
      x,
      splat(s.param % 5, x),
    );
  },
  intCompare: (s) => {
    const x = s.of("int32");
    const y = conform(s.of("int32", true), x.aval.shape);
    return [p.eq, p.ne, p.lt, p.ge][s.param % 4]!(x, y);
  },
  reshape: (s) => {
    const x = s.float();
    const n = sizeOf(x.aval.shape);
    const divisors = Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
    const d = divisors[s.param % divisors.length]!;
    return p.reshape(x, s.param % 5 === 0 ? [n] : [d, n / d]);
  },
  transpose: needsRank((s, x) => {
    const perm = x.aval.shape.map((_, i) => i);
    for (let i = perm.length - 1, q = s.param; i > 0; i--, q = Math.floor(q / (i + 2))) {
      const j = q % (i + 1);
      [perm[i], perm[j]] = [perm[j]!, perm[i]!];
    }
    return p.transpose(x, perm);
  }),
  broadcast: (s) => {
    const x = s.float();
    const n = 1 + (s.param % 3);
    if (rank(x) >= MAX_RANK || sizeOf(x.aval.shape) * n > MAX_SIZE) return p.neg(x);
    const at = s.param % (rank(x) + 1);
    const shape = [...x.aval.shape.slice(0, at), n, ...x.aval.shape.slice(at)];
    const dims = x.aval.shape.map((_, i) => (i < at ? i : i + 1));
    return p.broadcastInDim(x, shape, dims);
  },
  slice: needsRank((s, x) => {
    const axis = s.axis(x);
    const n = x.aval.shape[axis]!;
    const from = (s.param >> 2) % n;
    const start = x.aval.shape.map((_, i) => (i === axis ? from : 0));
    const stride = x.aval.shape.map((_, i) => (i === axis ? 1 + ((s.param >> 4) % 3) : 1));
    return p.slice(x, start, x.aval.shape, stride);
  }),
  pad: needsRank((s, x) => {
    const axis = s.axis(x);
    const at = (v: number) => x.aval.shape.map((_, i) => (i === axis ? v : 0));
    const lo = at((s.param % 4) - 1);
    const hi = at(s.param % 3);
    const interior = at(s.param % 2);
    const size = x.aval.shape[axis]!;
    const grown = size + lo[axis]! + hi[axis]! + (size - 1) * interior[axis]!;
    if (grown < 1 || (sizeOf(x.aval.shape) / size) * grown > MAX_SIZE) return p.neg(x);
    return p.pad(x, lit((s.param % 7) / 8, "float32"), lo, hi, interior);
  }),
  padTraced: needsRank((s, x) => {
    if (sizeOf(x.aval.shape) * 2 > MAX_SIZE) return p.neg(x);
    const axis = s.axis(x);
    const value = conform(s.other(), []);
    const one = x.aval.shape.map((_, i) => (i === axis ? 1 : 0));
    return p.pad(
      x,
      value,
      one,
      x.aval.shape.map(() => 0),
    );
  }),
  reverse: needsRank((s, x) => p.reverse(x, someAxes(x, s.param))),
  concatenate: needsRank((s, x) => {
    if (sizeOf(x.aval.shape) * 2 > MAX_SIZE) return p.neg(x);
    return p.concatenate([x, conform(s.other(), x.aval.shape)], s.axis(x));
  }),
  iota: (s) => {
    const x = s.float();
    if (rank(x) === 0) return p.neg(x);
    const i = p.iota("float32", x.aval.shape, s.axis(x));
    return p.add(x, p.mul(i, splat(0.125, x)));
  },
  sum: (s) => p.reduceSum(s.float(), someAxes(s.float(), s.param)),
  prod: (s) => p.reduceProd(tame(s.float()), someAxes(s.float(), s.param)),
  reduceMax: (s) => p.reduceMax(s.float(), someAxes(s.float(), s.param)),
  reduceMin: (s) => p.reduceMin(s.float(), someAxes(s.float(), s.param)),
  any: (s) => p.reduceOr(s.of("bool"), someAxes(s.of("bool"), s.param)),
  all: (s) => p.reduceAnd(s.of("bool"), someAxes(s.of("bool"), s.param)),
  intSum: (s) => p.reduceSum(s.of("int32"), someAxes(s.of("int32"), s.param)),
  softmax: needsRank((s, x) => {
    const axis = s.axis(x);
    const keep = x.aval.shape.map((_, i) => i).filter((i) => i !== axis);
    const back = (y: Atom) => p.broadcastInDim(y, x.aval.shape, keep);
    const e = p.exp(p.sub(x, back(p.stopGradient(p.reduceMax(x, [axis])))));
    return p.div(e, back(p.reduceSum(e, [axis])));
  }),
  // Lines minus a reduction of themselves, or of other lines.
  centre: needsRank((s, x) => {
    const axis = s.axis(x);
    const keep = x.aval.shape.map((_, i) => i).filter((i) => i !== axis);
    const of = [p.reduceSum, p.reduceMax][(s.param >> 2) % 2]!(tame(x), [axis]);
    const lines = s.param % 2 === 1 && rank(of) > 0 ? p.reverse(of, [rank(of) - 1]) : of;
    return p.sub(x, p.broadcastInDim(lines, x.aval.shape, keep));
  }),
  argmax: needsRank((s, x) => [p.argmax, p.argmin][s.param % 2]!(x, s.axis(x))),
  cumsum: needsRank((s, x) => p.cumsum(x, s.axis(x), s.param % 2 === 1)),
  cumprod: needsRank((s, x) => p.cumprod(tame(x), s.axis(x), s.param % 2 === 1)),
  cummax: needsRank((s, x) => [p.cummax, p.cummin][s.param % 2]!(x, s.axis(x), s.param % 4 >= 2)),
  sort: needsRank((s, x) => p.sort([x], s.axis(x))[0]!),
  sortPair: needsRank((s, x) => p.sort([x, conform(s.other(), x.aval.shape)], s.axis(x))[1]!),
  dot: (s) => {
    const x = s.float();
    const y = s.other();
    if (rank(x) === 0 || rank(y) === 0) return p.mul(x, conform(y, x.aval.shape));
    // Contract the first pair of axes of equal size; else the outer product, or x with itself.
    for (let i = 0; i < rank(x); i++) {
      const a = (i + s.param) % rank(x);
      const b = y.aval.shape.indexOf(x.aval.shape[a]!);
      const size = (sizeOf(x.aval.shape) * sizeOf(y.aval.shape)) / x.aval.shape[a]! ** 2;
      if (b >= 0 && rank(x) + rank(y) - 2 <= MAX_RANK && size <= MAX_SIZE) {
        return p.dotGeneral(x, y, { contract: [[a], [b]], batch: [[], []] });
      }
    }
    const axes = x.aval.shape.map((_, i) => i);
    return p.dotGeneral(x, x, { contract: [axes, axes], batch: [[], []] });
  },
  // Views of views: where simplification and index arithmetic meet.
  viewChain: (s) => {
    const { a, b, param } = s.step;
    let x = s.float();
    for (let i = 0, q = param + 64 * a; i < 3; i++, q = Math.floor(q / viewNames.length)) {
      const step = { op: 0, a: 0, b: 0, param: (param + 5 * b + 11 * i) % 64 };
      x = operations[viewNames[q % viewNames.length]!]!(new Scope([x], step));
    }
    return x;
  },
  // What simplification looks for: signs, zeros, ones and values that cancel.
  arithmeticChain: (s) => {
    const { a, param } = s.step;
    let x = s.float();
    const y = conform(s.other(), x.aval.shape);
    const operands = [y, p.neg(y), ...[0, -0, 1, -1].map((v) => splat(v, x))];
    for (let i = 0, q = param + 64 * a; i < 4; i++, q = Math.floor(q / 6)) {
      const z = operands[(q + 5 * i + a) % operands.length]!;
      x = [
        () => p.neg(x),
        () => p.add(x, z),
        () => p.sub(x, z),
        () => p.sub(z, x),
        () => p.mul(tame(x), z),
        () => p.div(x, operands[4 + (param % 2)]!),
      ][q % 6]!();
    }
    return x;
  },
  // Several contracted axes whose pairs stand in different orders in the two operands.
  dotMany: (s) => {
    const x = s.float();
    if (rank(x) < 2) return p.mul(x, conform(s.other(), x.aval.shape));
    const n = rank(x);
    const by = 1 + (s.param % (n - 1));
    // Axis i of y is axis i + by of x.
    const perm = x.aval.shape.map((_, i) => (i + by) % n);
    const y = conform(
      s.other(),
      perm.map((i) => x.aval.shape[i]!),
    );
    const keep = s.param % 4 === 0 ? 1 : 0;
    const ofY = perm.map((_, i) => i).slice(keep);
    const axes: [number[], number[]] = [ofY.map((i) => perm[i]!), ofY];
    return p.dotGeneral(x, y, { contract: axes, batch: [[], []] });
  },
  batchDot: (s) => {
    const x = s.float();
    const y = conform(s.other(), x.aval.shape);
    if (rank(x) < 2) return p.mul(x, y);
    const batch = [s.param % rank(x)];
    const contract = [(s.param + 1) % rank(x)];
    const kept = x.aval.shape.filter((_, i) => i !== batch[0] && i !== contract[0]);
    const size = x.aval.shape[batch[0]!]! * sizeOf(kept) ** 2;
    if (1 + 2 * kept.length > MAX_RANK || size > MAX_SIZE) return p.mul(x, y);
    return p.dotGeneral(x, y, { contract: [contract, contract], batch: [batch, batch] });
  },
  gather: needsRank((s, x) => {
    const i = s.of("int32", true);
    const axis = s.axis(x);
    const rest = sizeOf(x.aval.shape) / x.aval.shape[axis]!;
    if (rank(x) + rank(i) - 1 > MAX_RANK || rest * sizeOf(i.aval.shape) > MAX_SIZE) return p.neg(x);
    return p.gather(x, i, { axis, batch: 0 });
  }),
  scatterAdd: needsRank((s, x) => {
    const i = conform(s.of("int32", true), [3]);
    const axis = s.axis(x);
    const shape = [...x.aval.shape.slice(0, axis), 3, ...x.aval.shape.slice(axis + 1)];
    const updates = conform(s.other(), shape);
    return p.scatterAdd(x, i, updates, { axis, batch: 0 });
  }),
  dynamicSlice: needsRank((s, x) => {
    const starts = x.aval.shape.map((_, k) =>
      k === s.axis(x) ? conform(s.of("int32", true), []) : lit(0, "int32"),
    );
    const sizes = x.aval.shape.map((d, k) => (k === s.axis(x) ? 1 + (s.param % d) : d));
    return p.dynamicSlice(x, starts, sizes);
  }),
  dynamicUpdateSlice: needsRank((s, x) => {
    const axis = s.axis(x);
    const starts = x.aval.shape.map((_, k) =>
      k === axis ? conform(s.of("int32", true), []) : lit(0, "int32"),
    );
    const shape = x.aval.shape.map((d, k) => (k === axis ? 1 + (s.param % d) : d));
    return p.dynamicUpdateSlice(x, conform(s.other(), shape), starts);
  }),
  conv: needsRank((s, x) => {
    const { shape } = x.aval;
    // [examples, length, channels], with ones for what is missing; one more length at rank 4.
    const image = rank(x) === 1 ? [1, ...shape, 1] : rank(x) === 2 ? [1, ...shape] : shape;
    const lengths = image.slice(1, -1);
    const window = lengths.map((n, i) => 1 + ((s.param >> i) % Math.min(3, n)));
    const stride = 1 + (s.param % 2);
    const lo = s.param % 3 === 0 ? 1 : 0;
    const dims = lengths.map((n, i) =>
      slideOver(n, window[i]!, stride, lo, 1 + (s.param % 5 === 0 ? 1 : 0)),
    );
    const channels = image[image.length - 1]!;
    const out = [image[0]!, ...dims.map((d) => d.positions), 2];
    if (out.includes(0) || sizeOf(out) > MAX_SIZE) return p.neg(x);
    const w = conform(s.other(), [...window, channels, 2]);
    const spatial = lengths.map((_, i) => i);
    const last = image.length - 1;
    return p.conv(tame(p.reshape(x, image)), tame(w), {
      lhs: { batch: [], free: [0], contract: [last], spatial: spatial.map((i) => i + 1) },
      rhs: { batch: [], free: [last], contract: [last - 1], spatial },
      out: out.map((_, i) => i),
      dims,
    });
  }),
  pool: needsRank((s, x) => {
    const axis = s.axis(x);
    const n = x.aval.shape[axis]!;
    const window = 1 + (s.param % Math.min(3, n));
    const lo = window > 1 && s.param % 3 === 0 ? 1 : 0;
    const dims = [slideOver(n, window, 1 + (s.param % 2), lo, 1)];
    const params = { axes: [axis], dims };
    if (dims[0]!.positions < 1) return p.neg(x);
    switch (s.param % 4) {
      case 0:
        return p.windowMax(x, params)[0];
      case 1:
        return p.windowMin(x, params)[0];
      case 2:
        return p.takeWindow(x, p.windowMax(x, params)[1], params);
      default: {
        const size = (sizeOf(x.aval.shape) / n) * dims[0]!.positions * window;
        if (rank(x) >= MAX_RANK || size > MAX_SIZE) return p.neg(x);
        const seen = p.windows(x, conform(s.other(), []), params);
        return s.param % 8 === 3 ? seen : p.reduceSum(seen, p.windowAxes(params));
      }
    }
  }),
  threefry: (s) => {
    const x = s.of("uint32");
    const y = conform(s.of("uint32", true), x.aval.shape);
    return p.threefry2x32(x, y, splat(s.param, x), splat(1, x))[s.param % 2]!;
  },
};

/** Places of a window over `n` elements with `lo` padding before them and a dilated base. */
function slideOver(n: number, window: number, stride: number, lo: number, base: number) {
  const room = lo + (n - 1) * base + 1 - window;
  const positions = room < 0 ? 0 : Math.floor(room / stride) + 1;
  return { positions, window, stride, dilation: 1, base, lo };
}

const viewNames = ["slice", "reverse", "transpose", "pad", "reshape", "broadcast", "slice"];

// Chains are where rules meet: they come up more often.
const names = [
  ...Object.keys(operations),
  "viewChain",
  "viewChain",
  "viewChain",
  "arithmeticChain",
  "centre",
];

const control = controlOperations({
  step: (atoms, step) => operations[names[step.op % names.length]!]!(new Scope([...atoms], step)),
  conform,
  tame,
});

/** With control flow, every third operation or so carries sub-graphs. */
const controlNames = [
  ...names,
  ...Object.keys(control).flatMap((name) =>
    Array.from({ length: Math.ceil(names.length / 12) }, () => name),
  ),
];

const nameOf = (code: ProgramCode, step: Step): string => {
  const list = code.control ? controlNames : names;
  return list[step.op % list.length]!;
};

/** The names of a program's operations, for messages. */
export const stepNames = (code: ProgramCode): string[] => code.steps.map((s) => nameOf(code, s));

/** Element `i` of an input: exact in f32, spread over |x| <= 2 without ties. */
function inputValue(dtype: DType, r: number, i: number): number {
  switch (dtype) {
    case "float32":
      return (Math.floor(r * 33) - 16) / 8 + (1 + (i % 31)) / 512;
    case "int32":
      return Math.floor(r * 9) - 4;
    case "uint32":
      return Math.floor(r * 2 ** 32);
    case "bool":
      return r < 0.5 ? 0 : 1;
  }
}

/** Decode a list of naturals to a program with input values. */
export function decodeProgram(code: ProgramCode): RandomProgram {
  const shapes = code.shapes.map((s) => s.slice(0, 3).map((d) => 1 + (d % 4)));
  const floatShapes = shapes.length === 0 ? [[2]] : shapes;
  const first = floatShapes[0]!;
  const avals = [
    ...floatShapes.map((shape) => ({ shape, dtype: "float32" as const })),
    { shape: first, dtype: "int32" as const },
    { shape: [2], dtype: "uint32" as const },
    { shape: first, dtype: "bool" as const },
  ];
  const graph = dce(
    buildGraph(avals, (inputs) => {
      const atoms: Atom[] = [...inputs];
      for (const step of code.steps) {
        const name = nameOf(code, step);
        const f = operations[name] ?? control[name]!;
        atoms.push(f(new Scope(atoms, step)));
      }
      // Every value that nothing uses is an output: no step is dead.
      const used = new Set(currentBuilder()!.eqns.flatMap((e) => e.inputs));
      const sinks = [...new Set(atoms.slice(inputs.length))].filter((x) => !used.has(x));
      return sinks.length > 0 ? sinks : [atoms[0]!];
    }),
  );
  const random = uniforms(code.seed);
  const inputs = avals.map(({ shape, dtype }) => {
    const values = Array.from({ length: sizeOf(shape) }, (_, i) => inputValue(dtype, random(), i));
    return ndarray(shape, dtype, values);
  });
  return {
    code,
    graph,
    inputs,
    toString: () =>
      `${showGraph(graph)}\nsteps: ${stepNames(code).join(" ")}\ncode: ${JSON.stringify(code)}`,
  };
}
