/** The records of the elementwise family, collected from the functions that carry them. */
import type { Primitive } from "../ir/primitive.js";
import * as family from "./elementwise.js";

const hasPrim = (x: unknown): x is { readonly prim: Primitive } =>
  typeof x === "function" && "prim" in x;

/** Every elementwise primitive once (`square` is a case of `integerPow`). */
export const elementwisePrimitives: readonly Primitive[] = [
  ...new Set(
    Object.values<unknown>(family)
      .filter(hasPrim)
      .map((op) => op.prim),
  ),
];
