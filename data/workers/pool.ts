/** Worker threads that prepare batches. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { Job, JobResult } from "./job.js";
import type { Reply } from "./worker.js";

interface Pending {
  readonly job: Job;
  readonly signal: AbortSignal;
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Threads are started when there is work for them, and keep no process alive without any. */
export class WorkerPool {
  readonly #size: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Pending>();
  readonly #queue: Pending[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** Jobs that wait when `signal` fires are never begun. */
  run(job: Job, signal: AbortSignal): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, signal, resolve, reject });
      this.#begin();
    });
  }

  /** End all threads; jobs under way fail. The pool can be used again. */
  async close(): Promise<void> {
    const all = [...this.#idle.splice(0), ...this.#busy.keys()];
    await Promise.all(all.map((worker) => worker.terminate()));
  }

  #begin(): void {
    while (this.#queue.length > 0) {
      if (this.#queue[0]!.signal.aborted) {
        const { reject, signal } = this.#queue.shift()!;
        reject(signal.reason);
        continue;
      }
      const worker = this.#idle.pop() ?? (this.#busy.size < this.#size ? this.#start() : undefined);
      if (worker === undefined) return;
      const pending = this.#queue.shift()!;
      this.#busy.set(worker, pending);
      worker.ref();
      const { rows } = pending.job;
      // The gathered pixels are the loader's own: they move instead of being copied.
      const moved = "images" in rows ? [rows.images.buffer as ArrayBuffer] : [];
      worker.postMessage(pending.job, moved);
    }
  }

  #start(): Worker {
    const worker = startWorker();
    worker.on("message", (reply: Reply) => {
      const pending = this.#busy.get(worker);
      this.#busy.delete(worker);
      this.#idle.push(worker);
      worker.unref();
      if ("result" in reply) pending?.resolve(reply.result);
      else pending?.reject(new Error(reply.error));
      this.#begin();
    });
    let cause: unknown;
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", (code) => {
      const at = this.#idle.indexOf(worker);
      if (at >= 0) this.#idle.splice(at, 1);
      const pending = this.#busy.get(worker);
      this.#busy.delete(worker);
      const why = cause instanceof Error ? `: ${cause.message}` : ` with code ${code}`;
      pending?.reject(new Error(`a worker thread ended${why}`, { cause }));
      this.#begin();
    });
    return worker;
  }
}

function startWorker(): Worker {
  const here = import.meta.url;
  if (!here.endsWith(".ts")) return new Worker(new URL("./worker.js", here), { execArgv: [] });
  // From source: a thread of Node 20 does not inherit the loader, and is given it first. (require
  // resolves to the CommonJS form of it, whose neighbour is the one for modules.)
  const required = pathToFileURL(createRequire(here).resolve("tsx/esm/api"));
  const api = JSON.stringify(new URL("index.mjs", required).href);
  const program = JSON.stringify(new URL("./worker.ts", here).href);
  const text = `import(${api}).then((tsx) => { tsx.register(); return import(${program}); });`;
  return new Worker(text, { eval: true, execArgv: [] });
}

const pools = new Map<number, WorkerPool>();

/** The process's pool of so many threads: loaders share it. */
export function poolOf(size: number): WorkerPool {
  let pool = pools.get(size);
  if (pool === undefined) {
    pool = new WorkerPool(size);
    pools.set(size, pool);
  }
  return pool;
}

/** End the worker threads of all loaders. They start again when a loader is used. */
export async function closeWorkers(): Promise<void> {
  await Promise.all([...pools.values()].map((pool) => pool.close()));
}
