/** The training and evaluation programs: their files, their ends, and that a run goes on exactly. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeWorkers, loadCheckpoint, saveCheckpoint } from "../../data/index.js";
import { averages } from "../../examples/train/evaluate-report.js";
import { buildModel, type ModelName, modelNames } from "../../examples/train/models.js";
import { optimizerNames } from "../../examples/train/optimizers.js";
import { parseOptions } from "../../examples/train/parse.js";
import type { Checkpoint } from "../../examples/train/run-folder.js";
import { train } from "../../examples/train/train.js";
import { DataError, evalShape, random, ShapeDtypeStruct, type Tensor } from "../../src/index.js";
import { killAndResume } from "./kill.js";
import { start, writeCifar } from "./program.js";

const patience = 240_000;
let folder: string;
let data: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dawngrad-train-"));
  data = join(folder, "cifar");
  await writeCifar(data, 160, 40);
});
afterAll(async () => {
  await closeWorkers();
  await rm(folder, { recursive: true });
});

const quiet = { write: () => true } as unknown as NodeJS.WritableStream;

function parse(text: string, expectError = false) {
  const said: string[] = [];
  const say = (s: string) => void said.push(s);
  try {
    return { options: parseOptions(text.split(" "), { out: say, err: say }), said: said.join("") };
  } catch (error) {
    if (!expectError) throw new Error(said.join(""), { cause: error });
    return { options: undefined, said: said.join("") };
  }
}

const optionsOf = (text: string) =>
  parse(`--data cifar10 --dir ${data} --model mlp --hidden 8 --batch 16 --workers 0 ${text}`)
    .options!;
const run = (text: string, signal = new AbortController().signal) =>
  train(optionsOf(text), quiet, signal);
const entries = async (out: string) =>
  (await readFile(join(out, "log.jsonl"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("killed at random moments and resumed, a run ends with the same bytes", {
  timeout: patience,
}, async () => {
  // A generator of its own: the moments differ from run to run by the machine's timing anyway.
  let seed = 7;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const outcome = await killAndResume({
    folder: join(folder, "kills"),
    kills: 2,
    args: "--model mlp --hidden 8 --optimizer cr-sam --batch 8 --epochs 25 --ema 0.9 --checkpoint-every 5".split(
      " ",
    ),
    random,
    say: () => {},
  });
  expect(outcome.kills.length).toBeGreaterThan(0);
  expect(outcome.interrupted.equals(outcome.uninterrupted)).toBe(true);
  // The logs too, but for times and the entries of the resumptions.
  const bare = (log: string) =>
    log
      .trimEnd()
      .split("\n")
      .map((line) => ({ ...JSON.parse(line), seconds: 0, imagesPerSecond: 0 }))
      .filter((entry) => entry.event === "step" || entry.event === "epoch");
  expect(bare(outcome.logs[1])).toEqual(bare(outcome.logs[0]));
});

describe("a run", { timeout: patience }, () => {
  test("learns, logs, and is evaluated as it was in training", async () => {
    const out = join(folder, "learns");
    const { last } = await run(`--epochs 6 --lr 0.02 --augment none --out ${out} --ema 0.5`);
    expect(last!.test.top1).toBeGreaterThan(0.5);
    expect(last!.test.top5).toBeGreaterThanOrEqual(last!.test.top1);
    expect(last!.test.count).toBe(40);
    const log = await entries(out);
    expect(log.filter((e) => e.event === "epoch").map((e) => e.step)).toEqual([
      10, 20, 30, 40, 50, 60,
    ]);
    const said = await start("evaluate", ["--checkpoint", out, "--dir", data, "--json"]).ended;
    expect(said.err).toBe("");
    const [result] = JSON.parse(said.out).results;
    expect(result.top1).toBe(last!.test.top1);
    expect(result.loss).toBeCloseTo(last!.test.loss, 5);
    // Another run does not take its folder, and it goes on with its own options only.
    await expect(run(`--out ${out}`)).rejects.toThrow(/found one: go on with it by --resume/);
    expect(parse(`--resume ${out} --lr 1`, true).said).toMatch(/--lr cannot change/);
    expect(parse(`--resume ${out} --workers 1`).options!.hidden).toEqual([8]);
  });

  test("every optimizer trains; accumulation is the whole batch", async () => {
    const weights = async (name: string, more: string) => {
      const out = join(folder, name);
      const { last } = await run(
        `--epochs 1 --hidden none --train-size 32 --test-size 10 --out ${out} ${more}`,
      );
      expect(Number.isFinite(last!.test.loss), name).toBe(true);
      return (await loadCheckpoint<Checkpoint>(join(out, "checkpoint.safetensors"))).train.params;
    };
    for (const name of optimizerNames) await weights(`all-${name}`, `--optimizer ${name}`);
    const flat = async (name: string, more: string) =>
      JSON.stringify(
        await Promise.all(
          ((await weights(name, more)) as { weight: { data(): Promise<Float32Array> } }[]).map(
            async (l) => Array.from(await l.weight.data(), (x) => Math.round(x * 1e4)),
          ),
        ),
      );
    expect(await flat("parts", "--accumulate 4 --optimizer sam")).toBe(
      await flat("whole-batch", "--optimizer sam"),
    );
  });

  test("ends at a loss that is not finite, naming the step and the checkpoint", async () => {
    const out = join(folder, "nan");
    const text = `--epochs 40 --lr 1e30 --warmup 20 --schedule constant --checkpoint-every 1 --out ${out}`;
    const error = await run(text).catch((e: unknown) => e as Error);
    expect((error as Error).message).toMatch(/the loss of step \d+ is not finite; /);
    const log = await entries(out);
    expect(log.every((e) => e.event !== "step" || Number.isFinite(e.loss))).toBe(true);
  });

  test("at Ctrl-C saves and ends; the rest is what it would have been", async () => {
    const [whole, parts] = [join(folder, "w"), join(folder, "p")];
    await run(`--epochs 2 --out ${whole}`);
    const controller = new AbortController();
    controller.abort();
    // Each call ends after one step.
    const first = await run(`--epochs 2 --out ${parts}`, controller.signal);
    expect(first.interrupted).toBe(true);
    const again = parse(`--resume ${parts} --dir ${data}`).options!;
    await train(again, quiet, controller.signal);
    await train(again, quiet, new AbortController().signal);
    const bytes = (out: string) => readFile(join(out, "checkpoint.safetensors"));
    expect((await bytes(parts)).equals(await bytes(whole))).toBe(true);
  });

  test("what cannot work is said before training", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    await expect(run(`--out ${join(file, "x")}`)).rejects.toThrow(DataError);
    await expect(run(`--out ${join(file, "x")}`)).rejects.toThrow(/expected a folder to write to/);
    await expect(run("--train-size 1000 --out /tmp/none")).rejects.toThrow(/has 160 images/);
    const other = join(folder, "other");
    await mkdir(other);
    await saveCheckpoint(join(other, "checkpoint.safetensors"), { epoch: 1 });
    const { code, err } = await start("evaluate", ["--checkpoint", other, "--dir", data]).ended;
    expect(code).toBe(1);
    expect(err).toMatch(/DataError: .*expected a checkpoint of npm run train/);
  });
});

describe("options", () => {
  test("come from a file, under those of the command line, with the same checks", async () => {
    const path = join(folder, "config.json");
    const config = { data: "mnist", lr: 0.5, hidden: [3, 4], augment: [], nesterov: true };
    await writeFile(path, JSON.stringify(config));
    const { options } = parse(`--config ${path} --lr 0.25`);
    expect(options).toMatchObject({ ...config, lr: 0.25 });
    const bad: [unknown, RegExp][] = [
      [{ rate: 1 }, /there is no option "rate"/],
      [{ lr: -1 }, /"lr": Allowed: a number above 0/],
      [{ lr: [{}] }, /"lr": expected text or a number/],
      [{ nesterov: "yes" }, /"nesterov": expected true or false/],
      [{ model: "resnet19" }, /"model": Allowed choices are/],
      [[], /expected a JSON object/],
    ];
    for (const [content, message] of bad) {
      await writeFile(path, JSON.stringify(content));
      expect(parse(`--config ${path}`, true).said).toMatch(message);
    }
    await writeFile(path, "{");
    expect(parse(`--config ${path}`, true).said).toMatch(/expected a JSON file of options/);
  });

  test("that the model does not have are refused", () => {
    const cases: [string, RegExp][] = [
      ["--model mlp --width 3", /--width is not an option of --model mlp/],
      ["--model resnet18 --hidden 3", /--hidden is not an option of --model resnet18/],
      ["--model resnet18 --patch 4", /--patch is not an option of --model resnet18/],
      ["--model vit-b-32 --zero-init-residual", /--zero-init-residual is not an option of/],
      ["--model wrn-28-10 --dropout 1", /Allowed: a number from 0 to below 1/],
    ];
    for (const [text, message] of cases) {
      expect(parse(`--data mnist ${text}`, true).said).toMatch(message);
    }
    expect(parse("--data mnist --model vit-s-32 --patch 7 --dropout 0.1").options!.patch).toBe(7);
  });

  test("that contradict each other are refused in a line", () => {
    const cases: [string, RegExp][] = [
      ["--data cifar10", /needs --dir/],
      ["--data mnist --batch 10 --accumulate 3", /--accumulate 3 does not divide --batch 10/],
      ["--data mnist --train-size 10", /--batch 128 is more than the 10 images/],
      ["--data mnist --epochs 2 --warmup 3", /--warmup 3 is more than --epochs 2/],
      ["--data mnist --augment crop,crop", /each once, of crop/],
      ["--data mnist --optimizer sgdd", /sgdd/],
    ];
    for (const [text, message] of cases) expect(parse(text, true).said).toMatch(message);
  });
});

test("every model takes small images and large ones", () => {
  const shapeOf = (model: ModelName, side: number, patch: number) => {
    const chosen = { model, patch, hidden: [4], zeroInitResidual: true };
    const net = buildModel({ ...chosen, dropout: 0, stochasticDepth: 0 }, 7, [side, side, 3]);
    const forward = (x: Tensor) => {
      const { params, state } = net.init(random.key(0), x.shape);
      return net.apply(params, state, x)[0];
    };
    return evalShape(forward, new ShapeDtypeStruct([2, side, side, 3])).shape;
  };
  for (const name of modelNames) {
    expect(shapeOf(name, 32, 4), name).toEqual([2, 7]);
    if (!name.includes("110")) expect(shapeOf(name, 224, 32), name).toEqual([2, 7]);
  }
  expect(() => shapeOf("vit-b-32", 28, 32)).toThrow(/--patch 32: expected a size that divides/);
});

test("ImageNet-C is averaged over severities, then over corruptions", () => {
  const of = (corruption: string, severity: number, top1: number) => ({
    name: "",
    corruption,
    severity,
    top1,
    top5: 1,
    loss: 0,
    count: 1,
  });
  const found = [of("fog", 1, 0.25), of("fog", 2, 0.75), of("blur", 1, 0)];
  expect(averages(found).corruptions!.fog!.top1).toBe(0.5);
  expect(averages(found).mean!.top1).toBe(0.25);
});
