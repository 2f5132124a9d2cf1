/** Values on the command line and in configuration files, each with a one-line complaint. */
import { InvalidArgumentError } from "commander";

interface Range {
  readonly integer?: boolean;
  readonly least?: number;
  readonly most?: number;
  /** The least value itself is not allowed. */
  readonly above?: boolean;
  /** The largest value itself is not allowed. */
  readonly below?: boolean;
}

export function number({
  integer = false,
  least = 0,
  most,
  above = false,
  below = false,
}: Range = {}) {
  const kind = integer ? "a whole number" : "a number";
  const from = above ? `above ${least}` : `of at least ${least}`;
  const allowed =
    most === undefined
      ? `${kind} ${from}`
      : `${kind} from ${least} to ${below ? "below " : ""}${most}`;
  return (text: string): number => {
    const x = text.trim() === "" ? Number.NaN : Number(text);
    const wrong =
      !Number.isFinite(x) ||
      (integer && !Number.isSafeInteger(x)) ||
      (above ? x <= least : x < least) ||
      x > (most ?? x) ||
      (below && x === most);
    if (wrong) throw new InvalidArgumentError(`Allowed: ${allowed}.`);
    return x;
  };
}

export const positive = number({ above: true });
export const share = number({ most: 1 });
export const rate = number({ most: 1, below: true });
export const count = number({ integer: true, least: 1 });
export const natural = number({ integer: true });

/** `128,64`; `none` for an empty list. */
export function sizes(text: string): number[] {
  if (text === "none") return [];
  try {
    return text.split(",").map(count);
  } catch {
    throw new InvalidArgumentError('Allowed: sizes such as "128,64", or "none".');
  }
}

/** A list of names, each at most once; `none` for an empty one. */
export const listOf =
  <T extends string>(names: readonly T[]) =>
  (text: string): T[] => {
    if (text === "none") return [];
    const list = text.split(",").map((s) => s.trim());
    const known = list.filter((s): s is T => names.includes(s as T));
    if (known.length !== list.length || new Set(list).size !== list.length) {
      throw new InvalidArgumentError(
        `Allowed: "none", or a list, each once, of ${names.join(", ")}.`,
      );
    }
    return known;
  };

/** A floor for both logarithms of the paper's form, or one each: `A,B`. */
export function floors(text: string): number[] {
  const list = text.split(",");
  try {
    if (list.length <= 2) return list.map(number());
  } catch {
    // The message below says more.
  }
  throw new InvalidArgumentError('Allowed: a number of at least 0, or two such as "0.01,0.1".');
}
