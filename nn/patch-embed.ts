/** Images as sequences of patches. */
import { add, broadcastTo, concatenate, reshape, ShapeError, type Tensor } from "../src/index.js";
import { type ConvParams, conv } from "./conv.js";
import { type Initializer, lecunNormal, normal, zeros } from "./initializers.js";
import { checkPositive, type Layer, partKey, type Shape, showShape } from "./layer.js";

export interface PatchEmbedParams {
  /** weight [patch, patch, channels, features], bias [features] */
  readonly proj: ConvParams;
  /** [1, 1, features]; only with a class token. */
  readonly classToken?: Tensor;
  /** [1, length, features]; only with positions. */
  readonly positions?: Tensor;
}

export interface PatchEmbedOptions {
  /** Put a learned token before the patches. Default true. */
  readonly classToken?: boolean;
  /** Add a learned embedding of each place. Default true. */
  readonly positions?: boolean;
  /** Of proj; default truncated normal with variance 1/fan-in. */
  readonly weightInit?: Initializer;
}

/**
 * Square patches of an image [batch, height, width, channels], each mapped to `features` numbers, as a
 * sequence in row-major order: [batch, patches (+ 1), features] (Dosovitskiy et al. 2021). The class
 * token starts at 0, positions normal with deviation 0.02.
 *
 * @throws ShapeError when the patches do not tile the image.
 *
 * ```ts
 * const layer = patchEmbed(32, 768);
 * const { params, outputShape } = layer.init(random.key(0), [1, 224, 224, 3]);
 * outputShape; // [1, 50, 768]
 * params.positions?.shape; // [1, 50, 768]
 * ```
 */
export function patchEmbed(
  patch: number,
  features: number,
  { classToken = true, positions = true, weightInit = lecunNormal() }: PatchEmbedOptions = {},
): Layer<PatchEmbedParams, null> {
  const name = `patchEmbed(${patch}, ${features})`;
  checkPositive("patchEmbed", "patch", patch);
  const proj = conv(features, patch, { strides: patch, weightInit, biasInit: zeros });
  const sequence = (shape: Shape): number => {
    const [, height = 0, width = 0] = shape;
    if (shape.length !== 4 || height % patch !== 0 || width % patch !== 0) {
      throw new ShapeError(
        `${name}: the input ${showShape(shape)} must be [batch, height, width, channels] with height and ` +
          `width multiples of ${patch}; resize or crop it`,
      );
    }
    return (height / patch) * (width / patch);
  };
  return {
    name,
    init(key, inputShape) {
      const length = sequence(inputShape) + (classToken ? 1 : 0);
      const learned = {
        ...(classToken ? { classToken: zeros(key, [1, 1, features]) } : {}),
        ...(positions ? { positions: normal(0.02)(partKey(key, 1)!, [1, length, features]) } : {}),
      };
      return {
        params: { proj: proj.init(partKey(key, 0)!, inputShape).params, ...learned },
        state: null,
        outputShape: [inputShape[0]!, length, features],
      };
    },
    apply(params, state, x) {
      const length = sequence(x.shape);
      const batch = x.shape[0]!;
      const patches = reshape(proj.apply(params.proj, null, x)[0], [batch, length, features]);
      const token = params.classToken;
      const tokens = token
        ? concatenate([broadcastTo(token, [batch, 1, features]), patches], 1)
        : patches;
      if (!params.positions) return [tokens, state];
      if (tokens.shape[1] !== params.positions.shape[1]) {
        throw new ShapeError(
          `${name}: the input ${showShape(x.shape)} gives ${tokens.shape[1]} places but positions has ` +
            `${params.positions.shape[1]}; init the layer with this inputShape`,
        );
      }
      return [add(tokens, params.positions), state];
    },
  };
}
