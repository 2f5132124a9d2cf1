/** The command line of the main job: defaults, --help, and one-line errors that say what is allowed. */
import { describe, expect, test } from "vitest";
import { Exit, parseOptions } from "../../examples/cr-sam-mnist/options.js";

function parse(...args: string[]) {
  const printed = { out: "", err: "" };
  const output = {
    out: (t: string) => {
      printed.out += t;
    },
    err: (t: string) => {
      printed.err += t;
    },
  };
  try {
    return { options: parseOptions(args, output), ...printed, code: 0 };
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    return { options: undefined, ...printed, code: error.code };
  }
}

describe("options", () => {
  test("defaults", () => {
    expect(parse().options).toMatchObject({
      data: "mnist",
      trainSize: 4000,
      noise: 0.2,
      hidden: [128, 64],
      optimizers: ["sgd", "sam", "sam-control", "cr-sam"],
      batch: 128,
      rho: 0.1,
      alpha: 0.1,
      beta: 0.01,
      variant: "code",
      adapter: "auto",
      out: "results/cr-sam-mnist",
      quiet: false,
    });
  });

  test("values are numbers and lists", () => {
    const { options } = parse(
      ..."--hidden 32 --epochs 3 --seeds 1 --optimizers cr-sam,sgd --floor 0.5,0.25 --quiet".split(
        " ",
      ),
    );
    expect(options).toMatchObject({
      hidden: [32],
      epochs: 3,
      seeds: 1,
      optimizers: ["cr-sam", "sgd"],
      floor: { A: 0.5, B: 0.25 },
      quiet: true,
    });
    expect(parse("--hidden", "none").options?.hidden).toEqual([]);
    expect(parse("--floor", "0.5").options?.floor).toEqual({ A: 0.5, B: 0.5 });
  });

  test("--help lists every option and ends with 0", () => {
    const { out, code } = parse("--help");
    expect(code).toBe(0);
    for (const name of "hidden data dir train-size noise epochs seeds batch optimizers lr momentum weight-decay rho alpha beta variant floor negative adapter out quiet".split(
      " ",
    )) {
      expect(out).toContain(`--${name}`);
    }
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  test.each([
    [["--epochs", "x"], "a whole number of at least 1"],
    [["--epochs", "0"], "a whole number of at least 1"],
    [["--epochs", "2.5"], "a whole number of at least 1"],
    [["--epochs", ""], "a whole number of at least 1"],
    [["--noise", "1.5"], "a number from 0 to 1"],
    [["--lr", "0"], "a number above 0"],
    [["--lr", "NaN"], "a number above 0"],
    [["--data", "imagenet"], "mnist, fashion-mnist, cifar-10"],
    [["--data", "cifar-10"], "needs --dir"],
    [["--optimizers", "sgd,adam"], "sgd, sam, sam-control, cr-sam"],
    [["--optimizers", "sgd,sgd"], "at most once"],
    [["--hidden", "128,a"], "128,64"],
    [["--variant", "both"], "code, paper"],
    [["--negative", "nan"], "linear, zero, softabs"],
    [["--floor", "1,2,3"], "or two"],
    [["--floor", "-1"], "at least 0"],
    [["--adapter", "gpu"], "auto, hardware, software"],
    [["--batch", "5000"], "4000 images of --train-size"],
    [["--unknown"], "unknown option '--unknown'"],
    [["extra"], "too many arguments"],
  ])("%j is refused in one line", (args, says) => {
    const { err, out, code } = parse(...args);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toContain(says);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
  });
});
