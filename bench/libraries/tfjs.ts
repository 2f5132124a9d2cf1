/** TensorFlow.js with its WebGPU backend as a contestant. It is eager: nothing is compiled ahead. */
import { type Contestant, type Library, type Trainer, timed } from "../harness/contestant.js";
import { type Values, zerosLike } from "../harness/values.js";
import type { Model } from "../models/model.js";
import { installPeers, peerVersion, requirePeer } from "./install.js";
import { provideNavigator } from "./navigator.js";

export interface TfTensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}

type Operand = TfTensor | number;

interface TfBackend {
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  readonly queue: GPUQueue;
}

/** What of TensorFlow.js the benchmarks use. */
export interface TfModule {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  getBackend(): string;
  backend(): TfBackend;
  tensor(data: Float32Array, shape: readonly number[]): TfTensor;
  tidy<T>(f: () => T): T;
  keep(x: TfTensor): TfTensor;
  add(x: Operand, y: Operand): TfTensor;
  sub(x: Operand, y: Operand): TfTensor;
  mul(x: Operand, y: Operand): TfTensor;
  abs(x: TfTensor): TfTensor;
  relu(x: TfTensor): TfTensor;
  sum(x: TfTensor, axis?: number): TfTensor;
  matMul(x: TfTensor, y: TfTensor, transposeX?: boolean, transposeY?: boolean): TfTensor;
  reshape(x: TfTensor, shape: readonly number[]): TfTensor;
  logSoftmax(x: TfTensor, axis: number): TfTensor;
  conv2d(x: TfTensor, w: TfTensor, stride: number, padding: "same" | "valid"): TfTensor;
  maxPool(x: TfTensor, size: number, stride: number, padding: "same" | "valid"): TfTensor;
  valueAndGrads(
    f: (...xs: TfTensor[]) => TfTensor,
  ): (xs: readonly TfTensor[]) => { value: TfTensor; grads: TfTensor[] };
}

export type Tf = Library & { readonly tf: TfModule } & TfModule;

export async function loadTfjs(): Promise<Tf> {
  installPeers();
  await provideNavigator();
  const tf = requirePeer("@tensorflow/tfjs") as TfModule;
  requirePeer("@tensorflow/tfjs-backend-webgpu");
  await tf.setBackend("webgpu");
  await tf.ready();
  if (tf.getBackend() !== "webgpu") {
    throw new Error(`TensorFlow.js chose its backend ${tf.getBackend()} instead of webgpu`);
  }
  const version = peerVersion("@tensorflow/tfjs-core");
  return { ...tf, tf, name: "tfjs webgpu", version, where: "the same adapter" };
}

async function ready({ tf }: Tf): Promise<void> {
  const backend = tf.backend();
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
}

/** A function of fixed inputs, run op by op. */
export function tfjsContestant(
  tf: Tf,
  f: (...xs: TfTensor[]) => readonly TfTensor[],
  inputs: readonly Values[],
): Contestant {
  const xs = inputs.map((v) => tf.tensor(v.data, v.shape));
  const call = (): readonly TfTensor[] => tf.tidy(() => f(...xs) as TfTensor[]);
  const release = (ts: readonly TfTensor[]) => {
    for (const t of ts) t.dispose();
  };
  return {
    name: tf.name,
    time: (times) =>
      timed(times, async () => {
        for (let i = 0; i < times; i++) release(call());
        await ready(tf);
      }),
    async outputs() {
      const out = call();
      const data = await Promise.all(out.map((x) => x.data()));
      release(out);
      return data;
    },
    dispose: () => release(xs),
  };
}

/** Steps of SGD with momentum. */
export function tfjsTrainer(tf: Tf, model: Model): Trainer {
  const make = (v: Values) => tf.tensor(v.data, v.shape);
  let params = model.params.map(make);
  let velocity = model.params.map((v) => make(zerosLike(v)));
  const x = make(model.x);
  const y = make(model.y);
  const valueAndGrads = tf.valueAndGrads((...ps) => model.tfjs(tf, ps, x, y));
  const advance = (): TfTensor => {
    const before = [...params, ...velocity];
    const [loss, ...state] = tf.tidy(() => {
      const { value, grads } = valueAndGrads(params);
      const next = velocity.map((v, i) => tf.add(tf.mul(v, model.momentum), grads[i]!));
      const moved = params.map((p, i) => tf.sub(p, tf.mul(next[i]!, model.learningRate)));
      return [value, ...moved, ...next];
    });
    params = state.slice(0, params.length);
    velocity = state.slice(params.length);
    for (const t of before) t.dispose();
    return loss!;
  };
  const losses = async (steps: number): Promise<number[]> => {
    const found: number[] = [];
    for (let i = 0; i < steps; i++) {
      const loss = advance();
      found.push((await loss.data())[0]!);
      loss.dispose();
    }
    return found;
  };
  return {
    name: tf.name,
    losses,
    time: (times) =>
      timed(times, async () => {
        let last: TfTensor | undefined;
        for (let i = 0; i < times; i++) {
          last?.dispose();
          last = advance();
        }
        await last!.data();
        last!.dispose();
      }),
    outputs: async () => [Float32Array.from(await losses(1))],
    dispose() {
      for (const t of [...params, ...velocity, x, y]) t.dispose();
    },
  };
}
