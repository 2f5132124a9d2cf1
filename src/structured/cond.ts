/** cond: one of several graphs, chosen by an index (jax.lax.cond and jax.lax.switch). */
import { bind, buildGraph } from "../ir/builder.js";
import { type EqnHarvest, harvestEffects, shifted } from "../ir/effects.js";
import { inlineGraph } from "../ir/eval.js";
import { type Atom, type Eqn, Graph, Lit } from "../ir/graph.js";
import type {
  BatchArgs,
  BatchedOutputs,
  JointJvp,
  JvpArgs,
  Primitive,
  TransposeArgs,
} from "../ir/primitive.js";
import { dce } from "../optimise/dce.js";
import { broadcastInDim, le, select } from "../prims/index.js";
import { batchGraph, filled, jvpGraph, transposeGraph } from "../transform/index.js";
import {
  batchAll,
  dependencies,
  expectAvals,
  newVars,
  or,
  pick,
  runReference,
  spread,
  toLanes,
  zerosOf,
} from "./common.js";
import type { CondParams } from "./cond-params.js";
import { partialEvalCond } from "./cond-partial.js";

const clampIndex = (index: number, branches: readonly Graph[]): number =>
  Math.min(branches.length - 1, Math.max(0, index));

export const condP: Primitive<CondParams> = {
  name: "cond",
  kind: "structured",
  error: { ulp: 0 },

  aval([index, ...operands], { branches }) {
    expectAvals("cond's index", [index!], [{ shape: [], dtype: "int32" }]);
    const outputs = branches[0]!.outputAvals;
    for (const b of branches) {
      expectAvals("cond's operands", operands, b.inputAvals);
      expectAvals("a branch's outputs", b.outputAvals, outputs);
    }
    return outputs;
  },

  ref([index, ...operands], { branches }, _outputs, run = runReference) {
    return run(branches[clampIndex(index!.data[0]!, branches)]!, operands);
  },

  jvpJoint: jvpCond,
  transpose: transposeCond,
  batch: (args) => batchAll(condP, args),
  batchPartly: batchCond,
  partialEval: partialEvalCond,
  dce: dceCond,

  simplify([index, ...operands], { branches }) {
    if (branches.length === 1) return inlineGraph(branches[0]!, operands);
    if (!(index instanceof Lit)) return null;
    return inlineGraph(branches[clampIndex(index.value, branches)]!, operands);
  },

  control: (params) => ({ kind: "branch", ...params }),
  harvest: harvestCond,
};

/** Every branch gives the values of all branches' effects: zeros for those of the others. */
function harvestCond(eqn: Eqn): EqnHarvest {
  const { branches } = eqn.params as CondParams;
  const made = branches.map(harvestEffects);
  const own = made.map(({ graph }, k) => graph.outputs.slice(branches[k]!.outputs.length));
  const avals = own.map((list) => list.map((x) => x.aval));
  const whole = made.map(({ graph }, k) =>
    buildGraph(graph.inputAvals, (ins) => {
      const n = branches[k]!.outputs.length;
      const outs = inlineGraph(graph, ins);
      return [
        ...outs.slice(0, n),
        ...avals.flatMap((list, j) => (j === k ? outs.slice(n) : list.map(zerosOf))),
      ];
    }),
  );
  const values = newVars(avals.flat());
  let from = 1;
  const effects = made
    .map((m) => m.effects)
    .map((list, k) => {
      const here = shifted(list, from);
      from += own[k]!.length;
      return here;
    });
  return {
    eqn: { ...eqn, params: { branches: whole }, outputs: [...eqn.outputs, ...values] },
    values: [eqn.inputs[0]!, ...values],
    effects: [{ kind: "branch", index: 0, branches: effects }],
  };
}

export const cond = (
  index: Atom,
  operands: readonly Atom[],
  branches: readonly Graph[],
): readonly Atom[] => bind(condP, [index, ...operands], { branches });

function jvpCond({ primals, tangents, params }: Omit<JvpArgs<CondParams>, "outputs">): JointJvp {
  const mask = tangents.slice(1).map((t) => t !== null);
  const made = params.branches.map((b) => jvpGraph(b, mask));
  const n = params.branches[0]!.outputs.length;
  const none: readonly boolean[] = params.branches[0]!.outputs.map(() => false);
  const outMask = made.reduce<readonly boolean[]>((m, b) => or(m, b.outMask), none);
  const branches = made.map(({ graph, outMask: own }) =>
    buildGraph(graph.inputAvals, (ins) => {
      const outs = inlineGraph(graph, ins);
      const ts = spread(outs.slice(n), own);
      const filled = ts.flatMap((t, i) => (outMask[i] ? [t ?? zerosOf(outs[i]!.aval)] : []));
      return [...outs.slice(0, n), ...filled];
    }),
  );
  const given = tangents.slice(1).filter((t): t is Atom => t !== null);
  const outs = cond(primals[0]!, [...primals.slice(1), ...given], branches);
  return { outputs: outs.slice(0, n), tangents: spread(outs.slice(n), outMask) };
}

function transposeCond({
  cotangents,
  inputs,
  params,
}: TransposeArgs<CondParams>): readonly (Atom | null)[] {
  const operands = inputs.slice(1);
  const linear = operands.map((x) => x === null);
  const given = cotangents.map((c) => c !== null);
  const branches = params.branches.map((b) => transposeGraph(b, linear, given).graph);
  const fixed = operands.filter((x): x is Atom => x !== null);
  const cts = cotangents.filter((c): c is Atom => c !== null);
  return [null, ...spread(cond(inputs[0]!, [...fixed, ...cts], branches), linear)];
}

function batchCond({
  inputs,
  mapped,
  size,
  params,
  axisName,
}: BatchArgs<CondParams>): BatchedOutputs {
  const [index, ...operands] = inputs;
  const made = params.branches.map((b) => batchGraph(b, mapped.slice(1), size, axisName));
  const none: readonly boolean[] = params.branches[0]!.outputs.map(() => false);
  const outMapped = made.reduce<readonly boolean[]>((m, b) => or(m, b.outMapped), none);
  const forced = (mask: readonly boolean[]) =>
    made.map(({ graph, outMapped: own }) =>
      buildGraph(graph.inputAvals, (ins) =>
        inlineGraph(graph, ins).map((x, i) => (mask[i] && !own[i] ? toLanes(x, size) : x)),
      ),
    );
  if (!mapped[0]) {
    return { outputs: cond(index!, operands, forced(outMapped)), mapped: outMapped };
  }
  // Lanes take different branches: all are computed, and each lane takes its own.
  const all = none.map(() => true);
  const results = forced(all).map((b) => inlineGraph(b, operands));
  const last = results.length - 1;
  let outputs = results[last]!;
  for (let k = last - 1; k >= 0; k--) {
    // At most k, since what is less comes after: indices below the first branch are clamped to it.
    const taken = le(index!, filled(k, index!.aval));
    outputs = outputs.map((x, i) => {
      const { shape } = x.aval;
      const lanes = shape.length > 1 ? broadcastInDim(taken, shape, [0]) : taken;
      return select(lanes, results[k]![i]!, x);
    });
  }
  return { outputs, mapped: all };
}

function dceCond(eqn: Eqn, used: readonly boolean[]): Eqn | null {
  const { branches } = eqn.params as CondParams;
  const lean = branches.map((b) => dce(new Graph(b.inputs, b.eqns, pick(b.outputs, used))));
  const none: readonly boolean[] = eqn.inputs.slice(1).map(() => false);
  const needed = lean.reduce<readonly boolean[]>((m, b) => or(m, dependencies(b)), none);
  const whole = lean.every((b, k) => b.eqns.every((e, i) => e === branches[k]!.eqns[i]));
  if (whole && !used.includes(false) && !needed.includes(false)) return null;
  const smaller = lean.map((b) =>
    buildGraph(pick(b.inputAvals, needed), (ins) => inlineGraph(b, spread(ins, needed) as Atom[])),
  );
  return {
    prim: eqn.prim,
    inputs: [eqn.inputs[0]!, ...pick(eqn.inputs.slice(1), needed)],
    params: { branches: smaller },
    outputs: pick(eqn.outputs, used),
  };
}
