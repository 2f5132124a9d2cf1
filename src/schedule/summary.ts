/** What a finished group does, as a whole. */
import type { Eqn, Var } from "../ir/graph.js";
import { idxFlatten, idxUnflatten } from "../ir/index-expr.js";
import { Analyser, type Storage } from "./analyse.js";
import type { Defs } from "./defs.js";
import { varsOf } from "./dependence.js";
import type { Group } from "./group.js";
import { bytesOf, loopVar, operandAt, pointOf, reduction } from "./kernel.js";

/** One analysis of everything that a group computes at one point. */
export function analyseGroup(g: Group, defs: Defs, storage: Storage): Analyser {
  const analyser = new Analyser(defs, storage);
  const point = pointOf(g.size);
  for (const v of g.vars) analyser.visit(v, idxUnflatten(point, v.aval.shape));
  if (g.inner) {
    const { over, vars } = g.inner;
    const out = idxUnflatten(point, over.outputs[0]!.aval.shape);
    const { extent } = reduction(over);
    const flat = idxFlatten(operandAt(over, out, loopVar(extent)), over.inputs[0]!.aval.shape);
    for (const v of vars) analyser.visit(v, idxUnflatten(flat, v.aval.shape), extent);
  }
  if (g.across) {
    const { count, vars } = g.across;
    const lane = pointOf(g.size / count);
    for (const v of vars) analyser.visit(v, idxUnflatten(lane, v.aval.shape), 1 / count);
  }
  return analyser;
}

export interface GroupSummary {
  readonly flops: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Names of the primitives that are computed, in the order of the graph. */
  readonly fused: readonly string[];
}

export function summarise(
  g: Group,
  defs: Defs,
  storage: Storage,
  stores: ReadonlySet<Var>,
): GroupSummary {
  const { result } = analyseGroup(g, defs, storage);
  const own = new Set(varsOf(g));
  const eqns = new Set<Eqn>([...own].map((v) => defs.of(v)!.eqn));
  for (const eqn of result.inline.keys()) eqns.add(eqn);
  const at = (eqn: Eqn) => defs.of(eqn.outputs[0]!)!.at;
  const read = [...result.reads].flatMap(([v, at]) => (own.has(v) || at.size === 0 ? [] : [v]));
  const total = (vars: readonly Var[]) => vars.reduce((sum, v) => sum + bytesOf(v), 0);
  return {
    flops: result.flops * g.size,
    bytesRead: total(read),
    bytesWritten: total([...stores]),
    fused: [...eqns].sort((a, b) => at(a) - at(b)).map((eqn) => eqn.prim.name),
  };
}
