/** Tangents of smooth elementwise functions from their partial derivatives. */
import type { Atom } from "../ir/graph.js";
import type { JvpArgs } from "../ir/primitive.js";
import { addTangents, mul } from "./arithmetic.js";

type Jvp = (args: JvpArgs<object>) => readonly (Atom | null)[];

/** f(x): the tangent times `derivative(x, f(x))`. */
export const chain =
  (derivative: (x: Atom, y: Atom) => Atom): Jvp =>
  ({ primals: [x], tangents: [t], outputs: [y] }) => [mul(t!, derivative(x!, y!))];

/** f(x, y): each partial is worked out only where its tangent is not zero. */
export const chain2 =
  (dx: (x: Atom, y: Atom, out: Atom) => Atom, dy: (x: Atom, y: Atom, out: Atom) => Atom): Jvp =>
  ({ primals: [x, y], tangents: [tx, ty], outputs: [out] }) => [
    addTangents(tx ? mul(tx, dx(x!, y!, out!)) : null, ty ? mul(ty, dy(x!, y!, out!)) : null),
  ];
