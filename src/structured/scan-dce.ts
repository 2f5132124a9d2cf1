/** Dead code in a scan: carries and stacked outputs that nothing needs, and what computed them. */
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import { type Eqn, Graph } from "../ir/graph.js";
import { dce } from "../optimise/dce.js";
import { dependencies, grow, parts, pick } from "./common.js";
import type { ScanParams } from "./scan-params.js";

export function dceScan(eqn: Eqn, used: readonly boolean[]): Eqn | null {
  const params = eqn.params as ScanParams;
  const { body, carry, xs } = params;
  const live = (carried: readonly boolean[]) => [...carried, ...used.slice(carry)];
  // A carry is needed where an output or another needed carry depends on it.
  const carried = grow(used.slice(0, carry), (m) =>
    dependencies(body, pick(body.outputs, live(m))),
  );
  const outMask = live(carried);
  const lean = dce(new Graph(body.inputs, body.eqns, pick(body.outputs, outMask)));
  const needed = dependencies(lean);
  const inMask = needed.map((n, i) => (i < carry ? carried[i]! : n));
  const whole =
    lean.eqns.length === body.eqns.length && lean.eqns.every((e, i) => e === body.eqns[i]);
  if (whole && !inMask.includes(false) && !outMask.includes(false)) return null;
  const kept = pick(body.inputs, inMask).map((v) => v.aval);
  const smaller = buildGraph(kept, (inputs) => {
    let next = 0;
    // Inputs that are dropped are read by nothing: any value stands for them.
    const all = body.inputs.map((_, i) => (inMask[i] ? inputs[next++]! : inputs[0]!));
    return inlineGraph(lean, all);
  });
  const [carryMask, xsMask] = parts(inMask, carry, xs);
  const count = (mask: readonly boolean[]) => mask.filter((m) => m).length;
  return {
    prim: eqn.prim,
    inputs: pick(eqn.inputs, inMask),
    params: { ...params, body: smaller, carry: count(carryMask!), xs: count(xsMask!) },
    outputs: pick(eqn.outputs, outMask),
  };
}
