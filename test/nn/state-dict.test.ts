/** State dicts by the names that torchvision and timm give them. */
import { readFileSync } from "node:fs";
import { array, DataError, evalShape, init, random, type Tensor } from "dawngrad";
import {
  type AnyLayer,
  fromStateDict,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  type StateDictNames,
  timmVitNames,
  torchNames,
  torchvisionVitNames,
  toStateDict,
  vit,
} from "dawngrad/nn";
import { reference } from "dawngrad/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { families, images } from "./parity.js";

type Shapes = Record<string, readonly number[]>;

const url = new URL("../fixtures/state-dicts.json", import.meta.url);
const torchvision = JSON.parse(readFileSync(url, "utf8")) as Record<string, Shapes>;

function shapesOf(model: AnyLayer, names: StateDictNames): Shapes {
  const dict = evalShape((key: Tensor) => {
    const { params, state } = model.init(key, [1, 224, 224, 3]);
    return toStateDict({ params, state }, { names });
  }, random.key(0));
  return Object.fromEntries(Object.entries(dict).map(([name, x]) => [name, x.shape]));
}

/** timm's vision_transformer.py: the modules of VisionTransformer, its Blocks and their parts. */
function timm(features: number, depth: number, patch: number, classes: number): Shapes {
  const places = (224 / patch) ** 2 + 1;
  const out: Record<string, number[]> = {
    cls_token: [1, 1, features],
    pos_embed: [1, places, features],
    "patch_embed.proj.weight": [features, 3, patch, patch],
    "patch_embed.proj.bias": [features],
    "norm.weight": [features],
    "norm.bias": [features],
    "head.weight": [classes, features],
    "head.bias": [classes],
  };
  for (let i = 0; i < depth; i++) {
    for (const norm of ["norm1", "norm2"]) {
      out[`blocks.${i}.${norm}.weight`] = [features];
      out[`blocks.${i}.${norm}.bias`] = [features];
    }
    const dense: [string, number, number][] = [
      ["attn.qkv", 3 * features, features],
      ["attn.proj", features, features],
      ["mlp.fc1", 4 * features, features],
      ["mlp.fc2", features, 4 * features],
    ];
    for (const [name, outputs, inputs] of dense) {
      out[`blocks.${i}.${name}.weight`] = [outputs, inputs];
      out[`blocks.${i}.${name}.bias`] = [outputs];
    }
  }
  return out;
}

describe("names and shapes are those of", () => {
  test("torchvision's ResNets", () => {
    for (const [name, model] of Object.entries({ resnet18, resnet34, resnet50, resnet101 })) {
      expect(shapesOf(model(), torchNames), name).toEqual(torchvision[name]);
    }
  });
  test("torchvision's ViT-B/32", () => {
    expect(shapesOf(vit(), torchvisionVitNames)).toEqual(torchvision.vit_b_32);
  });
  test("timm's ViT-B/32 and ViT-S/32", () => {
    expect(shapesOf(vit(), timmVitNames)).toEqual(timm(768, 12, 32, 1000));
    expect(shapesOf(vit({ size: "S" }), timmVitNames)).toEqual(timm(384, 12, 32, 1000));
  });
});

describe("values", () => {
  const family = families.find(({ name }) => name === "vit")!;
  const { model, record, like } = family;
  beforeAll(() => init());

  // A table by hand: the map's own code has no part in it.
  const renamed = (name: string): string =>
    name
      .replace("conv_proj.", "patch_embed.proj.")
      .replace("class_token", "cls_token")
      .replace("encoder.pos_embedding", "pos_embed")
      .replace(/encoder\.layers\.encoder_layer_(\d+)\./, "blocks.$1.")
      .replace("ln_1.", "norm1.")
      .replace("ln_2.", "norm2.")
      .replace("self_attention.in_proj_", "attn.qkv.")
      .replace("self_attention.out_proj.", "attn.proj.")
      .replace("mlp.0.", "mlp.fc1.")
      .replace("mlp.3.", "mlp.fc2.")
      .replace("encoder.ln.", "norm.")
      .replace("heads.head.", "head.");

  test("under timm's names a transformer computes what PyTorch's does", async () => {
    const dict = Object.fromEntries(Object.entries(family.dict).map(([k, x]) => [renamed(k), x]));
    const logits = await reference((d: Record<string, Tensor>, x: Tensor) => {
      const { params, state } = fromStateDict(d, like, { names: timmVitNames });
      return model.apply(params, state, x)[0];
    })(dict as never, images(record, 100));
    const worst = Math.max(...record.logits.map((v, i) => Math.abs(v - logits.data[i]!)));
    expect(worst).toBeLessThan(1e-10);
  });

  test("what is missing, left over or of another shape is listed", () => {
    const small = vit({ patch: 16, features: 4, depth: 1, heads: 1, classes: 2 });
    const made = small.init(random.key(0), [1, 32, 32, 3]);
    const { params, state } = made;
    const dict = toStateDict({ params, state }, { names: timmVitNames });
    const load = (d: Record<string, Tensor>) => () =>
      fromStateDict(d, { params, state }, { names: timmVitNames });
    const { cls_token: _, ...without } = dict;
    expect(load(without)).toThrow(DataError);
    expect(load(without)).toThrow(/"cls_token" is missing/);
    expect(load({ ...dict, extra: array([1]) })).toThrow(/"extra" is not expected/);
    expect(load({ ...dict, "head.weight": array([[1]]) })).toThrow(
      /"head.weight" is \[1,1\], not \[2,4\]/,
    );
    // Counters of PyTorch's batch norms are no weights.
    expect(load({ ...dict, "bn1.num_batches_tracked": array(3) })).not.toThrow();
  });
});
