/**
 * checkpoint: a function of which the backward pass keeps the inputs, and perhaps some values that a
 * policy names, and computes the rest again (jax.checkpoint, also called remat).
 *
 * An equation carries its body. jvp and transpose act on the body. Partial evaluation computes the known
 * outputs early, and leaves to the late equation the whole body that its outputs need: it recomputes.
 */
import { bind } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import { type Atom, type Eqn, Graph, Lit, Var } from "../ir/graph.js";
import type { PartialEval, Primitive } from "../ir/primitive.js";
import { hasEffects } from "../ir/subgraphs.js";
import { dce } from "../optimise/dce.js";
import { optimizationBarrier } from "../prims/index.js";
import { batchGraph, copyGraph, jvpGraph, splitGraph, transposeGraph } from "../transform/index.js";
import { type CheckpointPolicy, saves } from "./checkpoint-policy.js";
import { dependencies, pick, runReference, spread, toLanes } from "./common.js";

export interface CheckpointParams {
  readonly body: Graph;
  readonly policy: CheckpointPolicy;
  /** For a body that recomputes: the inputs that arrive late (tangents, cotangents), before the others' use. */
  readonly late?: readonly boolean[];
}

/** Another equation of the family, with inputs that nothing needs left out. */
const bindBody = (inputs: readonly Atom[], params: CheckpointParams): readonly Atom[] =>
  bind(checkpointP, inputs, params);

export const checkpointP: Primitive<CheckpointParams> = {
  name: "checkpoint",
  kind: "opaque",
  wrapper: true,
  aval: (_, { body }) => body.outputAvals,
  ref: (inputs, { body }, _, run = runReference) => run(body, inputs),

  lower(inputs, { body, late }) {
    if (!late) return inlineGraph(body, inputs);
    // Recomputation must neither be merged with the first computation nor run before it is needed.
    const after = [...new Set(inputs.filter((x, i) => late[i] && x instanceof Var))];
    return inlineGraph(
      body,
      inputs.map((x, i) => (late[i] || x instanceof Lit ? x : optimizationBarrier(x, after))),
    );
  },

  jvpJoint({ primals, tangents, params }) {
    const { body, late } = params;
    const mask = tangents.map((t) => t !== null);
    const { graph, outMask } = jvpGraph(body, mask);
    const given = tangents.filter((t): t is Atom => t !== null);
    const outs = bindBody([...primals, ...given], {
      ...params,
      body: dce(graph),
      ...(late ? { late: [...late, ...pick(late, mask)] } : {}),
    });
    const n = body.outputs.length;
    return { outputs: outs.slice(0, n), tangents: spread(outs.slice(n), outMask) };
  },

  transpose({ cotangents, inputs, params }) {
    const linear = inputs.map((x) => x === null);
    const arriving = cotangents.map((c) => c !== null);
    const { graph } = transposeGraph(params.body, linear, arriving);
    const fixed = inputs.filter((x): x is Atom => x !== null);
    const cts = cotangents.filter((c): c is Atom => c !== null);
    const outs = bindBody([...fixed, ...cts], {
      ...params,
      body: dce(graph),
      late: [...fixed.map(() => false), ...cts.map(() => true)],
    });
    return spread(outs, linear);
  },

  batch: ({ inputs, mapped, size, axisName, params }) => {
    const { outputs, mapped: has } = checkpointP.batchPartly!({
      inputs,
      mapped,
      size,
      axisName,
      params,
    });
    return outputs.map((x, i) => (has[i] ? x : toLanes(x, size)));
  },

  batchPartly({ inputs, mapped, size, axisName, params }) {
    const { graph, outMapped } = batchGraph(params.body, mapped, size, axisName);
    return { outputs: bindBody(inputs, { ...params, body: graph }), mapped: outMapped };
  },

  partialEval: splitCheckpoint,

  dce(eqn, used) {
    const params = eqn.params as CheckpointParams;
    const { body } = params;
    const outputs = pick(body.outputs, used);
    const needed = dependencies(body, outputs);
    if (!used.includes(false) && !needed.includes(false)) return null;
    return prune(eqn, params, needed, used);
  },

  error: { ulp: 0 },
};

/** The equation with some of its inputs and outputs. */
function prune(
  eqn: Eqn,
  params: CheckpointParams,
  inputs: readonly boolean[],
  outputs: readonly boolean[],
): Eqn {
  const { body, late } = params;
  const smaller = dce(new Graph(pick(body.inputs, inputs), body.eqns, pick(body.outputs, outputs)));
  return {
    prim: eqn.prim,
    inputs: pick(eqn.inputs, inputs),
    params: { ...params, body: copyGraph(smaller), ...(late ? { late: pick(late, inputs) } : {}) },
    outputs: pick(eqn.outputs, outputs),
  };
}

/**
 * The equations whose outputs are saved. A value that only gets a name is the same without it, and its
 * derivative rules refer to that: it is saved as it was made.
 */
function savedEqns(policy: CheckpointPolicy, eqns: readonly Eqn[]): Set<Eqn> {
  const made = new Map(eqns.flatMap((e) => e.outputs.map((v) => [v, e] as const)));
  const sourceOf = (e: Eqn): Eqn => {
    const [x] = e.inputs;
    const from = e.prim.renames && x instanceof Var ? made.get(x) : undefined;
    return from && from.outputs.length === 1 ? sourceOf(from) : e;
  };
  return new Set(eqns.filter((e) => saves(policy, e)).map(sourceOf));
}

function splitCheckpoint(eqn: Eqn, unknown: readonly boolean[]): PartialEval | null {
  const params = eqn.params as CheckpointParams;
  const { body, policy } = params;
  const { early, late, isUnknown } = splitGraph(
    body,
    unknown.map((u) => !u),
  );
  const lateOutputs = body.outputs.map(isUnknown);
  if (early.length === 0 && !lateOutputs.includes(false)) return null;

  // Effects happen once: in the known part.
  const again = early.filter((e) => !hasEffects(e));
  const kept = savedEqns(policy, again);
  const candidates = [...kept].flatMap((e) => e.outputs);
  const whole = dce(
    new Graph(
      [...candidates, ...body.inputs],
      [...again.filter((e) => !kept.has(e)), ...late],
      pick(body.outputs, lateOutputs),
    ),
  );
  const needed = dependencies(whole);
  const saved = candidates.filter((_, i) => needed[i]);
  const wanted = needed.slice(candidates.length);
  const residuals = saved.map((v) => new Var(v.aval));

  const unknownEqn: Eqn = {
    prim: eqn.prim,
    inputs: [...residuals, ...pick(eqn.inputs, wanted)],
    params: {
      ...params,
      body: copyGraph(
        new Graph([...saved, ...pick(body.inputs, wanted)], whole.eqns, whole.outputs),
      ),
      late: [...residuals.map(() => false), ...pick(unknown, wanted)],
    },
    outputs: pick(eqn.outputs, lateOutputs),
  };
  const knownInputs = unknown.map((u) => !u);
  const knownOutputs = lateOutputs.map((l) => !l);
  const known = dce(
    new Graph(pick(body.inputs, knownInputs), early, [
      ...pick(body.outputs, knownOutputs),
      ...saved,
    ]),
  );
  const knownEqn: Eqn = {
    prim: eqn.prim,
    inputs: pick(eqn.inputs, knownInputs),
    params: {
      body: copyGraph(known),
      policy,
      ...(params.late ? { late: pick(params.late, knownInputs) } : {}),
    },
    outputs: [...pick(eqn.outputs, knownOutputs), ...residuals],
  };
  const has = (e: Eqn): Eqn[] => (e.outputs.length > 0 || hasEffects(e) ? [e] : []);
  return { known: has(knownEqn), unknown: has(unknownEqn) };
}
