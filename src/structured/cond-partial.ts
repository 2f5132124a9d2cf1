/** A cond split by what is known early: the branches share slots for their residuals. */
import { showAval } from "../core/aval.js";
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import { type Atom, type Eqn, Lit, Var } from "../ir/graph.js";
import type { PartialEval } from "../ir/primitive.js";
import { splitGraph, unzipGraph } from "../transform/index.js";
import { not, or, parts, pick, zerosOf } from "./common.js";
import type { CondParams } from "./cond-params.js";

/** Where a branch's residual is found: an operand of the equation, or a slot that branches share. */
type Place = { readonly operand: number } | { readonly slot: number } | { readonly lit: Lit };

export function partialEvalCond(eqn: Eqn, unknown: readonly boolean[]): PartialEval | null {
  const { branches } = eqn.params as CondParams;
  const [lateIndex, ...late] = unknown;
  if (lateIndex) return null;
  const none: readonly boolean[] = eqn.outputs.map(() => false);
  const lateOutputs = branches.reduce<readonly boolean[]>((mask, b) => {
    const { isUnknown } = splitGraph(b, not(late));
    return or(mask, b.outputs.map(isUnknown));
  }, none);
  if (!lateOutputs.includes(false) && !late.includes(false)) return null;
  const split = branches.map((b) => unzipGraph(b, not(late), not(lateOutputs)));
  const early = pick(eqn.inputs.slice(1), not(late));

  // Values of one aval share a slot: each branch fills those that it has a use for.
  const slots: Var[] = [];
  const places = split.map(({ known, residuals }) => {
    const taken = new Set<number>();
    return known.outputs.slice(known.outputs.length - residuals).map((r): Place => {
      if (r instanceof Lit) return { lit: r };
      const operand = known.inputs.indexOf(r);
      if (operand >= 0) return { operand };
      const kind = showAval(r.aval);
      let slot = slots.findIndex((s, i) => !taken.has(i) && showAval(s.aval) === kind);
      if (slot < 0) slot = slots.push(new Var(r.aval)) - 1;
      taken.add(slot);
      return { slot };
    });
  });
  const own = not(lateOutputs).filter((k) => k).length;
  const knownBranches = split.map(({ known }, b) =>
    buildGraph(known.inputAvals, (ins) => {
      const outs = inlineGraph(known, ins);
      const filled: Atom[] = slots.map((s) => zerosOf(s.aval));
      places[b]!.forEach((p, i) => {
        if ("slot" in p) filled[p.slot] = outs[own + i]!;
      });
      return [...outs.slice(0, own), ...filled];
    }),
  );
  const operands = [...new Set(places.flat().flatMap((p) => ("operand" in p ? [p.operand] : [])))];
  const lateAvals = pick(branches[0]!.inputAvals, late);
  const unknownBranches = split.map(({ unknown }, b) =>
    buildGraph(
      [...slots.map((s) => s.aval), ...operands.map((i) => early[i]!.aval), ...lateAvals],
      (ins) => {
        const [inSlots, known, rest] = parts(ins, slots.length, operands.length);
        const residuals = places[b]!.map((p): Atom => {
          if ("lit" in p) return p.lit;
          return "slot" in p ? inSlots![p.slot]! : known![operands.indexOf(p.operand)]!;
        });
        return inlineGraph(unknown, [...residuals, ...rest!]);
      },
    ),
  );
  const index = eqn.inputs[0]!;
  const knownEqn: Eqn = {
    prim: eqn.prim,
    inputs: [index, ...early],
    params: { branches: knownBranches },
    outputs: [...pick(eqn.outputs, not(lateOutputs)), ...slots],
  };
  const unknownEqn: Eqn = {
    prim: eqn.prim,
    inputs: [
      index,
      ...slots,
      ...operands.map((i) => early[i]!),
      ...pick(eqn.inputs.slice(1), late),
    ],
    params: { branches: unknownBranches },
    outputs: pick(eqn.outputs, lateOutputs),
  };
  return {
    known: knownEqn.outputs.length > 0 ? [knownEqn] : [],
    unknown: unknownEqn.outputs.length > 0 ? [unknownEqn] : [],
  };
}
