/** Progress of a run: bars on a terminal, a line for each epoch elsewhere, or nothing. */
import { Presets, SingleBar } from "cli-progress";
import type { Score } from "./score.js";

export interface EpochReport {
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly test: Score;
  readonly ema?: Score;
  readonly imagesPerSecond: number;
}

export interface Progress {
  log(text: string): void;
  /** Until `work` is done, the time that it has taken is shown. */
  waiting<T>(what: string, work: Promise<T>): Promise<T>;
  /** The run begins, or goes on, after `done` steps. */
  start(done: number): void;
  step(done: number, loss: number, imagesPerSecond: number): void;
  /** Evaluation after an epoch. */
  evaluating(done: number, total: number): void;
  epoch(report: EpochReport): void;
  stop(): void;
}

export interface Extent {
  readonly epochs: number;
  readonly stepsPerEpoch: number;
}

export interface Terminal extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

export function progressOn(terminal: Terminal, quiet: boolean, extent: Extent): Progress {
  if (quiet) return silent;
  return terminal.isTTY ? bars(terminal, extent) : lines(terminal, extent);
}

const nothing = () => {};
const silent: Progress = {
  log: nothing,
  waiting: (_, work) => work,
  start: nothing,
  step: nothing,
  evaluating: nothing,
  epoch: nothing,
  stop: nothing,
};

export const percent = (share: number): string => `${(100 * share).toFixed(2)}%`;

export function epochLine(report: EpochReport, { epochs }: Extent): string {
  const { epoch, loss, accuracy, test, ema, imagesPerSecond } = report;
  const width = String(epochs).length;
  const average = ema === undefined ? "" : `  ema ${percent(ema.top1)}`;
  return (
    `epoch ${String(epoch + 1).padStart(width)}/${epochs}  loss ${loss.toFixed(4)}  ` +
    `train ${percent(accuracy)}  test loss ${test.loss.toFixed(4)}  test ${percent(test.top1)}  ` +
    `top-5 ${percent(test.top5)}${average}  ${imagesPerSecond.toFixed(0)} images/s`
  );
}

/** Calls `show` with the seconds so far, every second and at the end. */
async function timed<T>(work: Promise<T>, show: (seconds: number) => void): Promise<T> {
  const from = performance.now();
  const tell = () => show((performance.now() - from) / 1000);
  const timer = setInterval(tell, 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    tell();
  }
}

/** One bar for the whole run, with an estimate of the time left; a line above it for each epoch. */
function bars(terminal: Terminal, extent: Extent): Progress {
  const { epochs, stepsPerEpoch } = extent;
  const total = epochs * stepsPerEpoch;
  let bar: SingleBar | undefined;
  let at = 0;
  const begin = () => {
    bar = new SingleBar(
      {
        format:
          "{bar} {percentage}%  epoch {epoch}  loss {loss}  test {test}  {speed} images/s  ETA {eta_formatted}{what}",
        stream: terminal,
        barsize: 20,
        fps: 8,
        etaBuffer: 50,
        hideCursor: true,
        clearOnComplete: true,
        gracefulExit: false,
      },
      Presets.shades_classic,
    );
    bar.start(total, at, { ...shown });
  };
  const shown = { epoch: "–", loss: "–", test: "–", speed: "–", what: "" };
  const stop = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    log: (text) => terminal.write(`${text}\n`),
    async waiting(what, work) {
      const show = (s: number) => terminal.write(`\r\u001b[K${what}, ${s.toFixed(0)} s`);
      const value = await timed(work, show);
      terminal.write("\n");
      return value;
    },
    start(done) {
      at = done;
      begin();
    },
    step(done, loss, imagesPerSecond) {
      at = done;
      shown.epoch = `${Math.min(epochs, Math.floor(done / stepsPerEpoch) + 1)}/${epochs}`;
      shown.loss = loss.toFixed(3);
      shown.speed = imagesPerSecond.toFixed(0);
      shown.what = "";
      bar?.update(done, { ...shown });
    },
    evaluating(done, of) {
      shown.what = `  evaluating ${done}/${of}`;
      bar?.update(at, { ...shown });
    },
    epoch(report) {
      shown.test = percent(report.test.top1);
      shown.what = "";
      // The line takes the bar's place, and a new bar goes below it.
      stop();
      terminal.write(`\r\u001b[K${epochLine(report, extent)}\n`);
      if (report.epoch + 1 < epochs) begin();
    },
    stop,
  };
}

function lines(terminal: Terminal, extent: Extent): Progress {
  const log = (text: string) => {
    terminal.write(`${text}\n`);
  };
  const waiting = async <T>(what: string, work: Promise<T>): Promise<T> => {
    let seconds = 0;
    const value = await timed(work, (s) => {
      seconds = s;
    });
    log(`${what}, ${seconds.toFixed(1)} s`);
    return value;
  };
  return { ...silent, log, waiting, epoch: (report) => log(epochLine(report, extent)) };
}
