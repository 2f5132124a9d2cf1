/** Layers made of named parts, whose parameters and state have the parts' names. */
import { ShapeError, type Tensor } from "../src/index.js";
import {
  type AnyLayer,
  type ApplyOptions,
  type Layer,
  type ParamsOf,
  partKey,
  partOptions,
  type Shape,
  type StateOf,
} from "./layer.js";

export type Parts = Readonly<Record<string, AnyLayer>>;

/** The names of layers that have entries: all but functions such as dropout. */
type Entries<P extends Parts> = {
  [K in keyof P]: P[K] extends Layer<null, null> ? never : K;
}[keyof P];

/** The parameters of named layers. */
export type PartsParams<P extends Parts> = { readonly [K in Entries<P>]: ParamsOf<P[K]> };

/** The states of named layers, `null` for those that have parameters only. */
export type PartsState<P extends Parts> = { readonly [K in Entries<P>]: StateOf<P[K]> };

/** How values go through the parts of a layer: shapes in `init`, tensors in `apply`. */
export interface Flow<K extends string> {
  /** The output's shape; `part` initialises a part for inputs of a shape. */
  init(part: (name: K, inputShape: Shape) => Shape, inputShape: Shape): Shape;
  /** The output; `part` applies a part. */
  apply(part: (name: K, x: Tensor) => Tensor, x: Tensor, options: ApplyOptions): Tensor;
}

/** A layer of named parts, each used once, with a key of its own by its place in `parts`. */
export function composite<P extends Parts>(
  name: string,
  parts: P,
  flow: Flow<keyof P & string>,
): Layer<PartsParams<P>, PartsState<P>> {
  type Name = keyof P & string;
  const names = Object.keys(parts) as Name[];
  const bare = (part: Name): boolean => parts[part]!.stateless === true;
  const checkParts = (what: string, tree: object | null): void => {
    const missing = names.find((part) => !bare(part) && !(tree && part in tree));
    if (missing !== undefined) {
      throw new ShapeError(`${name}: ${what} has no entry "${missing}"; use what init returned`);
    }
  };
  return {
    name,
    init(key, inputShape) {
      const params = {} as { [K in Name]: unknown };
      const state = {} as { [K in Name]: unknown };
      const outputShape = flow.init((part, shape) => {
        const made = parts[part]!.init(partKey(key, names.indexOf(part))!, shape);
        if (!bare(part)) {
          params[part] = made.params;
          state[part] = made.state;
        }
        return made.outputShape;
      }, inputShape);
      return { params: params as PartsParams<P>, state: state as PartsState<P>, outputShape };
    },
    apply(params, state, x, options = {}) {
      checkParts("params", params);
      checkParts("state", state);
      const [own, before] = [params, state] as { readonly [K in Name]?: unknown }[];
      const next = {} as { [K in Name]: unknown };
      const call = (part: Name, value: Tensor): Tensor => {
        const at = partOptions(options, names.indexOf(part));
        const [y, s] = parts[part]!.apply(own![part] ?? null, before![part] ?? null, value, at);
        if (!bare(part)) next[part] = s;
        return y;
      };
      return [flow.apply(call, x, options), next as PartsState<P>];
    },
  };
}

/** One part after the other, as `names` lists them. */
export const chain = <K extends string>(names: readonly K[]): Flow<K> => ({
  init: (part, shape) => names.reduce((s, name) => part(name, s), shape),
  apply: (part, x) => names.reduce((y, name) => part(name, y), x),
});
