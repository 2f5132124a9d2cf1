/** Progress: bars on a terminal, plain lines in a pipe, nothing when quiet; the cursor comes back. */
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { type Progress, progressOn } from "../../examples/cr-sam-mnist/progress.js";

const cursorOff = "\u001b[?25l";
const cursorOn = "\u001b[?25h";

/** What is written to a stream that is a terminal, or is not, by `use`. */
function written(isTTY: boolean, quiet: boolean, use: (progress: Progress) => void): string {
  const stream = Object.assign(new PassThrough(), isTTY ? { isTTY, columns: 120 } : {});
  use(progressOn(stream, quiet, 8));
  return String(stream.read() ?? "");
}

const training = { label: "CR-SAM", seed: 2, epochs: 8, stepsPerEpoch: 4 };

function train(progress: Progress): void {
  progress.log("hello");
  progress.start(training);
  for (let epoch = 0; epoch < 8; epoch++) {
    progress.step(epoch, 2, 1.25);
    progress.epoch(epoch, 1 / (epoch + 1), 0.5 + epoch / 20);
  }
  progress.measuring();
  progress.end();
}

describe("progress", () => {
  test("a pipe gets a few plain lines without control codes", () => {
    const text = written(false, false, train);
    expect(text).not.toContain("\u001b");
    expect(text.trimEnd().split("\n")).toEqual([
      "hello",
      "CR-SAM   seed 2  epoch 2/8  loss 0.500  test 55.0%",
      "CR-SAM   seed 2  epoch 4/8  loss 0.250  test 65.0%",
      "CR-SAM   seed 2  epoch 6/8  loss 0.167  test 75.0%",
      "CR-SAM   seed 2  epoch 8/8  loss 0.125  test 85.0%",
    ]);
  });

  test("a terminal gets a bar with the loss, and its cursor back", () => {
    const text = written(true, false, train);
    expect(text).toContain("epoch 8/8  loss 0.125  test 85.0%");
    expect(text.lastIndexOf(cursorOn)).toBeGreaterThan(text.lastIndexOf(cursorOff));
  });

  test("an interrupt in the middle gives the cursor back, and stopping twice is harmless", () => {
    const text = written(true, false, (progress) => {
      progress.start(training);
      progress.step(0, 1, 2);
      progress.stop();
      progress.stop();
    });
    expect(text).toContain(cursorOff);
    expect(text.lastIndexOf(cursorOn)).toBeGreaterThan(text.lastIndexOf(cursorOff));
  });

  test("quiet writes nothing", () => {
    expect(written(true, true, train)).toBe("");
  });
});
