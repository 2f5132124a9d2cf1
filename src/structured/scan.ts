/** scan: a loop of known length over a carry, with stacked inputs and outputs (jax.lax.scan). */
import { type Aval, sizeOf } from "../core/aval.js";
import { hostData, type NdArray } from "../core/ndarray.js";
import { bind, buildGraph } from "../ir/builder.js";
import { harvestLoop } from "../ir/effects.js";
import { inlineGraph } from "../ir/eval.js";
import { type Atom, Lit } from "../ir/graph.js";
import type { BatchArgs, BatchedOutputs, JointJvp, JvpArgs, Primitive } from "../ir/primitive.js";
import { reshape, transpose } from "../prims/index.js";
import { batchGraph, jvpGraph } from "../transform/index.js";
import {
  batchAll,
  expectAvals,
  grow,
  parts,
  pick,
  runReference,
  spread,
  toLanes,
  zerosOf,
} from "./common.js";
import { dceScan } from "./scan-dce.js";
import { type ScanParams, stacked } from "./scan-params.js";
import { partialEvalScan } from "./scan-partial.js";
import { transposeScan } from "./scan-transpose.js";

export const scanP: Primitive<ScanParams> = {
  name: "scan",
  kind: "structured",
  error: { ulp: 0 },

  aval(inputs, { body, carry, xs, length }) {
    const [carries, slices, consts] = parts(body.inputAvals, carry, xs);
    const want = [...carries!, ...slices!.map((a) => stacked(a, length)), ...consts!];
    expectAvals("scan's inputs", inputs, want);
    expectAvals("scan's carries", body.outputAvals.slice(0, carry), carries!);
    return [...carries!, ...body.outputAvals.slice(carry).map((a) => stacked(a, length))];
  },

  ref(inputs, { body, carry, xs, length, reverse }, outputs, run = runReference) {
    const [init, stacks, consts] = parts(inputs, carry, xs);
    const ys = outputs
      .slice(carry)
      .map((o): NdArray => ({ ...o, data: hostData(o.dtype, sizeOf(o.shape)) }));
    let carries = init!;
    for (let step = 0; step < length; step++) {
      const i = reverse ? length - 1 - step : step;
      const slices = stacks!.map((x): NdArray => {
        const shape = x.shape.slice(1);
        const n = sizeOf(shape);
        return { shape, dtype: x.dtype, data: x.data.slice(i * n, (i + 1) * n) };
      });
      const outs = run(body, [...carries, ...slices, ...consts!]);
      carries = outs.slice(0, carry);
      outs.slice(carry).forEach((y, k) => {
        ys[k]!.data.set(y.data as never, i * y.data.length);
      });
    }
    return [...carries, ...ys];
  },

  jvpJoint: jvpScan,
  transpose: (args) => transposeScan(scanP, args),
  batch: (args) => batchAll(scanP, args),
  batchPartly: batchScan,
  partialEval: partialEvalScan,
  dce: dceScan,
  simplify: simplifyScan,
  control: (params) => ({ kind: "loop", ...params }),
  harvest(eqn) {
    const params = eqn.params as ScanParams;
    return harvestLoop(eqn, params.body, params);
  },
};

export const scan = (inputs: readonly Atom[], params: ScanParams): readonly Atom[] =>
  bind(scanP, inputs, params);

function jvpScan({ primals, tangents, params }: Omit<JvpArgs<ScanParams>, "outputs">): JointJvp {
  const { body, carry, xs } = params;
  const given = tangents.map((t) => t !== null);
  const masks = (carried: readonly boolean[]) => [...carried, ...given.slice(carry)];
  const carried = grow(given.slice(0, carry), (m) =>
    jvpGraph(body, masks(m)).outMask.slice(0, carry),
  );
  const mask = masks(carried);
  const { graph, outMask } = jvpGraph(body, mask);
  const avals = parts(body.inputAvals, carry, xs);
  const on = parts(mask, carry, xs);
  const tangentAvals = avals.map((list, k) => pick(list, on[k]!));
  const both = avals.flatMap((list, k) => [...list, ...tangentAvals[k]!]);
  const n = body.outputs.length;
  const joint = buildGraph(both, (inputs) => {
    const lists = parts(
      inputs,
      ...avals.flatMap((list, k) => [list.length, tangentAvals[k]!.length]),
    );
    const outs = inlineGraph(graph, [
      ...[0, 2, 4].flatMap((k) => lists[k]!),
      ...[1, 3, 5].flatMap((k) => lists[k]!),
    ]);
    const ts = spread(outs.slice(n), outMask).map((t, i) =>
      i < carry && carried[i] ? (t ?? zerosOf(body.outputs[i]!.aval)) : t,
    );
    const some = (list: readonly (Atom | null)[]) => list.filter((t): t is Atom => t !== null);
    return [
      ...outs.slice(0, carry),
      ...some(ts.slice(0, carry)),
      ...outs.slice(carry, n),
      ...some(ts.slice(carry)),
    ];
  });
  const values = parts(primals, carry, xs);
  const ts = parts(tangents, carry, xs);
  const inputs = values.flatMap((list, k) => [
    ...list,
    ...list.flatMap((x, i) => (on[k]![i] ? [ts[k]![i] ?? zerosOf(x.aval)] : [])),
  ]);
  const carriedTangents = carried.filter((m) => m).length;
  const outs = scan(inputs, {
    ...params,
    body: joint,
    carry: carry + carriedTangents,
    xs: xs + tangentAvals[1]!.length,
  });
  const [last, lastT, ys, ysT] = parts(outs, carry, carriedTangents, n - carry);
  return {
    outputs: [...last!, ...ys!],
    tangents: [...spread(lastT!, carried), ...spread(ysT!, outMask.slice(carry))],
  };
}

/** Axes 0 and 1 exchanged: lanes of stacks are stacks of lanes. */
const swap = (x: Atom): Atom => transpose(x, [1, 0, ...x.aval.shape.slice(2).map((_, i) => i + 2)]);

function batchScan({
  inputs,
  mapped,
  size,
  params,
  axisName,
}: BatchArgs<ScanParams>): BatchedOutputs {
  const { body, carry, xs } = params;
  const masks = (carried: readonly boolean[]) => [...carried, ...mapped.slice(carry)];
  const carried = grow(mapped.slice(0, carry), (m) =>
    batchGraph(body, masks(m), size, axisName).outMapped.slice(0, carry),
  );
  const { graph, outMapped } = batchGraph(body, masks(carried), size, axisName);
  const lanes = buildGraph(graph.inputAvals, (ins) =>
    inlineGraph(graph, ins).map((x, i) =>
      i < carry && carried[i] && !outMapped[i] ? toLanes(x, size) : x,
    ),
  );
  const values = inputs.map((x, i) => {
    if (i < carry) return carried[i] && !mapped[i] ? toLanes(x, size) : x;
    return i < carry + xs && mapped[i] ? swap(x) : x;
  });
  const outs = scan(values, { ...params, body: lanes });
  const outMask = [...carried, ...outMapped.slice(carry)];
  return {
    outputs: outs.map((x, i) => (i >= carry && outMask[i] ? swap(x) : x)),
    mapped: outMask,
  };
}

/** Carries that never change are constants; one step, or none, is no loop. */
function simplifyScan(inputs: readonly Atom[], params: ScanParams): readonly Atom[] | null {
  const { body, carry, xs, length } = params;
  const [init, stacks, consts] = parts(inputs, carry, xs);
  const ys = body.outputs.slice(carry);
  if (length === 0) return [...init!, ...ys.map((y) => zerosOf(stacked(y.aval, 0)))];
  if (length === 1) {
    const slices = stacks!.map((x) => reshape(x, x.aval.shape.slice(1)));
    const outs = inlineGraph(body, [...init!, ...slices, ...consts!]);
    return outs.map((y, i) => (i < carry ? y : reshape(y, [1, ...y.aval.shape])));
  }
  const fixed = body.inputs.slice(0, carry).map((v, i) => body.outputs[i] === v);
  const lits = fixed.map((f, i) => f && init![i] instanceof Lit);
  if (!fixed.includes(true)) return null;
  const moves = fixed.map((f, i) => f && !lits[i]);
  const avals = parts(body.inputAvals, carry, xs);
  const keep = (list: readonly unknown[]) => list.filter((_, i) => !fixed[i]);
  const avalsNow = [
    ...(keep(avals[0]!) as Aval[]),
    ...avals[1]!,
    ...avals[2]!,
    ...pick(avals[0]!, moves),
  ];
  const kept = carry - fixed.filter((f) => f).length;
  const smaller = buildGraph(avalsNow, (ins) => {
    const [c, x, k, moved] = parts(ins, kept, xs, avals[2]!.length);
    let nextKept = 0;
    let nextMoved = 0;
    const carries = fixed.map((f, i) => {
      if (!f) return c![nextKept++]!;
      return lits[i] ? init![i]! : moved![nextMoved++]!;
    });
    const outs = inlineGraph(body, [...carries, ...x!, ...k!]);
    return outs.filter((_, i) => i >= carry || !fixed[i]);
  });
  const outs = scan([...(keep(init!) as Atom[]), ...stacks!, ...consts!, ...pick(init!, moves)], {
    ...params,
    body: smaller,
    carry: kept,
  });
  let next = 0;
  const last = fixed.map((f, i) => (f ? init![i]! : outs[next++]!));
  return [...last, ...outs.slice(kept)];
}
