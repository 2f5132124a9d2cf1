/** Training steps of a model at full size on the device, the first one checked against PyTorch. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { block, deviceInfo, jit, memoryStats, mul, random, sub, type Tensor, tree } from "dawngrad";
import { saveSafetensors } from "dawngrad/data";
import { toStateDict } from "dawngrad/nn";
import { type Entry, entryOf, type ModelName } from "./catalogue.js";
import {
  type Images,
  imageShape,
  initialState,
  type Losses,
  type State,
  settings,
  stepOf,
} from "./step.js";

/** The losses at w, w + ρv and w − ρv. */
export interface LossValues {
  readonly loss: number;
  readonly Lp: number;
  readonly Lm: number;
}

export interface Run {
  readonly device: string;
  readonly batch: number;
  /** Compiling in parallel, and the first step, in which lavapipe compiles the rest. */
  readonly warmupSeconds: number;
  readonly firstSeconds: number;
  /** The fastest of the steps after it. */
  readonly stepSeconds: number;
  readonly peakBytes: number;
  readonly first: LossValues;
  readonly last: LossValues;
  /** The same step in PyTorch's float64: its losses, and ‖g − g'‖/‖g'‖ of the gradients. */
  readonly torch?: LossValues & { readonly gradient: number };
}

const copy = <T>(x: T): T => tree.map(((t: Tensor) => mul(t, 1)) as never, x as never) as T;

/** ViT's head starts with zeros, which would make every other gradient zero: it is drawn here. */
function begin(entry: Entry): State {
  const made = initialState(entry, random.key(0));
  const params = made.params as { head?: { weight: Tensor } };
  if (entry.base !== "adamw" || !params.head) return made;
  const weight = mul(random.normal(random.key(3), params.head.weight.shape), 0.02);
  return { ...made, params: { ...params, head: { ...params.head, weight } } };
}

function imagesFor(entry: Entry, batch: number): Images {
  return {
    x: random.normal(random.key(1), imageShape(entry, batch)),
    y: random.randint(random.key(2), [batch], 0, entry.classes),
  };
}

async function valuesOf(losses: Losses): Promise<LossValues> {
  const [loss, Lp, Lm] = await Promise.all(
    [losses.loss, losses.Lp, losses.Lm].map(async (x) => (await x!.item()) as number),
  );
  return { loss: loss!, Lp: Lp!, Lm: Lm! };
}

/** The gradient that the base optimizer was given, from its state after its first step. */
function gradientAfter(entry: Entry, before: unknown, { optimizer }: State): unknown {
  const states = optimizer as unknown as readonly {
    readonly trace?: unknown;
    readonly mu?: unknown;
  }[];
  const { sgd, adamw } = settings;
  if (entry.base === "adamw") {
    const { mu } = states.find((s) => s?.mu !== undefined)!;
    return tree.map(((m: Tensor) => mul(m, 1 / (1 - adamw.b1))) as never, mu as never);
  }
  const { trace } = states.find((s) => s?.trace !== undefined)!;
  const leaf = (t: Tensor, w: Tensor): Tensor => sub(t, mul(w, sgd.weightDecay));
  return tree.map(leaf as never, trace as never, before as never);
}

async function inTorch(name: ModelName, python: string, path: string): Promise<Run["torch"]> {
  const script = join(dirname(fileURLToPath(import.meta.url)), "check.py");
  const { stdout } = await promisify(execFile)(python, [script, name, path]);
  return JSON.parse(stdout) as Run["torch"];
}

export async function runModel(
  name: ModelName,
  batch: number,
  steps: number,
  python: string | undefined,
  log: (line: string) => void,
): Promise<Run> {
  const entry = entryOf(name);
  const images = imagesFor(entry, batch);
  let at = begin(entry);
  const before = copy(at.params);
  await block([at, images, before] as never);
  const step = jit(stepOf(entry, "cr-sam"), { donateArgnums: 0, name });
  const seconds = async (f: () => Promise<unknown>): Promise<number> => {
    const from = performance.now();
    await f();
    return (performance.now() - from) / 1000;
  };
  const warmupSeconds = await seconds(() => step.warmup(at, images));
  log(`${name}: compiled in ${warmupSeconds.toFixed(1)} s`);
  const values: LossValues[] = [];
  const times: number[] = [];
  let torch: Run["torch"];
  for (let i = 0; i < steps; i++) {
    times.push(
      await seconds(async () => {
        const [next, losses] = step(at, images);
        at = next;
        values.push(await valuesOf(losses));
        await block(at as never);
      }),
    );
    log(`${name}: step ${i + 1} in ${times[i]!.toFixed(2)} s, ${JSON.stringify(values[i])}`);
    if (!Object.values(values[i]!).every(Number.isFinite)) {
      throw new Error(`${name}: the losses of step ${i + 1} are not finite`);
    }
    if (i > 0 || python === undefined || !entry.torch) continue;
    const folder = await mkdtemp(join(tmpdir(), "dawngrad-models-"));
    const path = join(folder, "step.safetensors");
    const { names } = entry;
    const prefixed = (prefix: string, dict: Record<string, Tensor>) =>
      Object.fromEntries(Object.entries(dict).map(([k, x]) => [`${prefix}.${k}`, x]));
    const weights = toStateDict({ params: before, state: null }, { names });
    const grads = toStateDict({ params: gradientAfter(entry, before, at), state: null }, { names });
    const { rho, alpha, beta } = settings;
    const metadata = { rho: `${rho}`, alpha: `${alpha}`, beta: `${beta}` };
    try {
      const tensors = { ...prefixed("w", weights), ...prefixed("g", grads), ...images };
      await saveSafetensors(path, tensors, { metadata });
      torch = await inTorch(name, python, path);
    } finally {
      await rm(folder, { recursive: true });
    }
    log(`${name}: PyTorch says ${JSON.stringify(torch)}`);
  }
  const device = deviceInfo();
  return {
    device: device.description || device.vendor,
    batch,
    warmupSeconds,
    firstSeconds: times[0]!,
    stepSeconds: Math.min(...times.slice(1)),
    peakBytes: memoryStats().peakBytes,
    first: values[0]!,
    last: values.at(-1)!,
    ...(torch ? { torch } : {}),
  };
}
