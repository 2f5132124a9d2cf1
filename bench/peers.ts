/** jax-js on the same Dawn adapter, installed into bench/peers. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { learningRate, momentum, type Values } from "./mlp.js";

const folder = fileURLToPath(new URL("./peers/", import.meta.url));

/** Install the peers once. */
export function installPeers(): void {
  if (existsSync(`${folder}node_modules/@jax-js/jax`)) return;
  console.error("installing the libraries to compare with into bench/peers …");
  const done = spawnSync("npm", ["install", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (done.status !== 0) throw new Error("npm install in bench/peers failed");
}

/** What of jax-js the comparison uses. Its functions consume their arguments unless `.ref` is passed. */
interface JaxArray {
  readonly ref: JaxArray;
  add(y: JaxArray): JaxArray;
  sub(y: JaxArray): JaxArray;
  mul(y: JaxArray | number): JaxArray;
  sum(): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<Float32Array>;
}

interface Jax {
  init(...devices: string[]): Promise<string[]>;
  defaultDevice(device: string): void;
  jit<F>(f: F): F;
  valueAndGrad(
    f: (params: JaxArray[], x: JaxArray, y: JaxArray) => JaxArray,
  ): (params: JaxArray[], x: JaxArray, y: JaxArray) => [JaxArray, JaxArray[]];
  readonly numpy: {
    array(data: Float32Array): JaxArray;
    dot(x: JaxArray, y: JaxArray): JaxArray;
  };
  readonly nn: { relu(x: JaxArray): JaxArray; logSoftmax(x: JaxArray, axis: number): JaxArray };
}

/** A library's training step on its own state. */
export interface Runner {
  readonly name: string;
  /** Run `steps` steps and wait; returns the last loss. */
  run(steps: number): Promise<number>;
}

export async function loadJax(device: "webgpu" | "wasm"): Promise<Jax> {
  const require = createRequire(`${folder}package.json`);
  const dawn = (await import(pathToFileURL(require.resolve("webgpu")).href)) as {
    create(options: string[]): GPU;
    globals: object;
  };
  // jax-js looks for a browser's globals.
  Object.assign(globalThis, dawn.globals);
  if (!Reflect.has(globalThis, "navigator")) {
    Object.defineProperty(globalThis, "navigator", {
      value: { gpu: dawn.create([]), userAgent: "node" },
      configurable: true,
    });
  }
  const url = pathToFileURL(`${folder}node_modules/@jax-js/jax/dist/index.js`).href;
  const jax = (await import(url)) as Jax;
  const devices = await jax.init(device);
  if (!devices.includes(device)) throw new Error(`jax-js has no ${device} device here`);
  jax.defaultDevice(device);
  return jax;
}

/** The MLP step in jax-js, jitted, with the same values. */
export function jaxRunner(jax: Jax, name: string, v: Values): Runner {
  const { numpy: np, nn } = jax;
  const make = (t: { shape: number[]; data: Float32Array }) => np.array(t.data).reshape(t.shape);
  let params = v.params.map(make);
  let velocity = v.params.map((p) => np.array(new Float32Array(p.data.length)).reshape(p.shape));
  const x = make(v.x);
  const y = make(v.y);
  const scale = -1 / v.x.shape[0]!;
  const loss = (ps: JaxArray[], a: JaxArray, b: JaxArray): JaxArray => {
    let h = a;
    for (let i = 0; i < ps.length; i += 2) {
      h = np.dot(h, ps[i]!).add(ps[i + 1]!);
      if (i + 2 < ps.length) h = nn.relu(h);
    }
    return nn.logSoftmax(h, -1).mul(b).sum().mul(scale);
  };
  const step = jax.jit((ps: JaxArray[], vs: JaxArray[], a: JaxArray, b: JaxArray) => {
    const [l, g] = jax.valueAndGrad(loss)(
      ps.map((p) => p.ref),
      a,
      b,
    );
    const next = vs.map((m, i) => m.mul(momentum).add(g[i]!));
    return [l, ps.map((p, i) => p.sub(next[i]!.ref.mul(learningRate))), next] as const;
  });
  return {
    name,
    async run(steps) {
      let last: JaxArray | undefined;
      for (let i = 0; i < steps; i++) {
        const [l, p, m] = step(params, velocity, x.ref, y.ref);
        params = p;
        velocity = m;
        last = l;
      }
      return (await last!.data())[0]!;
    },
  };
}
