/** The main job as a program: its output in a pipe, its files, its exit codes, Ctrl-C. */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Results } from "../../examples/cr-sam-mnist/results.js";
import { withoutDawnWarnings } from "../../src/device/node/quiet.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = "examples/cr-sam-mnist/main.ts";
const small = "--train-size 64 --batch 32 --hidden 8 --probes 2 --curvature-size 32".split(" ");
const patience = 240_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "main-job-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program with its output in pipes; `watch` sees the output so far and may send a signal. */
function start(
  args: readonly string[],
  watch: (out: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<Ended> {
  const child = spawn(process.execPath, ["--import", "tsx", program, ...args], { cwd: root });
  let out = "";
  let err = "";
  child.stdout.on("data", (data) => {
    out += data;
    watch(out, (signal) => child.kill(signal));
  });
  child.stderr.on("data", (data) => {
    err += data;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    // A child's standard error is a socket here, from which the program cannot keep Dawn's warnings.
    child.on("close", (code) => resolve({ code, out, err: withoutDawnWarnings(err) }));
  });
}

const readResults = async (out: string): Promise<Results> =>
  JSON.parse(await readFile(join(out, "results.json"), "utf8"));

describe("the main job", { timeout: patience }, () => {
  test("trains, measures, and says where the files are", async () => {
    const to = join(folder, "whole");
    const { code, out, err } = await start([
      ...small,
      ..."--epochs 2 --seeds 1 --optimizers sgd,cr-sam --out".split(" "),
      to,
    ]);
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out).not.toContain("\u001b");
    expect(out).toContain("13 of their labels made wrong on purpose (20%)");
    expect(out).toContain("all 10000 test images");
    expect(out).toContain("crSam agree");
    for (const row of ["test accuracy", "Hessian trace", "dispatches per step"]) {
      expect(out).toContain(row);
    }
    expect((await readdir(to)).sort()).toEqual([
      "loss-along-gradient.svg",
      "results.json",
      "training-curves.svg",
    ]);
    for (const file of await readdir(to)) expect(out).toContain(join(to, file));
    const results = await readResults(to);
    expect(results.complete).toBe(true);
    expect(results.runs.map((r) => [r.method, r.seed, r.epochs.length])).toEqual([
      ["sgd", 0, 2],
      ["cr-sam", 0, 2],
    ]);
    for (const cost of Object.values(results.costs)) {
      expect(cost.counted).toEqual({ dispatches: cost.dispatches, submits: cost.submits });
      expect(cost.submits).toBe(1);
    }
    for (const run of results.runs) {
      expect(run.testAccuracy).toBeGreaterThan(0);
      expect(run.curvature.normalizedTrace).toBeCloseTo(
        run.curvature.trace / run.curvature.gradientNorm,
        6,
      );
      // v is the gradient's direction: the loss rises along it.
      const { loss } = run.landscape;
      const middle = (loss.length - 1) / 2;
      expect(loss[middle + 1]!).toBeGreaterThan(loss[middle - 1]!);
    }
  });

  test("Ctrl-C ends cleanly, with 130, and keeps what is complete", async () => {
    const to = join(folder, "interrupted");
    let sent = false;
    const { code, out, err } = await start(
      [...small, ..."--epochs 1 --seeds 500 --optimizers sgd --out".split(" "), to],
      (so, kill) => {
        if (sent || !/seed 1 /.test(so)) return;
        sent = true;
        kill("SIGINT");
      },
    );
    expect(code).toBe(130);
    expect(err).toBe("Interrupted.\n");
    expect(out).toMatch(/Interrupted: \d+ of 500 runs\./);
    const results = await readResults(to);
    expect(results.complete).toBe(false);
    expect(results.runs.length).toBeGreaterThan(0);
    expect(results.runs.length).toBeLessThan(500);
  });

  test("mistakes end with one line and a code", async () => {
    const wrong = await start(["--rho", "-1"]);
    expect(wrong).toMatchObject({ code: 2, out: "" });
    expect(wrong.err).toBe(
      "error: option '--rho <r>' argument '-1' is invalid. Allowed: a number above 0.\n",
    );
    const absent = await start(["--data", "mnist", "--dir", join(folder, "nothing")]);
    expect(absent.code).toBe(1);
    expect(absent.err).toMatch(/^DataError: MNIST: expected a folder at .*\n$/);
  });
});
