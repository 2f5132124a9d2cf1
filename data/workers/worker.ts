/** The program of a worker thread: takes jobs, sends results. It never touches a device. */
import { parentPort } from "node:worker_threads";
import { type Job, type JobResult, runJob } from "./job.js";

export type Reply = { readonly result: JobResult } | { readonly error: string };

parentPort?.on("message", async (job: Job) => {
  try {
    const result = await runJob(job);
    const { images } = result.batch;
    const reply: Reply = { result };
    parentPort?.postMessage(reply, [images.buffer as ArrayBuffer]);
  } catch (error) {
    const reply: Reply = { error: error instanceof Error ? error.message : String(error) };
    parentPort?.postMessage(reply);
  }
});
