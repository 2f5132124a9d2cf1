/** A scan with several steps written out in each round. */
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import type { Atom } from "../ir/graph.js";
import { concatenate, reshape, slice } from "../prims/index.js";
import { parts } from "./common.js";
import { scan } from "./scan.js";
import type { ScanParams } from "./scan-params.js";

/** Rows `from` to `to` of a stack. */
const rows = (x: Atom, from: number, to: number): Atom => {
  const { shape } = x.aval;
  if (from === 0 && to === shape[0]) return x;
  const zeros = shape.map(() => 0);
  return slice(x, [from, ...zeros.slice(1)], [to, ...shape.slice(1)]);
};

const row = (x: Atom, i: number): Atom => reshape(rows(x, i, i + 1), x.aval.shape.slice(1));

/** As `scan`, with `unroll` steps a round; the steps that are left over come last. */
export function unrolledScan(
  inputs: readonly Atom[],
  params: ScanParams,
  unroll: number,
): readonly Atom[] {
  const { body, carry, xs, length, reverse } = params;
  const steps = Math.min(unroll, length);
  if (steps <= 1) return scan(inputs, params);
  const [init, stacks, consts] = parts(inputs, carry, xs) as [Atom[], Atom[], Atom[]];
  const rounds = Math.floor(length / steps);
  const left = length - rounds * steps;
  const from = reverse ? left : 0;
  const order = (n: number) => Array.from({ length: n }, (_, j) => (reverse ? n - 1 - j : j));
  const avals = parts(body.inputAvals, carry, xs) as ReturnType<typeof parts<Atom["aval"]>>;
  /** Some steps one after the other: the carry, and the stacked outputs of each position. */
  const several = (
    state: readonly Atom[],
    n: number,
    at: (x: number, j: number) => Atom,
    k: readonly Atom[],
  ) => {
    let carries = state;
    const ys: Atom[][] = body.outputs.slice(carry).map(() => new Array<Atom>(n));
    for (const j of order(n)) {
      const outs = inlineGraph(body, [...carries, ...stacks.map((_, x) => at(x, j)), ...k]);
      carries = outs.slice(0, carry);
      outs.slice(carry).forEach((y, i) => {
        ys[i]![j] = reshape(y, [1, ...y.aval.shape]);
      });
    }
    return { carries, ys: ys.map((list) => (n === 0 ? undefined : concatenate(list, 0))) };
  };
  const round = buildGraph(
    [
      ...avals[0]!,
      ...avals[1]!.map((a) => ({ shape: [steps, ...a.shape], dtype: a.dtype })),
      ...avals[2]!,
    ],
    (ins) => {
      const [c, x, k] = parts(ins, carry, xs) as [Atom[], Atom[], Atom[]];
      const { carries, ys } = several(c, steps, (i, j) => row(x[i]!, j), k);
      return [...carries, ...(ys as Atom[])];
    },
  );
  const split = stacks.map((x) => {
    const part = rows(x, from, from + rounds * steps);
    return reshape(part, [rounds, steps, ...x.aval.shape.slice(1)]);
  });
  const outs = scan([...init, ...split, ...consts], { ...params, body: round, length: rounds });
  const [last, made] = parts(outs, carry) as [Atom[], Atom[]];
  const main = made.map((y) => reshape(y, [rounds * steps, ...y.aval.shape.slice(2)]));
  if (left === 0) return [...last, ...main];
  const tail = several(
    last,
    left,
    (i, j) => row(stacks[i]!, reverse ? j : from + rounds * steps + j),
    consts,
  );
  const ys = main.map((y, i) => concatenate(reverse ? [tail.ys[i]!, y] : [y, tail.ys[i]!], 0));
  return [...tail.carries, ...ys];
}
