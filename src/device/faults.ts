/**
 * What went wrong on a device, kept until somebody awaits something.
 *
 * WebGPU reports errors beside the call that made them: an `uncapturederror` event (in Dawn within
 * the call, in browsers later), or the device's loss. A program therefore runs within
 * `during(label, …)`, the event is recorded under that label, and the next await takes it. Error
 * scopes would do the same at the price of a promise for every dispatch.
 */
import { DeviceError } from "../core/errors.js";

interface Fault {
  readonly kind: "out-of-memory" | "validation" | "internal";
  readonly message: string;
  readonly label: string | undefined;
}

const advice = {
  "out-of-memory":
    "Dispose of tensors that are no longer needed, use smaller batches or checkpoint().",
  validation: "This is a mistake in the program that was submitted, most likely one of dawngrad's.",
  internal: "The driver failed; a newer driver or another adapter may help (see deviceInfo()).",
} as const;

export class Faults {
  readonly device: GPUDevice;
  #faults: Fault[] = [];
  #more = 0;
  #label: string | undefined;
  #lost: string | undefined;

  constructor(device: GPUDevice) {
    this.device = device;
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#record((event as GPUUncapturedErrorEvent).error);
    });
    void device.lost.then((info) => {
      this.markLost(`${info.message || "no message"} (reason: ${info.reason || "unknown"})`);
    });
  }

  /** Runs `work`; errors that the device reports meanwhile are recorded under `label`. */
  during<T>(label: string, work: () => T): T {
    const outer = this.#label;
    this.#label = label;
    try {
      return work();
    } finally {
      this.#label = outer;
    }
  }

  /**
   * Runs `work` and takes what the device reports within the call, apart from what is recorded
   * already. (A browser reports later: there it is recorded, and the next await rejects.)
   */
  attempt<T>(label: string, work: () => T): [T, DeviceError | undefined] {
    const faults = this.#faults;
    const more = this.#more;
    this.#faults = [];
    this.#more = 0;
    try {
      const result = this.during(label, work);
      return [result, this.take()];
    } finally {
      this.#faults = faults;
      this.#more = more;
    }
  }

  /** Records what went wrong after the call that began it had returned. */
  note(label: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#faults.push({ kind: "internal", message, label });
  }

  /** True once the device is gone for good. */
  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Remembers why the device was lost (its own `lost` promise tells only after a microtask). */
  markLost(why: string): void {
    this.#lost ??= why;
  }

  /** The error of a lost device, in the words of the operation that met it. */
  lostError(operation: string): DeviceError {
    return new DeviceError(
      `${operation}: the GPU device was lost: ${this.#lost ?? "no reason was given"}. Tensors that ` +
        "lived on it are gone; await init() again and rebuild them from the host's data.",
    );
  }

  /** Throws if the device is lost. */
  checkLost(operation: string): void {
    if (this.isLost) throw this.lostError(operation);
  }

  /** Takes what was recorded since the last call: one error for all of it, or undefined. */
  take(operation?: string): DeviceError | undefined {
    const [first] = this.#faults;
    if (first === undefined) return undefined;
    const rest = this.#faults.length - 1 + this.#more;
    this.#faults = [];
    this.#more = 0;
    const where = first.label === undefined ? "" : ` in ${first.label}`;
    const met = operation === undefined || operation === first.label ? "" : `${operation}: `;
    const also = rest === 0 ? "" : `\n(${rest} more errors followed from it.)`;
    return new DeviceError(
      `${met}the device reported an error (${first.kind})${where}: ${first.message}\n` +
        `${advice[first.kind]}${also}`,
    );
  }

  /** Throws what was recorded, or the device's loss; does nothing on a healthy device. */
  check(operation: string): void {
    const error = this.take(operation);
    if (error !== undefined) throw error;
    this.checkLost(operation);
  }

  #record(error: GPUError): void {
    const name = error.constructor.name;
    const kind =
      name === "GPUOutOfMemoryError"
        ? "out-of-memory"
        : name === "GPUInternalError"
          ? "internal"
          : "validation";
    // One failure makes invalid whatever is built from it: the first tells, the rest only count.
    if (this.#faults.length < 8) {
      this.#faults.push({ kind, message: error.message.trim(), label: this.#label });
    } else {
      this.#more += 1;
    }
  }
}
