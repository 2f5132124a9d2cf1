/** PyTorch on the CPU: a Python process that answers requests, so that rounds can alternate. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Contestant, Library, Trainer } from "../harness/contestant.js";
import type { Values } from "../harness/values.js";
import type { Method } from "../models/family.js";
import type { Model } from "../models/model.js";
import { folder } from "./install.js";

export const howToInstall =
  "no Python here imports torch; on Debian: apt-get install python3-torch " +
  "(or name one that does in BENCH_PYTHON)";

/** A Python that has PyTorch: BENCH_PYTHON, the one on the path, the system's own. */
function findPython(): string {
  const candidates = [process.env.BENCH_PYTHON, "python3", "/usr/bin/python3"];
  for (const python of candidates) {
    if (python && spawnSync(python, ["-c", "import torch"]).status === 0) return python;
  }
  throw new Error(howToInstall);
}

interface Answer {
  readonly error?: string;
  readonly version?: string;
  readonly handle?: number;
  readonly ms?: number;
  readonly losses?: readonly number[];
  readonly paths?: readonly string[];
}

export class Torch implements Library {
  readonly name: string;
  readonly where = "CPU";
  version = "";
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #files: string;
  #file = 0;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(python: string, threads: number) {
    this.name = `PyTorch CPU, ${threads} thread${threads > 1 ? "s" : ""}`;
    this.#files = mkdtempSync(join(tmpdir(), "dawngrad-bench-"));
    const count = String(threads);
    this.#child = spawn(python, [join(folder, "torch_peer.py"), count, this.#files], {
      env: { ...process.env, OMP_NUM_THREADS: count, MKL_NUM_THREADS: count },
    });
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  static async open(threads: number): Promise<Torch> {
    const torch = new Torch(findPython(), threads);
    torch.version = (await torch.ask({ op: "version" })).version!;
    return torch;
  }

  /** One request at a time; its answer. */
  ask(request: Readonly<Record<string, unknown>>): Promise<Answer> {
    const answer = this.#last.then(async (): Promise<Answer> => {
      this.#child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await this.#lines.next();
      if (done) throw new Error("the PyTorch process has ended");
      const parsed = JSON.parse(value) as Answer;
      if (parsed.error !== undefined) throw new Error(`PyTorch: ${parsed.error}`);
      return parsed;
    });
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  /** Values go through files: arrays of 64 MB are no text. */
  file({ shape, data }: Values): { shape: readonly number[]; path: string } {
    const path = join(this.#files, `${this.#file++}.bin`);
    writeFileSync(path, data);
    return { shape, path };
  }

  close(): void {
    this.#child.stdin.end();
    rmSync(this.#files, { recursive: true, force: true });
  }
}

function served(torch: Torch, handle: number): Contestant {
  return {
    name: torch.name,
    time: async (times) => (await torch.ask({ op: "time", handle, times })).ms!,
    async outputs() {
      const { paths } = await torch.ask({ op: "outputs", handle });
      return paths!.map((path) => {
        const bytes = readFileSync(path);
        rmSync(path);
        return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      });
    },
    dispose: async () => {
      await torch.ask({ op: "close", handle });
    },
  };
}

/** A function of torch_peer.py by its name. */
export async function torchContestant(
  torch: Torch,
  work: string,
  inputs: readonly Values[],
): Promise<Contestant> {
  const request = { op: "function", work, inputs: inputs.map((v) => torch.file(v)) };
  return served(torch, (await torch.ask(request)).handle!);
}

/** Steps of a method. */
export async function torchTrainer(
  torch: Torch,
  model: Model,
  method: Exclude<Method, "cr-sam-sequential">,
  constants: { rho: number; alpha: number; beta: number },
): Promise<Trainer> {
  const request = {
    op: "train",
    model: model.kind,
    method,
    params: model.channelsFirst.map((v) => torch.file(v)),
    x: torch.file(model.x),
    y: torch.file(model.y),
    learning_rate: model.learningRate,
    momentum: model.momentum,
    ...constants,
  };
  const handle = (await torch.ask(request)).handle!;
  return {
    ...served(torch, handle),
    losses: async (steps) => [...(await torch.ask({ op: "losses", handle, steps })).losses!],
  };
}
