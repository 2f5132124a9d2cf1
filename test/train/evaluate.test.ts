/** Evaluation of PyTorch's weights on the test sets beside ImageNet, in folders laid out as theirs are. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { saveSafetensors } from "../../data/index.js";
import { array, init } from "../../src/index.js";
import { start } from "./program.js";

const patience = 120_000;
const red = [255, 0, 0];
const green = [0, 255, 0];
const blue = [0, 0, 255];
/** More green than anything, and more red than blue. */
const moss = [160, 255, 40];

let root: string;
const at = (...path: string[]) => join(root, ...path);

/** A file of one colour for each of the list, in a class's folder. */
async function images(folder: string, colours: readonly (readonly number[])[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [i, [r, g, b]] of colours.entries()) {
    const background = { r: r!, g: g!, b: b! };
    const image = sharp({ create: { width: 12, height: 10, channels: 3, background } });
    await image.png().toFile(join(folder, `${i}.png`));
  }
}

beforeAll(async () => {
  await init();
  root = await mkdtemp(join(tmpdir(), "dawngrad-evaluate-"));
  // A dense layer whose answers are the sums of red, green and blue.
  const weight = Array.from({ length: 3 }, (_, c) =>
    Array.from({ length: 8 * 8 * 3 }, (_, i) => (i % 3 === c ? 1 : 0)),
  );
  const dict = { "0.weight": array(weight), "0.bias": array([0, 0, 0]) };
  await saveSafetensors(at("colours.safetensors"), dict);
  const classes = { n01: red, n02: green, n03: blue };
  for (const [name, colour] of Object.entries(classes)) {
    await images(at("val", name), [colour]);
    await images(at("c", "fog", "1", name), [colour, colour]);
    // One of two, and none.
    await images(at("c", "fog", "5", name), [colour, name === "n01" ? blue : red]);
    await images(at("c", "motion_blur", "3", name), [name === "n02" ? blue : green]);
  }
  await images(at("r", "n01"), [red, moss]);
  await images(at("r", "n03"), [blue, red]);
}, patience);

afterAll(() => rm(root, { recursive: true }));

async function evaluate(data: string, dir: string, ...more: string[]) {
  const what = ["--weights", at("colours.safetensors"), "--model", "mlp", "--hidden", "none"];
  const where = ["--data", data, "--dir", dir, "--image-size", "8", "--workers", "0"];
  return start("evaluate", [...what, ...where, "--batch", "4", ...more]).ended;
}

test("ImageNet-C: by corruption, and their mean", { timeout: patience }, async () => {
  const { out, err, code } = await evaluate(
    "imagenet-c",
    at("c"),
    "--classes",
    at("val"),
    "--json",
  );
  expect([err, code]).toEqual(["", 0]);
  const { results, corruptions, mean } = JSON.parse(out);
  const found = results.map((r: { corruption: string; severity: number; count: number }) => [
    r.corruption,
    r.severity,
    r.count,
  ]);
  expect(found).toEqual([
    ["fog", 1, 6],
    ["fog", 5, 6],
    ["motion_blur", 3, 3],
  ]);
  expect(corruptions.fog.top1).toBeCloseTo(0.75, 6);
  expect(corruptions.motion_blur.top1).toBe(0);
  expect(mean.top1).toBeCloseTo(0.375, 6);
  expect(mean.top5).toBe(1);
  const { out: table } = await evaluate("imagenet-c", at("c"), "--classes", at("val"));
  expect(table).toMatch(/^fog +top-1 +75\.00% /m);
  expect(table).toMatch(/^mean +top-1 +37\.50% /m);
});

test("ImageNet-R: among its own classes", { timeout: patience }, async () => {
  const list = at("classes.txt");
  await writeFile(list, "n01\nn02\nn03\n");
  const { out, err, code } = await evaluate("imagenet-r", at("r"), "--classes", list, "--json");
  expect([err, code]).toEqual(["", 0]);
  // Moss is green before it is red: with all classes in the running it would be wrong.
  const [result] = JSON.parse(out).results;
  expect([result.count, result.top1]).toEqual([4, 0.75]);
});

test("weights of another model are refused by name", { timeout: patience }, async () => {
  const path = at("other.safetensors");
  await saveSafetensors(path, { "conv1.weight": array([1]) });
  const args = ["--weights", path, "--model", "resnet10", "--width", "2", "--image-size", "8"];
  const where = ["--data", "imagenet-r", "--dir", at("r"), "--classes", at("val")];
  const { code, err } = await start("evaluate", [...args, ...where]).ended;
  expect(code).toBe(1);
  expect(err).toMatch(/DataError: .*other\.safetensors: expected the weights of resnet10: /);
  expect(err).toMatch(/"bn1.weight" is missing; "conv1.weight" is \[1\], not \[2,3,3,3\]; /);
});
