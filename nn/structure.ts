/** Layers that change shape or drop values, and layers made of layers. */
import {
  add,
  concatenate,
  DawngradError,
  div,
  random,
  reshape,
  ShapeError,
  type Tensor,
  where,
} from "../src/index.js";
import {
  type AnyLayer,
  type ApplyOptions,
  type Layer,
  type ParamsOf,
  partKey,
  partOptions,
  type Shape,
  type StateOf,
  showShape,
  stateless,
} from "./layer.js";

/** [batch, ...] to [batch, product of the rest]. */
export const flatten = (): Layer<null, null> => stateless("flatten", flattened, flattenedShape);

export const flattened = (x: Tensor): Tensor => reshape(x, flattenedShape(x.shape));

export function flattenedShape(shape: Shape): Shape {
  if (shape.length === 0) {
    throw new ShapeError("flatten: the input is a scalar; it needs a batch axis");
  }
  return [shape[0]!, shape.slice(1).reduce((n, d) => n * d, 1)];
}

/**
 * In training sets a share `rate` of the elements to 0 and divides the others by 1 − rate, so that
 * the mean stays; otherwise passes its input on. Needs `key` in training.
 */
export function dropout(rate: number): Layer<null, null> {
  if (!(rate >= 0 && rate < 1)) {
    throw new DawngradError(`dropout: rate is ${rate}; give a number from 0 to below 1`);
  }
  return stateless(`dropout(${rate})`, (x, { train = false, key }) => {
    if (!train || rate === 0) return x;
    if (!key) {
      throw new DawngradError(
        `dropout(${rate}): training needs randomness: pass { train: true, key: random.key(...) } to ` +
          "apply, with another key at every step",
      );
    }
    return where(random.bernoulli(key, 1 - rate, x.shape), div(x, 1 - rate), 0);
  });
}

/**
 * In training drops the whole of each example with probability `rate`, and divides the others by
 * 1 − rate (Huang et al. 2016): around the inner part of a residual block it skips the block. Needs
 * `key` in training.
 *
 * ```ts
 * const layer = stochasticDepth(0.5);
 * const [y] = layer.apply(null, null, ones([2, 3]), { train: true, key: random.key(0) });
 * y.shape; // [2, 3]
 * ```
 */
export function stochasticDepth(rate: number): Layer<null, null> {
  const name = `stochasticDepth(${rate})`;
  if (!(rate >= 0 && rate < 1)) {
    throw new DawngradError(`${name}: rate is ${rate}; give a number from 0 to below 1`);
  }
  return stateless(name, (x, { train = false, key }) => {
    if (!train || rate === 0) return x;
    if (!key) {
      throw new DawngradError(
        `${name}: training needs randomness: pass { train: true, key: random.key(...) } to apply, with ` +
          "another key at every step",
      );
    }
    if (x.ndim < 1) throw new ShapeError(`${name}: the input is a scalar; it needs a batch axis`);
    const kept = random.bernoulli(
      key,
      1 - rate,
      x.shape.map((n, axis) => (axis === 0 ? n : 1)),
    );
    return where(kept, div(x, 1 - rate), 0);
  });
}

/** The parameters of a list of layers, in the list's form. */
export type ParamsList<L extends readonly AnyLayer[]> = {
  -readonly [K in keyof L]: ParamsOf<L[K]>;
};
/** The states of a list of layers. */
export type StateList<L extends readonly AnyLayer[]> = { -readonly [K in keyof L]: StateOf<L[K]> };

function initAll(layers: readonly AnyLayer[], key: Tensor, shapeOf: (i: number) => Shape) {
  return layers.map((layer, i) => layer.init(partKey(key, i)!, shapeOf(i)));
}

/** A list of parameters or states must have one entry for each layer. */
function checkList(name: string, what: string, list: unknown, layers: readonly AnyLayer[]): void {
  if (!Array.isArray(list) || list.length !== layers.length) {
    throw new ShapeError(
      `${name}: ${what} must be a list with one entry for each of the ${layers.length} layers, got ` +
        `${Array.isArray(list) ? `a list of ${list.length}` : typeof list}; use what init returned`,
    );
  }
}

/**
 * One layer after the other. Parameters and state are lists with an entry for each layer; each layer
 * draws from a key of its own.
 *
 * ```ts
 * const model = serial([dense(16), relu(), dense(10)]);
 * const { params, state } = model.init(random.key(0), [1, 4]);
 * const [y] = model.apply(params, state, ones([2, 4]));
 * y.shape; // [2, 10]
 * ```
 */
export function serial<const L extends readonly AnyLayer[]>(
  layers: L,
): Layer<ParamsList<L>, StateList<L>> {
  const name = `serial(${layers.map((l) => l.name).join(", ")})`;
  const list: readonly AnyLayer[] = layers;
  const init = (key: Tensor, inputShape: Shape) => {
    let shape = inputShape;
    const parts = list.map((layer, i) => {
      const part = layer.init(partKey(key, i)!, shape);
      shape = part.outputShape;
      return part;
    });
    return {
      params: parts.map((p) => p.params) as ParamsList<L>,
      state: parts.map((p) => p.state) as StateList<L>,
      outputShape: shape,
    };
  };
  const apply = (
    params: ParamsList<L>,
    state: StateList<L>,
    x: Tensor,
    options: ApplyOptions = {},
  ): [Tensor, StateList<L>] => {
    checkList("serial", "params", params, list);
    checkList("serial", "state", state, list);
    let y = x;
    const next = list.map((layer, i) => {
      const [out, s] = layer.apply(params[i], state[i], y, partOptions(options, i));
      y = out;
      return s;
    });
    return [y, next as StateList<L>];
  };
  return { name, init, apply };
}

/**
 * Every layer on the same input; their outputs are concatenated along an axis or added.
 *
 * ```ts
 * const layer = parallel([dense(2), dense(3)]);
 * layer.init(random.key(0), [8, 4]).outputShape; // [8, 5]
 * ```
 */
export function parallel<const L extends readonly AnyLayer[]>(
  layers: L,
  {
    combine = "concatenate",
    axis = -1,
  }: { readonly combine?: "concatenate" | "sum"; readonly axis?: number } = {},
): Layer<ParamsList<L>, StateList<L>> {
  const list: readonly AnyLayer[] = layers;
  const name = `parallel(${list.map((l) => l.name).join(", ")})`;
  if (list.length === 0) throw new DawngradError("parallel: give at least one layer");
  const joinedShape = (shapes: readonly Shape[]): Shape => {
    const first = shapes[0]!;
    const at = axis < 0 ? axis + first.length : axis;
    const same = (s: Shape) =>
      s.length === first.length &&
      s.every((d, i) => d === first[i] || (combine === "concatenate" && i === at));
    if (!shapes.every(same) || !(at >= 0 && at < first.length)) {
      throw new ShapeError(
        `${name}: the outputs ${shapes.map(showShape).join(" and ")} cannot be ` +
          `${combine === "sum" ? "added" : `concatenated along axis ${axis}`}; give them matching shapes`,
      );
    }
    if (combine === "sum") return first;
    return first.map((d, i) => (i === at ? shapes.reduce((n, s) => n + s[i]!, 0) : d));
  };
  return {
    name,
    init(key, inputShape) {
      const parts = initAll(list, key, () => inputShape);
      return {
        params: parts.map((p) => p.params) as ParamsList<L>,
        state: parts.map((p) => p.state) as StateList<L>,
        outputShape: joinedShape(parts.map((p) => p.outputShape)),
      };
    },
    apply(params, state, x, options = {}) {
      checkList("parallel", "params", params, list);
      checkList("parallel", "state", state, list);
      const results = list.map((layer, i) =>
        layer.apply(params[i], state[i], x, partOptions(options, i)),
      );
      const outs = results.map(([y]) => y);
      joinedShape(outs.map((y) => y.shape));
      const y = combine === "sum" ? outs.reduce((a, b) => add(a, b)) : concatenate(outs, axis);
      return [y, results.map(([, s]) => s) as StateList<L>];
    },
  };
}

export interface ResidualPair<A, B> {
  readonly inner: A;
  readonly shortcut: B;
}

/**
 * inner(x) + x, or inner(x) + shortcut(x) where the shapes differ.
 *
 * ```ts
 * const block = residual(serial([dense(4), relu()]));
 * block.init(random.key(0), [8, 4]).outputShape; // [8, 4]
 * ```
 */
export function residual<P, S, Q = null, T = null>(
  inner: Layer<P, S>,
  shortcut?: Layer<Q, T>,
): Layer<ResidualPair<P, Q>, ResidualPair<S, T>> {
  const name = `residual(${inner.name})`;
  const other = (shortcut ?? stateless("identity", (x) => x)) as Layer<Q, T>;
  const check = (a: Shape, b: Shape): void => {
    if (showShape(a) !== showShape(b)) {
      throw new ShapeError(
        `${name}: the inner output ${showShape(a)} and the ${shortcut ? "shortcut's output" : "input"} ` +
          `${showShape(b)} cannot be added; ${shortcut ? "make their shapes equal" : "give a shortcut layer that maps the input to the output's shape"}`,
      );
    }
  };
  return {
    name,
    init(key, inputShape) {
      const a = inner.init(partKey(key, 0)!, inputShape);
      const b = other.init(partKey(key, 1)!, inputShape);
      check(a.outputShape, b.outputShape);
      return {
        params: { inner: a.params, shortcut: b.params },
        state: { inner: a.state, shortcut: b.state },
        outputShape: a.outputShape,
      };
    },
    apply(params, state, x, options = {}) {
      const [a, s] = inner.apply(params.inner, state.inner, x, partOptions(options, 0));
      const [b, t] = other.apply(params.shortcut, state.shortcut, x, partOptions(options, 1));
      check(a.shape, b.shape);
      return [add(a, b), { inner: s, shortcut: t }];
    },
  };
}
