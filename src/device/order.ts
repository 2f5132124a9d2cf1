/**
 * The order of what goes to the queue. A loop whose number of rounds only the device knows holds the
 * queue until the host has seen that it is over; whatever is submitted meanwhile waits its turn here, so
 * that callers need not know.
 */
export class Order {
  readonly #failed: (error: unknown) => void;
  readonly #waiting: (() => void)[] = [];
  #held = false;

  /** `failed` is told what an action throws that had to wait: its caller has long returned. */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** Is something under way that everything else has to wait for? */
  get held(): boolean {
    return this.#held;
  }

  /** Do it now, or when all that came before is done. */
  run(action: () => void): void {
    if (this.#held) this.#waiting.push(action);
    else action();
  }

  /** From now on actions wait. The holder must call `release`, whatever happens. */
  hold(): void {
    this.#held = true;
  }

  /** Actions run that waited, up to one that holds the queue again. */
  release(): void {
    this.#held = false;
    while (!this.#held && this.#waiting.length > 0) {
      const action = this.#waiting.shift()!;
      try {
        action();
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  /** Resolves when all that came before is done. */
  async reached(): Promise<void> {
    if (!this.#held) return;
    await new Promise<void>((resolve) => this.run(resolve));
  }
}
