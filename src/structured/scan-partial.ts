/**
 * A scan split by what is known early: a known scan that also stacks the residuals of its steps, and
 * an unknown scan that reads them.
 */
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import { type Atom, type Eqn, Graph, Lit, Var } from "../ir/graph.js";
import type { PartialEval } from "../ir/primitive.js";
import { hasEffects } from "../ir/subgraphs.js";
import { dce } from "../optimise/dce.js";
import { splitGraph, unzipGraph } from "../transform/index.js";
import { cloneEqns, grow, not, parts, pick } from "./common.js";
import { type ScanParams, stacked } from "./scan-params.js";

export function partialEvalScan(eqn: Eqn, unknown: readonly boolean[]): PartialEval | null {
  const params = eqn.params as ScanParams;
  const { body, carry, xs, length } = params;
  const inputs = (carried: readonly boolean[]) => [...carried, ...unknown.slice(carry)];
  // A carry is unknown where its first value is, or where a step makes it so.
  const carried = grow(unknown.slice(0, carry), (m) => {
    const { isUnknown } = splitGraph(body, not(inputs(m)));
    return body.outputs.slice(0, carry).map(isUnknown);
  });
  const late = inputs(carried);
  const split = splitGraph(body, not(late));
  const lateOutputs = body.outputs.map((x, i) => (i < carry ? carried[i]! : split.isUnknown(x)));
  if (!lateOutputs.includes(false) && !late.includes(false)) return null;
  const unzipped = unzipGraph(body, not(late), not(lateOutputs));

  // Where the unknown scan gets each residual from.
  const known = unzipped.known;
  const early = pick(eqn.inputs, not(late));
  const lateParts = parts(late, carry, xs);
  const [nCarry, nXs] = lateParts.map((list) => list.filter((m) => !m).length) as [number, number];
  const own = known.outputs.length - unzipped.residuals;
  const residuals = known.outputs.slice(own);
  const invariant = invariants(known, nCarry + nXs);
  const position = new Map<Atom, number>(known.inputs.map((v, i) => [v, i]));
  const env = new Map<Var, Atom>(known.inputs.map((v, i) => [v, early[i]!]));
  const hoistedFrom = dce(
    new Graph(
      known.inputs,
      known.eqns,
      residuals.filter((r) => invariant(r)),
    ),
  );
  const hoisted = cloneEqns(hoistedFrom.eqns, env);
  const stacks: Atom[] = [];
  const places = residuals.map((r): { readonly stacked: boolean; readonly atom: Atom } => {
    if (r instanceof Lit) return { stacked: false, atom: r };
    if (invariant(r)) return { stacked: false, atom: env.get(r)! };
    const at = position.get(r);
    if (at !== undefined && at >= nCarry) return { stacked: true, atom: early[at]! };
    stacks.push(r);
    return { stacked: true, atom: new Var(stacked(r.aval, length)) };
  });
  const made = places.filter((p, i) => stacks.includes(residuals[i]!) && p.stacked);

  const knownEqns: Eqn[] = [...hoisted];
  const knownOutputs = pick(eqn.outputs, not(lateOutputs));
  if (knownOutputs.length + stacks.length > 0 || known.eqns.some(hasEffects)) {
    const graph = dce(
      new Graph(known.inputs, known.eqns, [...known.outputs.slice(0, own), ...stacks]),
    );
    knownEqns.push({
      prim: eqn.prim,
      inputs: early,
      params: { ...params, body: copy(graph), carry: nCarry, xs: nXs },
      outputs: [...knownOutputs, ...made.map((p) => p.atom as Var)],
    });
  }

  const lateInputs = parts(pick(eqn.inputs, late), ...lateParts.slice(0, 2).map(count));
  const [lateCarry, lateXs, lateConsts] = lateInputs as [Atom[], Atom[], Atom[]];
  const perStep = places.filter((p) => p.stacked);
  const constant = places.filter((p) => !p.stacked);
  const avals = (list: readonly Atom[]) => list.map((x) => x.aval);
  const lateBody = buildGraph(
    [
      ...pick(body.inputAvals.slice(0, carry), carried),
      ...pick(body.inputAvals.slice(carry, carry + xs), lateParts[1]!),
      ...residuals.filter((_, i) => places[i]!.stacked).map((r) => r.aval),
      ...pick(body.inputAvals.slice(carry + xs), lateParts[2]!),
      ...avals(constant.map((p) => p.atom)),
    ],
    (ins) => {
      const [c, x, r, k, fixed] = parts(
        ins,
        lateCarry.length,
        lateXs.length,
        perStep.length,
        lateConsts.length,
      );
      let nextStep = 0;
      let nextFixed = 0;
      const res = places.map((p) => (p.stacked ? r![nextStep++]! : fixed![nextFixed++]!));
      return inlineGraph(unzipped.unknown, [...res, ...c!, ...x!, ...k!]);
    },
  );
  const unknownEqn: Eqn = {
    prim: eqn.prim,
    inputs: [
      ...lateCarry,
      ...lateXs,
      ...perStep.map((p) => p.atom),
      ...lateConsts,
      ...constant.map((p) => p.atom),
    ],
    params: {
      ...params,
      body: lateBody,
      carry: lateCarry.length,
      xs: lateXs.length + perStep.length,
    },
    outputs: pick(eqn.outputs, lateOutputs),
  };
  return { known: knownEqns, unknown: unknownEqn.outputs.length > 0 ? [unknownEqn] : [] };
}

const count = (mask: readonly boolean[]): number => mask.filter((m) => m).length;

const copy = (graph: Graph): Graph =>
  buildGraph(graph.inputAvals, (inputs) => inlineGraph(graph, inputs));

/** Which values of a body are the same at every step: those that need no input before `from`. */
function invariants(graph: Graph, from: number): (x: Atom) => boolean {
  const varying = new Set<Atom>(graph.inputs.slice(0, from));
  for (const eqn of graph.eqns) {
    if (eqn.prim.effects || eqn.inputs.some((x) => varying.has(x))) {
      for (const v of eqn.outputs) varying.add(v);
    }
  }
  return (x) => !varying.has(x);
}
