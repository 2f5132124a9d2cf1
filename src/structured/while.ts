/** while: a loop that goes on as long as a condition on its carry holds (jax.lax.while_loop). */
import { DawngradError } from "../core/errors.js";
import { bind, buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import { type Atom, type Eqn, Graph } from "../ir/graph.js";
import type {
  BatchArgs,
  BatchedOutputs,
  JointJvp,
  JvpArgs,
  PartialEval,
  Primitive,
} from "../ir/primitive.js";
import { dce } from "../optimise/dce.js";
import { broadcastInDim, reduceOr, select } from "../prims/index.js";
import { batchGraph, jvpGraph, splitGraph } from "../transform/index.js";
import {
  batchAll,
  dependencies,
  expectAvals,
  grow,
  newVars,
  not,
  or,
  parts,
  pick,
  runReference,
  spread,
  toLanes,
  zerosOf,
} from "./common.js";

/**
 * Inputs: init…, consts…. Outputs: the last carry….
 * `cond`: (carry…, consts…) -> bool. `body`: (carry…, consts…) -> (carry…).
 */
export interface WhileParams {
  readonly cond: Graph;
  readonly body: Graph;
  /** Number of carried values. */
  readonly carry: number;
}

export const whileP: Primitive<WhileParams> = {
  name: "while",
  kind: "structured",
  error: { ulp: 0 },

  aval(inputs, { cond, body, carry }) {
    expectAvals("while's inputs", inputs, body.inputAvals);
    expectAvals("the condition's inputs", cond.inputAvals, body.inputAvals);
    expectAvals("the condition's outputs", cond.outputAvals, [{ shape: [], dtype: "bool" }]);
    expectAvals("while's carries", body.outputAvals, body.inputAvals.slice(0, carry));
    return body.outputAvals;
  },

  ref(inputs, { cond, body, carry }, _outputs, run = runReference) {
    const [init, consts] = parts(inputs, carry);
    let carries = init!;
    while (run(cond, [...carries, ...consts!])[0]!.data[0] !== 0) {
      carries = run(body, [...carries, ...consts!]);
    }
    return carries;
  },

  jvpJoint: jvpWhile,
  transpose() {
    throw new DawngradError(
      "whileLoop: reverse-mode differentiation needs the values of every iteration, whose number is " +
        "not known when the program is compiled; use foriLoop with bounds that are numbers, or scan with " +
        "a length (and a cond within it), or forward mode (jvp)",
    );
  },
  batch: (args) => batchAll(whileP, args),
  batchPartly: batchWhile,
  partialEval: partialEvalWhile,
  dce: dceWhile,
  simplify: simplifyWhile,
  control: (params) => ({ kind: "while", ...params }),
};

export const whileLoop = (inputs: readonly Atom[], params: WhileParams): readonly Atom[] =>
  bind(whileP, inputs, params);

function jvpWhile({ primals, tangents, params }: Omit<JvpArgs<WhileParams>, "outputs">): JointJvp {
  const { cond, body, carry } = params;
  const given = tangents.map((t) => t !== null);
  const masks = (carried: readonly boolean[]) => [...carried, ...given.slice(carry)];
  const carried = grow(given.slice(0, carry), (m) => jvpGraph(body, masks(m)).outMask);
  const mask = masks(carried);
  const { graph, outMask } = jvpGraph(body, mask);
  const [carryAvals, constAvals] = parts(body.inputAvals, carry);
  const carriedAvals = pick(carryAvals!, carried);
  const avals = [
    ...carryAvals!,
    ...carriedAvals,
    ...constAvals!,
    ...pick(constAvals!, mask.slice(carry)),
  ];
  const split = (ins: readonly Atom[]) =>
    parts(ins, carry, carriedAvals.length, constAvals!.length) as [Atom[], Atom[], Atom[], Atom[]];
  const jointBody = buildGraph(avals, (ins) => {
    const [c, ct, k, kt] = split(ins);
    const outs = inlineGraph(graph, [...c, ...k, ...ct, ...kt]);
    const ts = spread(outs.slice(carry), outMask);
    const all = ts.flatMap((t, i) => (carried[i] ? [t ?? zerosOf(carryAvals![i]!)] : []));
    return [...outs.slice(0, carry), ...all];
  });
  const jointCond = buildGraph(avals, (ins) => {
    const [c, , k] = split(ins);
    return inlineGraph(cond, [...c, ...k]);
  });
  const tangentOf = (i: number) => tangents[i] ?? zerosOf(primals[i]!.aval);
  const filled = mask.map((m, i) => (m ? [tangentOf(i)] : []));
  const outs = whileLoop(
    [
      ...primals.slice(0, carry),
      ...filled.slice(0, carry).flat(),
      ...primals.slice(carry),
      ...filled.slice(carry).flat(),
    ],
    { cond: jointCond, body: jointBody, carry: carry + carriedAvals.length },
  );
  return { outputs: outs.slice(0, carry), tangents: spread(outs.slice(carry), carried) };
}

function batchWhile({
  inputs,
  mapped,
  size,
  params,
  axisName,
}: BatchArgs<WhileParams>): BatchedOutputs {
  const { cond, body, carry } = params;
  const masks = (carried: readonly boolean[]) => [...carried, ...mapped.slice(carry)];
  const grown = grow(
    mapped.slice(0, carry),
    (m) => batchGraph(body, masks(m), size, axisName).outMapped,
  );
  // Where lanes end at different times, every carry has lanes: those that are done keep theirs.
  const perLane = batchGraph(cond, masks(grown), size, axisName).outMapped[0]!;
  const carried = perLane ? grown.map(() => true) : grown;
  const lanes = batchGraph(body, masks(carried), size, axisName);
  const test = batchGraph(cond, masks(carried), size, axisName).graph;
  const avals = lanes.graph.inputAvals;
  const lanesBody = buildGraph(avals, (ins) => {
    const next = inlineGraph(lanes.graph, ins).map((x, i) =>
      carried[i] && !lanes.outMapped[i] ? toLanes(x, size) : x,
    );
    if (!perLane) return next;
    const active = inlineGraph(test, ins)[0]!;
    return next.map((x, i) => {
      const { shape } = x.aval;
      const mask = shape.length > 1 ? broadcastInDim(active, shape, [0]) : active;
      return select(mask, x, ins[i]!);
    });
  });
  const lanesCond = buildGraph(avals, (ins) => {
    const active = inlineGraph(test, ins)[0]!;
    return [perLane ? reduceOr(active, [0]) : active];
  });
  const values = inputs.map((x, i) =>
    i < carry && carried[i] && !mapped[i] ? toLanes(x, size) : x,
  );
  return {
    outputs: whileLoop(values, { cond: lanesCond, body: lanesBody, carry }),
    mapped: carried,
  };
}

/** What the condition and the wanted carries depend on, through any number of iterations. */
function dceWhile(eqn: Eqn, used: readonly boolean[]): Eqn | null {
  const { cond, body, carry } = eqn.params as WhileParams;
  const start = or(used, dependencies(cond).slice(0, carry));
  const carried = grow(start, (m) => dependencies(body, pick(body.outputs, m)));
  const leanBody = dce(new Graph(body.inputs, body.eqns, pick(body.outputs, carried)));
  const leanCond = dce(cond);
  const needed = or(dependencies(leanBody), dependencies(leanCond));
  const mask = needed.map((n, i) => (i < carry ? carried[i]! : n));
  const same = (a: Graph, b: Graph) => a.eqns.every((e, i) => e === b.eqns[i]);
  const whole = same(leanBody, body) && same(leanCond, cond) && !mask.includes(false);
  // Carries that only the loop itself needs are outputs all the same.
  if (whole) return null;
  const smaller = (graph: Graph) =>
    buildGraph(pick(graph.inputAvals, mask), (ins) =>
      inlineGraph(graph, spread(ins, mask) as Atom[]),
    );
  const outputs = eqn.outputs.map((v, i) => (used[i] ? v : newVars([v.aval])[0]!));
  return {
    prim: eqn.prim,
    inputs: pick(eqn.inputs, mask),
    params: {
      cond: smaller(leanCond),
      body: smaller(leanBody),
      carry: carried.filter((c) => c).length,
    },
    outputs: pick(outputs, carried),
  };
}

/**
 * The known carries in a loop of their own; the unknown ones need the known ones again at every step,
 * so the late loop computes both.
 */
function partialEvalWhile(eqn: Eqn, unknown: readonly boolean[]): PartialEval | null {
  const { cond, body, carry } = eqn.params as WhileParams;
  const late = (carried: readonly boolean[]) => [...carried, ...unknown.slice(carry)];
  const carried = grow(unknown.slice(0, carry), (m) =>
    body.outputs.map(splitGraph(body, not(late(m))).isUnknown),
  );
  const mask = late(carried);
  if (splitGraph(cond, not(mask)).isUnknown(cond.outputs[0]!) || !carried.includes(false)) {
    return null;
  }
  const early = not(mask);
  const known = (graph: Graph, outputs: readonly Atom[]) => {
    const lean = dce(new Graph(graph.inputs, graph.eqns, outputs));
    return buildGraph(pick(graph.inputAvals, early), (ins) =>
      inlineGraph(lean, spread(ins, early) as Atom[]),
    );
  };
  const knownEqn: Eqn = {
    prim: eqn.prim,
    inputs: pick(eqn.inputs, early),
    params: {
      cond: known(cond, cond.outputs),
      body: known(body, pick(body.outputs, not(carried))),
      carry: not(carried).filter((k) => k).length,
    },
    outputs: pick(eqn.outputs, not(carried)),
  };
  const unknownEqn: Eqn = {
    ...eqn,
    outputs: eqn.outputs.map((v, i) => (carried[i] ? v : newVars([v.aval])[0]!)),
  };
  return { known: [knownEqn], unknown: carried.includes(true) ? [unknownEqn] : [] };
}

/** Carries that never change are constants. */
function simplifyWhile(inputs: readonly Atom[], params: WhileParams): readonly Atom[] | null {
  const { cond, body, carry } = params;
  const fixed = body.inputs.slice(0, carry).map((v, i) => body.outputs[i] === v);
  if (!fixed.includes(true)) return null;
  const moving = not(fixed);
  const kept = moving.filter((m) => m).length;
  const [carryAvals, constAvals] = parts(body.inputAvals, carry);
  const avals = [...pick(carryAvals!, moving), ...constAvals!, ...pick(carryAvals!, fixed)];
  const smaller = (graph: Graph, outputs: readonly Atom[]) =>
    buildGraph(avals, (ins) => {
      const [c, k, f] = parts(ins, kept, constAvals!.length) as [Atom[], Atom[], Atom[]];
      const [a, b] = [spread(c, moving), spread(f, fixed)];
      const all = [...fixed.map((_, i) => a[i] ?? b[i]!), ...k];
      return inlineGraph(new Graph(graph.inputs, graph.eqns, outputs), all);
    });
  const [init, consts] = parts(inputs, carry);
  const outs = whileLoop([...pick(init!, moving), ...consts!, ...pick(init!, fixed)], {
    cond: smaller(cond, cond.outputs),
    body: smaller(body, pick(body.outputs, moving)),
    carry: kept,
  });
  const last = spread(outs, moving);
  return init!.map((x, i) => last[i] ?? x);
}
