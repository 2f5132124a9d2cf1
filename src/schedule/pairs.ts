/** Which donated input each result is the next value of. */
import { Lit, type Var } from "../ir/graph.js";
import type { Defs } from "./defs.js";
import { bytesOf } from "./kernel.js";

/** Equations between an update and what it updates, at most: an optimizer's are fewer. */
const furthest = 12;

/** How many equations lie between a variable and each of the inputs that it is near to. */
function distances(defs: Defs, from: Var): Map<number, number> {
  const found = new Map<number, number>();
  const seen = new Set<Var>([from]);
  let ring: Var[] = [from];
  for (let steps = 0; ring.length > 0 && steps <= furthest; steps++) {
    const next: Var[] = [];
    for (const v of ring) {
      const input = defs.inputIndex(v);
      if (input !== undefined) {
        found.set(input, steps);
        continue;
      }
      for (const x of defs.of(v)?.eqn.inputs ?? []) {
        if (x instanceof Lit || seen.has(x)) continue;
        seen.add(x);
        next.push(x);
      }
    }
    ring = next;
  }
  return found;
}

/**
 * A donated input of the same size for as many results as there are. A result gets the input that it
 * is computed from by the fewest equations (w of w − lr·m), so that state which goes round a training
 * loop comes back to where it was; else the one in the same order.
 */
export function donorsOf(
  defs: Defs,
  results: readonly Var[],
  inputs: readonly number[],
): Map<Var, number> {
  const kind = (v: Var): string => `${v.aval.dtype} ${bytesOf(v)}`;
  const byKind = new Map<string, number[]>();
  for (const i of inputs) {
    const k = kind(defs.graph.inputs[i]!);
    const list = byKind.get(k);
    if (list) list.push(i);
    else byKind.set(k, [i]);
  }
  const pairs: { result: Var; input: number; steps: number; order: number }[] = [];
  results.forEach((result, order) => {
    const candidates = byKind.get(kind(result));
    if (!candidates) return;
    const near = distances(defs, result);
    for (const input of candidates) {
      pairs.push({ result, input, order, steps: near.get(input) ?? furthest + 1 });
    }
  });
  pairs.sort((a, b) => a.steps - b.steps || a.order - b.order || a.input - b.input);
  const out = new Map<Var, number>();
  const taken = new Set<number>();
  for (const { result, input } of pairs) {
    if (out.has(result) || taken.has(input)) continue;
    out.set(result, input);
    taken.add(input);
  }
  return out;
}
