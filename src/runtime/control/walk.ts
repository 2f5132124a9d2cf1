/**
 * The rounds of a program with loops, one dispatch after the other, and where one submission ends: the
 * order in which they are encoded, and counted by `explain`.
 */
import type { SubmitClock } from "./budget.js";
import type { ControlStep, Runnable } from "./executable.js";

/** A question to the device: is this word 1? */
export interface Question {
  readonly buffer: string;
  readonly word: number;
}

/** What is done with the dispatches. */
export interface Sink {
  /** Milliseconds that it is likely to take. */
  msOf(step: ControlStep): number;
  /** What numbers the rounds at a depth begins with this one from here on. */
  renew(level: number, from: number): void;
  /** The loop at a depth comes to the round of this entry. */
  round(level: number, entry: number): void;
  dispatch(step: ControlStep): void;
  submit(): void;
}

/**
 * Rounds of a whileLoop that are encoded before the host asks whether more are needed: few at first, then
 * twice as many. Even, so that the answer is always in the same place.
 */
export interface WhileRounds {
  readonly first: number;
  readonly most: number;
}

/** Milliseconds of rounds that may be for nothing: some of what an answer costs. */
const ahead = 20;

type Cost = Pick<Sink, "msOf">;

function msOfRound(stages: readonly Runnable[], cost: Cost): number {
  return stages.reduce((total, stage) => {
    if (stage.kind === "steps") return stage.steps.reduce((n, s) => n + cost.msOf(s), total);
    const rounds = stage.kind === "loop" ? stage.length : whileRounds(stage.body, cost).first;
    return total + rounds * msOfRound(stage.body, cost);
  }, 0);
}

/** 8 rounds, up to 256, where they are short: kernels of rounds that are over cost almost what others do. */
export function whileRounds(body: readonly Runnable[], cost: Cost): WhileRounds {
  const short = 2 * Math.floor(ahead / msOfRound(body, cost) / 2);
  const most = Math.min(256, Math.max(2, short));
  return { first: Math.min(8, most), most };
}

const asks = (stages: readonly Runnable[]): boolean =>
  stages.some((s) => s.kind === "while" || (s.kind === "loop" && asks(s.body)));

export class Walk {
  readonly #sink: Sink;
  readonly #clock: SubmitClock;
  /** Entries of the buffers that number the rounds, by depth, where they hold fewer than there are rounds. */
  readonly #windows: readonly (number | undefined)[];

  constructor(sink: Sink, clock: SubmitClock, windows: readonly (number | undefined)[]) {
    this.#sink = sink;
    this.#clock = clock;
    this.#windows = windows;
  }

  /** Everything, with a question wherever the host has to know whether a loop goes on. */
  *run(stages: readonly Runnable[]): Generator<Question, void, boolean> {
    yield* this.#ask(stages);
    this.#submit();
  }

  *#ask(stages: readonly Runnable[]): Generator<Question, void, boolean> {
    if (!asks(stages)) {
      this.#all(stages);
      return;
    }
    for (const stage of stages) {
      if (stage.kind === "steps") this.#all([stage]);
      else if (stage.kind === "loop") {
        for (let i = 0; i < stage.length; i++) {
          this.#count(stage.level, i);
          yield* this.#ask(stage.body);
        }
      } else {
        const { first, most } = whileRounds(stage.body, this.#sink);
        this.#count(stage.level, 0);
        let on = true;
        for (let rounds = first; on; rounds = Math.min(2 * rounds, most)) {
          for (let i = 0; i < rounds; i++) {
            this.#round(stage.level, i & 1);
            yield* this.#ask(stage.body);
          }
          // What is asked for is submitted with the question.
          this.#clock.reset();
          on = yield stage.active;
        }
      }
    }
  }

  /** Stages that need no answer. */
  #all(stages: readonly Runnable[]): void {
    for (const stage of stages) {
      if (stage.kind === "steps") {
        for (const step of stage.steps) {
          this.#sink.dispatch(step);
          this.#clock.add(this.#sink.msOf(step));
        }
      } else if (stage.kind === "loop") {
        for (let i = 0; i < stage.length; i++) {
          this.#count(stage.level, i);
          this.#all(stage.body);
        }
      }
    }
  }

  #count(level: number, i: number): void {
    const window = this.#windows[level];
    if (window === undefined) {
      this.#round(level, i);
      return;
    }
    if (i % window === 0) {
      this.#submit();
      this.#sink.renew(level, i);
    }
    this.#round(level, i % window);
  }

  #round(level: number, entry: number): void {
    if (this.#clock.full) this.#submit();
    this.#sink.round(level, entry);
  }

  #submit(): void {
    if (this.#clock.reset()) this.#sink.submit();
  }
}
