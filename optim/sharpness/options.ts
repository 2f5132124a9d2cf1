/** Checks of the family's options: a wrong one is an error at construction, with its name. */
import { DawngradError, type TensorLike } from "../../src/index.js";

/** A number must be finite and not negative; a tensor (a schedule's value) is taken as it is. */
export function checkAmount(op: string, name: string, value: TensorLike): void {
  if (typeof value === "number" && !(value >= 0 && Number.isFinite(value))) {
    throw new DawngradError(
      `${op}: ${name} is ${value}; give a finite number >= 0, or a scalar tensor`,
    );
  }
}

export function checkChoice<T extends string>(
  op: string,
  name: string,
  value: T,
  choices: readonly T[],
): void {
  if (!choices.includes(value)) {
    throw new DawngradError(
      `${op}: ${name} is ${JSON.stringify(value)}; it is one of ${choices.map((c) => JSON.stringify(c)).join(", ")}`,
    );
  }
}
