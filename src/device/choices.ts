/**
 * Which variant of a kernel to use on this device, by what was measured. A kernel is known by the class of
 * its shape and the texts of its templates; the variants have names. Nothing here knows what they mean.
 */
import { DawngradError } from "../core/errors.js";

/** Where measured choices outlive the process. */
export interface ChoiceStore {
  /** All that is there; nothing where there is none, or none that can be used. */
  load(): Promise<Readonly<Record<string, string>>>;
  /** Adds to what is there. */
  save(choices: Readonly<Record<string, string>>): Promise<void>;
}

/** `off`: by rule alone. `cached`: what was measured before. `full`: measure in warmup, too. */
export type TuneMode = "off" | "cached" | "full";

export const tuneModes: readonly TuneMode[] = ["off", "cached", "full"];

export class KernelChoices {
  readonly mode: TuneMode;
  readonly #store: ChoiceStore | undefined;
  readonly #measured = new Map<string, string>();
  readonly #restored = new Map<string, string>();
  readonly #used = new Map<string, string>();
  /** Measured here and not saved yet. */
  readonly #fresh = new Map<string, string>();

  constructor(mode: TuneMode, store?: ChoiceStore) {
    this.mode = mode;
    this.#store = mode === "off" ? undefined : store;
  }

  /** Reads what was measured before. */
  async load(): Promise<void> {
    for (const [key, name] of Object.entries((await this.#store?.load()) ?? {})) {
      this.#measured.set(key, name);
    }
  }

  /** The variant to use from now on; undefined leaves it to the rule. */
  get(key: string): string | undefined {
    return this.#restored.get(key) ?? this.#measured.get(key);
  }

  /** Notes what a program uses, for `all`. */
  use(key: string, name: string): void {
    this.#used.set(key, name);
  }

  measured(key: string, name: string): void {
    this.#measured.set(key, name);
    this.#fresh.set(key, name);
  }

  /** Writes what was measured since the last time. */
  async save(): Promise<void> {
    if (this.#fresh.size === 0) return;
    const fresh = Object.fromEntries(this.#fresh);
    this.#fresh.clear();
    await this.#store?.save(fresh);
  }

  /** What was restored, and what programs use. */
  all(): Record<string, string> {
    const all = new Map([...this.#restored, ...this.#used]);
    return Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** From now on these, whatever was or will be measured. */
  restore(choices: Readonly<Record<string, string>>): void {
    for (const [key, name] of Object.entries(choices)) {
      if (typeof name !== "string") {
        throw new DawngradError(
          `restoreKernelChoices: the choice for '${key}' is ${String(name)}; give what kernelChoices() returned`,
        );
      }
      this.#restored.set(key, name);
    }
  }
}
