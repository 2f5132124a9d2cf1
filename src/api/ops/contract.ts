/** Contraction of two labelled operands: what matmul, tensordot, einsum and their kin share. */
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import { broadcastAtom } from "./promote.js";

/** An atom whose axes have distinct names. */
export interface Labelled {
  readonly atom: Atom;
  readonly labels: readonly string[];
}

/** Sum over the axes whose labels are not wanted. */
export function sumOut({ atom, labels }: Labelled, wanted: (label: string) => boolean): Labelled {
  const axes = labels.flatMap((l, d) => (wanted(l) ? [] : [d]));
  if (axes.length === 0) return { atom, labels };
  return { atom: prims.reduceSum(atom, axes), labels: labels.filter(wanted) };
}

/** Axes brought into the order of `labels`, which names exactly the operand's. */
export function ordered(x: Labelled, labels: readonly string[]): Atom {
  return prims.transpose(
    x.atom,
    labels.map((l) => x.labels.indexOf(l)),
  );
}

/**
 * Σ a·b over every label that is not in `out`. Labels of both operands and of `out` are batch axes;
 * labels that only one operand has are summed there first.
 */
export function contractPair(x: Labelled, y: Labelled, out: readonly string[]): Labelled {
  const a = sumOut(x, (l) => out.includes(l) || y.labels.includes(l));
  const b = sumOut(y, (l) => out.includes(l) || x.labels.includes(l));
  const shared = a.labels.filter((l) => b.labels.includes(l));
  const contracted = shared.filter((l) => !out.includes(l));
  if (contracted.length === 0) return product(a, b);
  const batch = shared.filter((l) => out.includes(l));
  const at = (labels: readonly string[], names: readonly string[]) =>
    names.map((l) => labels.indexOf(l));
  const atom = prims.dotGeneral(a.atom, b.atom, {
    contract: [at(a.labels, contracted), at(b.labels, contracted)],
    batch: [at(a.labels, batch), at(b.labels, batch)],
  });
  const free = (labels: readonly string[]) => labels.filter((l) => !shared.includes(l));
  return { atom, labels: [...batch, ...free(a.labels), ...free(b.labels)] };
}

/** Nothing is summed: an elementwise product of broadcast operands, which fuses. */
function product(a: Labelled, b: Labelled): Labelled {
  const labels = [...a.labels, ...b.labels.filter((l) => !a.labels.includes(l))];
  const wide = (x: Labelled): Atom => {
    const own = labels.filter((l) => x.labels.includes(l));
    const sorted = ordered(x, own);
    return prims.reshape(
      sorted,
      labels.map((l) => (own.includes(l) ? sorted.aval.shape[own.indexOf(l)]! : 1)),
    );
  };
  const [p, q] = [wide(a), wide(b)];
  const shape = p.aval.shape.map((n, d) => Math.max(n, q.aval.shape[d]!));
  const empty = p.aval.shape.map((n, d) => (n === 0 || q.aval.shape[d] === 0 ? 0 : shape[d]!));
  return { atom: prims.mul(broadcastAtom(p, empty), broadcastAtom(q, empty)), labels };
}
