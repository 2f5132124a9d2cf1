/** Constants of any shape. */
import type { Aval } from "../core/aval.js";
import { lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { broadcastInDim } from "../prims/index.js";

/** A constant of any shape: one scalar, broadcast. */
export function filled(value: number, a: Aval): Atom {
  const scalar = lit(value, a.dtype);
  return a.shape.length === 0 ? scalar : broadcastInDim(scalar, a.shape, []);
}

export const zeros = (a: Aval): Atom => filled(0, a);
