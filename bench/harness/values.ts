/** The numbers that every library is given. */

export interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** A generator of numbers in [-1/2, 1/2) that gives the same sequence every time. */
export function uniform(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) & 0x7fffffff;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    // The high bits: the low ones of a linear congruential generator have short periods.
    return (state >>> 7) / 2 ** 24 - 0.5;
  };
}

/** Uniform in [-scale/2, scale/2). */
export function filled(
  shape: readonly number[],
  scale: number,
  next: () => number = uniform(1),
): Values {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = next() * scale;
  return { shape, data };
}

export const zerosLike = (v: Values): Values => ({
  shape: v.shape,
  data: new Float32Array(v.data.length),
});

/** One row for each example, with a one in a column that differs from row to row. */
export function oneHotRows(rows: number, classes: number): Values {
  const data = new Float32Array(rows * classes);
  for (let i = 0; i < rows; i++) data[i * classes + ((i * 7 + 3) % classes)] = 1;
  return { shape: [rows, classes], data };
}

/** The axes in another order: result axis i is axis `order[i]`. */
export function permuted(v: Values, order: readonly number[]): Values {
  const shape = order.map((axis) => v.shape[axis]!);
  const strides = v.shape.map((_, axis) => sizeOf(v.shape.slice(axis + 1)));
  const steps = order.map((axis) => strides[axis]!);
  const data = new Float32Array(v.data.length);
  const index = shape.map(() => 0);
  let from = 0;
  for (let i = 0; i < data.length; i++) {
    data[i] = v.data[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]! += 1;
      from += steps[axis]!;
      if (index[axis]! < shape[axis]!) break;
      from -= steps[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return { shape, data };
}

/** `count` places in [0, size), spread out, both ends among them. */
export const places = (size: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.round((i * (size - 1)) / (count - 1)));
