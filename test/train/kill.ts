/**
 * Kills the training program at random moments, resumes it each time, and compares with a run that
 * was left alone.
 */
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Ended, start, writeCifar } from "./program.js";

export interface KillOptions {
  readonly folder: string;
  readonly kills: number;
  /** Options of the program beside --data, --dir and --out. */
  readonly args: readonly string[];
  readonly random: () => number;
  readonly say: (text: string) => void;
}

export interface KillOutcome {
  /** The last checkpoints, which are to be the same bytes. */
  readonly uninterrupted: Buffer;
  readonly interrupted: Buffer;
  readonly logs: readonly [uninterrupted: string, interrupted: string];
  /** Kills that met a running process, and how far the run had come at each. */
  readonly kills: readonly number[];
}

/** The longest wait of a kill after the log has grown. */
const patienceMs = 600;

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    (s) => s.size,
    () => 0,
  );

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function killAndResume(options: KillOptions): Promise<KillOutcome> {
  const { folder, args, random, say } = options;
  const data = join(folder, "cifar");
  await writeCifar(data, 96, 20);
  const common = ["--data", "cifar10", "--dir", data, ...args];
  const [whole, broken] = [join(folder, "whole"), join(folder, "broken")];
  await Promise.all([whole, broken].map((path) => rm(path, { recursive: true, force: true })));
  const alone = start("main", [...common, "--out", whole]).ended;

  const log = join(broken, "log.jsonl");
  const kills: number[] = [];
  let last: Ended;
  do {
    const again = (await sizeOf(join(broken, "config.json"))) > 0;
    const before = await sizeOf(log);
    const run = start(
      "main",
      again ? ["--resume", broken, "--dir", data] : [...common, "--out", broken],
    );
    let over = false;
    const ended = run.ended.finally(() => {
      over = true;
    });
    if (kills.length < options.kills) {
      // One kill in four may come before the run has begun; the others wait for it to get on.
      if (random() > 0.25) {
        while (!over && (await sizeOf(log)) <= before + 200) await pause(5);
      }
      await pause(random() * patienceMs);
      if (!over) {
        run.kill("SIGKILL");
        kills.push(await sizeOf(log));
        say(`kill ${kills.length} with a log of ${kills.at(-1)} bytes`);
      }
    }
    last = await ended;
    if (last.signal !== "SIGKILL" && last.code !== 0) {
      throw new Error(`the program failed with code ${last.code}: ${last.err}`);
    }
  } while (last.signal === "SIGKILL");
  const { code, err } = await alone;
  if (code !== 0) throw new Error(`the uninterrupted run failed with code ${code}: ${err}`);
  const checkpointOf = (path: string) => readFile(join(path, "checkpoint.safetensors"));
  return {
    uninterrupted: await checkpointOf(whole),
    interrupted: await checkpointOf(broken),
    logs: [await readFile(join(whole, "log.jsonl"), "utf8"), await readFile(log, "utf8")],
    kills,
  };
}
