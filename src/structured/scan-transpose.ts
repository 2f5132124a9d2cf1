/**
 * A linear scan transposed: a scan in the other direction, over cotangents of the carry and of what
 * every step read of the constants.
 */
import type { Aval } from "../core/aval.js";
import { bind, buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive, TransposeArgs } from "../ir/primitive.js";
import { add } from "../prims/index.js";
import { transposeGraph } from "../transform/index.js";
import { not, parts, pick, spread, zerosOf } from "./common.js";
import type { ScanParams } from "./scan-params.js";

export function transposeScan(
  prim: Primitive<ScanParams>,
  { cotangents, inputs, avals, params }: TransposeArgs<ScanParams>,
): readonly (Atom | null)[] {
  const { body, carry, xs, reverse } = params;
  // Every carry is linear here: those that are not have become part of a known scan.
  const linear = inputs.map((x, i) => i < carry || x === null);
  const [, xsLinear, constsLinear] = parts(linear, carry, xs) as [boolean[], boolean[], boolean[]];
  const given = body.outputs.map((_, i) => i < carry || cotangents[i] !== null);
  const { graph } = transposeGraph(body, linear, given);
  const bodyAvals = parts(body.inputAvals, carry, xs) as [Aval[], Aval[], Aval[]];
  const linearConsts = pick(bodyAvals[2], constsLinear);
  const ctYs = body.outputs.flatMap((y, i) => (i >= carry && given[i] ? [y.aval] : []));
  const fixedXs = pick(bodyAvals[1], not(xsLinear));
  const fixedConsts = pick(bodyAvals[2], not(constsLinear));
  const linearXs = pick(bodyAvals[1], xsLinear);

  const backward = buildGraph(
    [...linearConsts, ...bodyAvals[0], ...ctYs, ...fixedXs, ...fixedConsts],
    (ins) => {
      const [sums, ctCarry, ctY, fx, fk] = parts(
        ins,
        linearConsts.length,
        carry,
        ctYs.length,
        fixedXs.length,
      ) as [Atom[], Atom[], Atom[], Atom[], Atom[]];
      const outs = inlineGraph(graph, [...fx, ...fk, ...ctCarry, ...ctY]);
      const [dCarry, dXs, dConsts] = parts(outs, carry, linearXs.length) as [
        Atom[],
        Atom[],
        Atom[],
      ];
      return [...sums.map((s, i) => add(s, dConsts[i]!)), ...dCarry, ...dXs];
    },
  );
  const given_ = (list: readonly (Atom | null)[]) => list.filter((x): x is Atom => x !== null);
  const outs = bind(
    prim,
    [
      ...linearConsts.map(zerosOf),
      ...cotangents.slice(0, carry).map((c, i) => c ?? zerosOf(avals[i]!)),
      ...given_(cotangents.slice(carry)),
      ...given_(inputs.slice(carry)),
    ],
    {
      body: backward,
      carry: linearConsts.length + carry,
      xs: ctYs.length + fixedXs.length,
      length: params.length,
      reverse: !reverse,
    },
  );
  const [sums, first, dXs] = parts(outs, linearConsts.length, carry) as [Atom[], Atom[], Atom[]];
  return [...first, ...spread(dXs, xsLinear), ...spread(sums, constsLinear)];
}
