/** Progress on a terminal as bars, elsewhere as a few plain lines, or nothing. */
import { Presets, SingleBar } from "cli-progress";

export interface Training {
  readonly label: string;
  readonly seed: number;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
}

export interface Progress {
  /** A line of its own, between bars. */
  log(text: string): void;
  start(training: Training): void;
  /** `done` steps of epoch `epoch` (from 0) are done; a recent loss. */
  step(epoch: number, done: number, loss: number): void;
  /** Epoch `epoch` is done: its mean loss, and the test accuracy after it. */
  epoch(epoch: number, loss: number, accuracy: number): void;
  /** Training is over; what is measured now. */
  measuring(): void;
  end(): void;
  /** Puts the terminal back, whatever was going on. */
  stop(): void;
}

export interface Terminal extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

export function progressOn(terminal: Terminal, quiet: boolean, labelWidth: number): Progress {
  if (quiet) return silent;
  return terminal.isTTY ? bars(terminal, labelWidth) : lines(terminal, labelWidth);
}

const nothing = () => {};

const silent: Progress = {
  log: nothing,
  start: nothing,
  step: nothing,
  epoch: nothing,
  measuring: nothing,
  end: nothing,
  stop: nothing,
};

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** One bar for each training; a finished one stays on the screen. */
function bars(terminal: Terminal, labelWidth: number): Progress {
  let bar: SingleBar | undefined;
  let training: Training | undefined;
  const stop = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    log: (text) => terminal.write(`${text}\n`),
    start(next) {
      stop();
      training = next;
      bar = new SingleBar(
        {
          format: `${next.label.padEnd(labelWidth)} seed ${next.seed} {bar} epoch {epoch}/${next.epochs}  loss {loss}  test {accuracy}  {what}`,
          stream: terminal,
          barsize: 24,
          fps: 8,
          hideCursor: true,
          // Interrupts are the program's: it restores the terminal by stop().
          gracefulExit: false,
        },
        Presets.shades_classic,
      );
      bar.start(next.epochs * next.stepsPerEpoch, 0, {
        epoch: 0,
        loss: "  –  ",
        accuracy: "  –  ",
        what: "",
      });
    },
    step(epoch, done, loss) {
      if (training) bar?.update(epoch * training.stepsPerEpoch + done, { loss: loss.toFixed(3) });
    },
    epoch(epoch, loss, accuracy) {
      if (!training) return;
      bar?.update((epoch + 1) * training.stepsPerEpoch, {
        epoch: epoch + 1,
        loss: loss.toFixed(3),
        accuracy: percent(accuracy),
      });
    },
    measuring() {
      bar?.update({ what: "measuring" });
      bar?.render();
    },
    end() {
      bar?.update({ what: "         " });
      stop();
    },
    stop,
  };
}

/** About four lines for each training. */
function lines(terminal: Terminal, labelWidth: number): Progress {
  let training: Training | undefined;
  const log = (text: string) => {
    terminal.write(`${text}\n`);
  };
  return {
    ...silent,
    log,
    start(next) {
      training = next;
    },
    epoch(epoch, loss, accuracy) {
      if (!training) return;
      const { label, seed, epochs } = training;
      const every = Math.ceil(epochs / 4);
      if ((epoch + 1) % every !== 0 && epoch + 1 !== epochs) return;
      log(
        `${label.padEnd(labelWidth)} seed ${seed}  epoch ${epoch + 1}/${epochs}  ` +
          `loss ${loss.toFixed(3)}  test ${percent(accuracy)}`,
      );
    },
  };
}
