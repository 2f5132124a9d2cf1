/** The training program as a process, on a small data set of its own making. */
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withoutDawnWarnings } from "../../src/device/node/quiet.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
}

export function start(program: "main" | "evaluate", args: readonly string[]): Running {
  const path = join("examples/train", `${program}.ts`);
  const child = spawn(process.execPath, ["--import", "tsx", path, ...args], {
    cwd: root,
    // Runs that are compared choose their kernels by rule, not each by its own measurement.
    env: { ...process.env, DAWNGRAD_TUNE: "off" },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (data) => {
    out += data;
  });
  child.stderr.on("data", (data) => {
    err += data;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) =>
      // A child's standard error is a pipe here, from which the program cannot keep Dawn's warnings.
      resolve({ code, signal, out, err: withoutDawnWarnings(err) }),
    );
  });
  return { ended, kill: (signal) => child.kill(signal) };
}

/** The files of CIFAR-10 with images that tell their class by a stripe in noise. */
export async function writeCifar(dir: string, train: number, test: number): Promise<void> {
  const records = (count: number, seed: number) => {
    const out = Buffer.alloc(count * 3073);
    let noise = seed;
    for (let i = 0; i < count; i++) {
      const label = i % 10;
      out[i * 3073] = label;
      for (let p = 0; p < 3072; p++) {
        noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
        const row = Math.floor((p % 1024) / 32);
        const stripe = Math.floor(row / 3) === label ? 120 : 0;
        out[i * 3073 + 1 + p] = stripe + (noise >>> 24) / 2;
      }
    }
    return out;
  };
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "data_batch_1.bin"), records(train, 1));
  await writeFile(join(dir, "test_batch.bin"), records(test, 2));
}
