/** What a layer is: a pure pair of init and apply, with types for its parameters and its state. */
import { DawngradError, evalShape, random, ShapeDtypeStruct, type Tensor } from "../src/index.js";

export type Shape = readonly number[];

/** What `init` gives. Layers without parameters or state have `null` there. */
export interface Initialized<P, S> {
  readonly params: P;
  readonly state: S;
  /** Shape of the output for the given input, batch dimension included. */
  readonly outputShape: Shape;
}

export interface ApplyOptions {
  /** Training mode: dropout drops, batch norm uses the batch. Default false. */
  readonly train?: boolean;
  /** Source of randomness of this call, for layers that draw (dropout). */
  readonly key?: Tensor | null;
}

/**
 * A layer with parameters of type P and state of type S (both trees). Everything is pure: `apply`
 * returns the output and the next state.
 */
export interface Layer<P, S> {
  /** For error messages. */
  readonly name: string;
  /** True for functions as layers: models of named parts have no entries for them. */
  readonly stateless?: true;
  /** Parameters for inputs of this shape, batch dimension included. */
  init(key: Tensor, inputShape: Shape): Initialized<P, S>;
  apply(params: P, state: S, x: Tensor, options?: ApplyOptions): [y: Tensor, state: S];
}

/** Parameters of a layer, for naming the type. */
export type ParamsOf<L> = L extends Layer<infer P, infer _S> ? P : never;

/** State of a layer. */
export type StateOf<L> = L extends Layer<infer _P, infer S> ? S : never;

/** Any layer. */
export type AnyLayer = Layer<unknown, unknown>;

export const showShape = (shape: Shape): string => `[${shape.join(",")}]`;

/** The shape of `f`'s result for float32 arguments of these shapes. */
export const shapeOf = (f: (...args: Tensor[]) => Tensor, ...shapes: readonly Shape[]): Shape =>
  evalShape(f, ...shapes.map((shape) => new ShapeDtypeStruct(shape))).shape;

/** A layer with neither parameters nor state, from its output and its output's shape. */
export function stateless(
  name: string,
  apply: (x: Tensor, options: ApplyOptions) => Tensor,
  outputShape: (inputShape: Shape) => Shape = (shape) => shape,
): Layer<null, null> {
  return {
    name,
    stateless: true,
    init: (_key, inputShape) => ({
      params: null,
      state: null,
      outputShape: outputShape(inputShape),
    }),
    apply: (_params, _state, x, options = {}) => [apply(x, options), null],
  };
}

/** The key of part `i` of a layer; null stays null. */
export const partKey = (key: Tensor | null | undefined, i: number): Tensor | null =>
  key ? random.foldIn(key, i) : null;

/** Options for part `i`: the same mode, a key of its own. */
export const partOptions = (options: ApplyOptions, i: number): ApplyOptions => ({
  ...options,
  key: partKey(options.key, i),
});

export function checkPositive(name: string, what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new DawngradError(`${name}: ${what} is ${value}; give a positive integer`);
  }
}
