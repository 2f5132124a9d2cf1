/** jax-js as a contestant, on WebGPU or WebAssembly. */
import { pathToFileURL } from "node:url";
import { type Contestant, type Library, type Trainer, timed } from "../harness/contestant.js";
import { type Values, zerosLike } from "../harness/values.js";
import type { Model } from "../models/model.js";
import { folder, installPeers, peerVersion } from "./install.js";
import { provideNavigator } from "./navigator.js";

/** What of jax-js the benchmarks use. Its functions consume their arguments unless `.ref` is passed. */
export interface JaxArray {
  readonly ref: JaxArray;
  add(y: JaxArray | number): JaxArray;
  sub(y: JaxArray | number): JaxArray;
  mul(y: JaxArray | number): JaxArray;
  sum(axis?: number): JaxArray;
  max(axes: readonly number[]): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  slice(...index: readonly (number | readonly number[])[]): JaxArray;
  data(): Promise<Float32Array>;
  dispose(): void;
}

export interface JaxModule {
  init(...devices: string[]): Promise<string[]>;
  defaultDevice(device: string): void;
  jit<F>(f: F): F;
  blockUntilReady<T>(tree: T): Promise<T>;
  getWebGPUDevice(): GPUDevice;
  valueAndGrad<A extends unknown[], G>(
    f: (...args: A) => JaxArray,
    options?: { argnums: readonly number[] },
  ): (...args: A) => [JaxArray, G];
  readonly numpy: {
    array(data: Float32Array): JaxArray;
    zeros(shape: readonly number[]): JaxArray;
    dot(x: JaxArray, y: JaxArray): JaxArray;
    tanh(x: JaxArray): JaxArray;
    transpose(x: JaxArray): JaxArray;
    abs(x: JaxArray): JaxArray;
  };
  readonly lax: {
    conv(x: JaxArray, w: JaxArray, strides: readonly number[], padding: "SAME" | "VALID"): JaxArray;
  };
  readonly nn: {
    relu(x: JaxArray): JaxArray;
    sigmoid(x: JaxArray): JaxArray;
    logSoftmax(x: JaxArray, axis: number): JaxArray;
  };
}

export interface Jax extends Library, JaxModule {
  readonly device: "webgpu" | "wasm";
}

let module: Promise<JaxModule> | undefined;

export async function loadJax(device: Jax["device"]): Promise<Jax> {
  installPeers();
  await provideNavigator();
  const url = pathToFileURL(`${folder}node_modules/@jax-js/jax/dist/index.js`).href;
  module ??= import(url) as Promise<JaxModule>;
  const loaded = await module;
  const devices = await loaded.init(device);
  if (!devices.includes(device)) throw new Error(`jax-js has no ${device} device here`);
  const version = peerVersion("@jax-js/jax");
  const where = device === "webgpu" ? "the same adapter" : "CPU";
  return { ...loaded, name: `jax-js ${device}`, version, where, device };
}

const make = (jax: Jax, v: Values): JaxArray => {
  jax.defaultDevice(jax.device);
  return jax.numpy.array(v.data).reshape(v.shape);
};

/** blockUntilReady copies no bytes, so the queue is waited for as well. */
async function ready(jax: Jax, arrays: readonly JaxArray[]): Promise<void> {
  await jax.blockUntilReady(arrays);
  if (jax.device === "webgpu") await jax.getWebGPUDevice().queue.onSubmittedWorkDone();
}

/** A jitted function of fixed inputs. */
export function jaxContestant(
  jax: Jax,
  f: (...xs: JaxArray[]) => readonly JaxArray[],
  inputs: readonly Values[],
): Contestant {
  const xs = inputs.map((v) => make(jax, v));
  const jitted = jax.jit(f);
  const call = () => {
    jax.defaultDevice(jax.device);
    return jitted(...xs.map((x) => x.ref));
  };
  return {
    name: jax.name,
    time: (times) =>
      timed(times, async () => {
        // Work is submitted late: a result disposed of early might never be computed.
        const results = Array.from({ length: times }, call).flat();
        await ready(jax, results);
        for (const r of results) r.dispose();
      }),
    outputs: () => Promise.all(call().map((x) => x.data())),
    dispose() {
      for (const x of xs) x.dispose();
    },
  };
}

/** Steps of SGD with momentum, jitted as one function. */
export function jaxTrainer(jax: Jax, model: Model): Trainer {
  let params = model.channelsFirst.map((v) => make(jax, v));
  let velocity = model.channelsFirst.map((v) => make(jax, zerosLike(v)));
  const x = make(jax, model.x);
  const y = make(jax, model.y);
  const valueAndGrad = jax.valueAndGrad<[JaxArray[], JaxArray, JaxArray], JaxArray[]>((ps, a, b) =>
    model.jax(jax, ps, a, b),
  );
  const step = jax.jit((ps: JaxArray[], vs: JaxArray[], a: JaxArray, b: JaxArray) => {
    const [loss, grads] = valueAndGrad(
      ps.map((p) => p.ref),
      a,
      b,
    );
    const next = vs.map((v, i) => v.mul(model.momentum).add(grads[i]!));
    const moved = ps.map((p, i) => p.sub(next[i]!.ref.mul(model.learningRate)));
    return [loss, moved, next] as const;
  });
  const advance = (): JaxArray => {
    jax.defaultDevice(jax.device);
    const [loss, moved, next] = step(params, velocity, x.ref, y.ref);
    params = moved;
    velocity = next;
    return loss;
  };
  const losses = async (steps: number): Promise<number[]> => {
    const found: number[] = [];
    for (let i = 0; i < steps; i++) found.push((await advance().data())[0]!);
    return found;
  };
  return {
    name: jax.name,
    losses,
    time: (times) =>
      timed(times, async () => {
        let last: JaxArray | undefined;
        for (let i = 0; i < times; i++) {
          last?.dispose();
          last = advance();
        }
        await last!.data();
      }),
    outputs: async () => [Float32Array.from(await losses(1))],
    dispose() {
      for (const t of [...params, ...velocity, x, y]) t.dispose();
    },
  };
}
