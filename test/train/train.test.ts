/** The training and evaluation programs: their files, their ends, and that a run goes on exactly. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeWorkers, loadCheckpoint, saveCheckpoint } from "../../data/index.js";
import { dirComplaint, parseEvaluate } from "../../examples/train/evaluate-options.js";
import { averages } from "../../examples/train/evaluate-report.js";
import type { LabelledBatch } from "../../examples/train/members.js";
import { buildModel, type ModelName, modelNames } from "../../examples/train/models.js";
import { gradientFor, optimizerNames } from "../../examples/train/optimizers.js";
import { parseOptions } from "../../examples/train/parse.js";
import type { Checkpoint } from "../../examples/train/run-folder.js";
import { train } from "../../examples/train/train.js";
import { softmaxCrossEntropy } from "../../nn/index.js";
import { DataError, evalShape, random, ShapeDtypeStruct, type Tensor } from "../../src/index.js";
import { hostArray, reference } from "../../src/testing/index.js";
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

/** Every option of a member beside --rho and --adaptive. */
const ownOptions = [
  "--optimizer cr-sam --variant paper --floor 0.2,0.1 --negative softabs --through full",
  "--optimizer cr-sam --curvature exact --direction rademacher --surrogate-gap 0.1",
  "--optimizer cr-sam --accumulate 2 --per-part",
  "--optimizer look-sam --every 2 --cr --alpha 0.5 --beta 0.1",
  "--optimizer ae-sam --cr",
  "--optimizer esam --gamma 0.25 --cr",
  "--optimizer ssam --mask dynamic --every 1 --sparsity 0.6",
  "--optimizer wsam --gamma 0.5",
  "--optimizer r-sam --sigma 0.1",
  "--optimizer saf --lambda 0.5",
];

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

test("every option of a member reaches it", async () => {
  const loss = (w: unknown, state: unknown, { x, y }: LabelledBatch) => {
    const logits = x.matmul(w as Tensor);
    const perExample = softmaxCrossEntropy(logits, y);
    return { loss: perExample.mean(), state, perExample, logits };
  };
  const at = {
    w: hostArray([
      [0.5, -1, 2],
      [1, 0.3, -0.7],
    ]),
    x: hostArray([
      [1, 2],
      [-1, 0.5],
      [3, -2],
      [0.1, 0.7],
    ]),
    y: hostArray([0, 2, 1, 1], "int32"),
    indices: hostArray([0, 1, 2, 3], "int32"),
  };
  /** The gradients of some steps at given weights, so that members with a memory come to use it. */
  const gradients = async (text: string) => {
    const extent = { steps: 10, examples: 4, classes: 3 };
    const gradient = gradientFor(optionsOf(text), loss, extent);
    const run = ({ w, ...batch }: { readonly w: Tensor } & LabelledBatch) => {
      let memory = gradient.init(w);
      // saf looks back five visits.
      return Array.from({ length: text.includes("saf") ? 6 : 3 }, (_, i) => {
        const [result, next] = gradient.apply(
          memory,
          w.mul(1 + i / 10),
          null,
          batch,
          random.key(i),
        );
        memory = next;
        return result.grads as Tensor;
      });
    };
    return (await reference(run)(at)).map((g) => g.toArray());
  };
  for (const text of ownOptions) {
    const words = text.split(" --");
    const all = await gradients(text);
    // Without any one of them the steps are others (but for those that the rest cannot be without).
    for (const word of words.slice(1)) {
      if (/^(accumulate|variant)/.test(word) || (word === "cr" && text.includes("alpha"))) continue;
      const rest = words.filter((other) => other !== word).join(" --");
      expect(await gradients(rest), `${text} without ${word}`).not.toEqual(all);
    }
    expect(all.flat(3).every(Number.isFinite), text).toBe(true);
  }
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

  test("of an evaluation: --dir is for data that have no usual place", () => {
    const said: string[] = [];
    const output = { out: () => {}, err: (s: string) => void said.push(s) };
    const evaluation = (text: string) => parseEvaluate(text.split(" "), output);
    expect(evaluation("--checkpoint a --data mnist").dir).toBeUndefined();
    expect(() => evaluation("--checkpoint a --data cifar10")).toThrow();
    expect(said.join("")).toMatch(/--data cifar10 needs --dir, the folder of its files/);
    expect(dirComplaint("imagenet-c", undefined)).toMatch(/imagenet-c needs --dir/);
  });

  test("of other optimizers are refused by name, and a member's own are taken", () => {
    const wrong: [string, RegExp][] = [
      ["--optimizer adam --momentum 0.5", /--momentum is not an option of --optimizer adam\./],
      [
        "--optimizer sam --base adamw --nesterov",
        /--nesterov is not .* --optimizer sam on adamw\./,
      ],
      ["--optimizer sgd --rho 0.2", /--rho is not an option of --optimizer sgd\./],
      ["--optimizer adamw --base lion", /--base is not an option of --optimizer adamw\./],
      ["--optimizer sam --alpha 0.5", /--alpha is not an option of --optimizer sam\./],
      ["--optimizer look-sam --beta 0.5", /--beta is not an option of --optimizer look-sam\./],
      ["--optimizer saf --rho 0.1", /--rho is not an option of --optimizer saf\./],
    ];
    for (const [text, message] of wrong) {
      expect(parse(`--data mnist ${text}`, true).said, text).toMatch(message);
    }
    for (const text of ownOptions) expect(parse(`--data mnist ${text}`).said, text).toBe("");
  });

  test("that contradict each other are refused in a line", () => {
    const cases: [string, RegExp][] = [
      ["--data cifar10", /needs --dir/],
      ["--data mnist --batch 10 --accumulate 3", /--accumulate 3 does not divide --batch 10/],
      ["--data mnist --train-size 10", /--batch 128 is more than the 10 images/],
      ["--data mnist --epochs 2 --warmup 3", /--warmup 3 is more than --epochs 2/],
      ["--data mnist --augment crop,crop", /each once, of crop/],
      ["--data mnist --optimizer sgdd", /sgdd/],
      ["--data mnist --per-part", /--per-part is not|needs the parts of --accumulate/],
      [
        "--data mnist --optimizer cr-sam --floor 0.1",
        /--floor and --negative are of --variant paper/,
      ],
      ["--data mnist --optimizer cr-sam --variant paper --floor 1,2,3", /or two such as/],
      ["--data mnist --optimizer wsam --gamma 1", /--gamma 1 divides by 0/],
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
