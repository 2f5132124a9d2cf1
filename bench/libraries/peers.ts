/** Open every library that is there. */

import type { Library } from "../harness/contestant.js";
import type { Peers } from "../harness/context.js";
import { type Jax, loadJax } from "./jax.js";
import { loadTfjs, type Tf } from "./tfjs.js";
import { Torch } from "./torch.js";

/** `wanted` matches names, such as "jax-js webgpu". */
export async function openPeers(wanted: (name: string) => boolean): Promise<Peers> {
  const absent: { name: string; reason: string }[] = [];
  async function open<T extends Library>(
    name: string,
    load: () => Promise<T>,
  ): Promise<T | undefined> {
    if (!wanted(name)) return undefined;
    try {
      return await load();
    } catch (error) {
      absent.push({ name, reason: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }
  const jaxWebgpu = await open<Jax>("jax-js webgpu", () => loadJax("webgpu"));
  const jaxWasm = await open<Jax>("jax-js wasm", () => loadJax("wasm"));
  const tfjs = await open<Tf>("tfjs webgpu", loadTfjs);
  const torch1 = await open("PyTorch CPU, 1 thread", () => Torch.open(1));
  const torch2 = await open("PyTorch CPU, 2 threads", () => Torch.open(2));
  return {
    ...(jaxWebgpu && { jaxWebgpu }),
    ...(jaxWasm && { jaxWasm }),
    ...(tfjs && { tfjs }),
    ...(torch1 && { torch1 }),
    ...(torch2 && { torch2 }),
    absent,
  };
}

export const librariesOf = (p: Peers): readonly Library[] =>
  [p.jaxWebgpu, p.jaxWasm, p.tfjs, p.torch1, p.torch2].filter((x) => x !== undefined);
