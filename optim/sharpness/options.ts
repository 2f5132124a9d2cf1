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

/** A share: a number from 0 to 1, with or without the ends; a tensor is taken as it is. */
export function checkShare(
  op: string,
  name: string,
  value: TensorLike,
  { zero = true, one = true }: { readonly zero?: boolean; readonly one?: boolean } = {},
): void {
  if (typeof value !== "number") return;
  const inside = (zero ? value >= 0 : value > 0) && (one ? value <= 1 : value < 1);
  if (inside) return;
  throw new DawngradError(
    `${op}: ${name} is ${value}; give a number ${zero ? ">= 0" : "> 0"} and ${one ? "<= 1" : "< 1"}`,
  );
}

export function checkCount(op: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new DawngradError(`${op}: ${name} is ${value}; give a positive integer`);
  }
}
