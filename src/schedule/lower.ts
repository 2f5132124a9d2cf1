/**
 * From a traced graph to one that kernels can be made of: opaque primitives are expanded, constants
 * become scalar inputs, contractions too small or too thin for a template become products and sums,
 * long reductions become two stages, and equations that nothing needs are dropped.
 */
import { sizeOf } from "../core/aval.js";
import { bind, lit } from "../ir/builder.js";
import { type Atom, type Eqn, Graph, type Lit, Var } from "../ir/graph.js";
import {
  type Idx,
  idxConst,
  idxFlatten,
  idxUnflatten,
  idxVar,
  largestIndex,
  type ViewExpr,
} from "../ir/index-expr.js";
import type { Primitive } from "../ir/primitive.js";
import { broadcastInDim, mul, pad, reduceSum, reshape, transpose } from "../prims/index.js";
import { type ContractParams, contractionDims, fitsTemplate, matrixSizes } from "./contraction.js";
import { Defs } from "./defs.js";
import { isInnermost, pointOf } from "./kernel.js";
import { expandOpaque, liveOnly, type Rule, rewrite } from "./rewrite.js";
import { sameElements } from "./same-elements.js";
import { splitProduct } from "./split-product.js";
import { type Target, wantedResults, workgroupSize } from "./target.js";
import { viewOf } from "./walk.js";

/** A contraction as a product over all axes and a sum over the contracted ones. */
function productAndSum(inputs: readonly Atom[], params: ContractParams): Atom {
  const [a, b] = inputs as [Atom, Atom];
  const { batch, free, contracted } = contractionDims(a.aval.shape, b.aval.shape, params);
  const shape = [...batch, ...free[0], ...free[1], ...contracted];
  const place = (side: 0 | 1, rank: number): number[] => {
    const dims = new Array<number>(rank);
    params.batch[side].forEach((axis, i) => {
      dims[axis] = i;
    });
    params.contract[side].forEach((axis, i) => {
      dims[axis] = shape.length - contracted.length + i;
    });
    let at = batch.length + (side === 1 ? free[0].length : 0);
    for (let axis = 0; axis < rank; axis++) if (dims[axis] === undefined) dims[axis] = at++;
    return dims;
  };
  const spread = (x: Atom, side: 0 | 1): Atom => {
    // broadcastInDim takes increasing dims: order the operand's axes first.
    const dims = place(side, x.aval.shape.length);
    const perm = dims.map((_, i) => i).sort((i, j) => dims[i]! - dims[j]!);
    return broadcastInDim(
      transpose(x, perm),
      shape,
      perm.map((p) => dims[p]!),
    );
  };
  const products = mul(spread(a, 0), spread(b, 1));
  if (contracted.length === 0) return products;
  return reduceSum(
    products,
    contracted.map((_, i) => shape.length - contracted.length + i),
  );
}

/** Operands of a view that a kernel can bind beside other things. */
const widest = (target: Target): number => Math.max(2, target.maxStorageBuffers - 4);

/**
 * A view of more operands than a kernel can bind, in stages: each lays its share of the operands over
 * what the stages before have made.
 */
const wideViews =
  (target: Target): Rule =>
  (eqn, inputs) => {
    const share = widest(target);
    const { kind, ordersBy } = eqn.prim;
    if (kind !== "view" || ordersBy || inputs.length <= share) return undefined;
    const avals = inputs.map((x) => x.aval);
    const output = eqn.outputs[0]!.aval;
    const expression = (index: readonly Idx[]): ViewExpr =>
      eqn.prim.view!({ index, inputs: avals, output, params: eqn.params });
    // An index array belongs to every stage: such views have few operands anyway.
    if (usesLoads(expression(output.shape.map((n, axis) => idxVar(`x${axis}`, n))))) {
      return undefined;
    }
    let made: Atom | undefined;
    for (let from = 0; from < inputs.length; from += share) {
      const to = Math.min(inputs.length, from + share);
      const mine = inputs.slice(from, to);
      const before = made;
      const view = (index: readonly Idx[]): ViewExpr => {
        const pick = (e: ViewExpr): ViewExpr => {
          if (e.kind === "within") return { ...e, ...branches(pick(e.then), pick(e.else)) };
          if (e.kind === "index") return e;
          if (e.operand >= from && e.operand < to) return { ...e, operand: e.operand - from };
          // Not ours: what was there before (at first anything: a later stage covers it).
          return before === undefined
            ? { kind: "element", operand: 0, index: avals[from]!.shape.map(() => idxConst(0)) }
            : { kind: "element", operand: mine.length, index };
        };
        return pick(expression(index));
      };
      const stage: Primitive = { ...eqn.prim, aval: () => [output], view: (a) => view(a.index) };
      delete (stage as { simplify?: unknown }).simplify;
      const operands = before === undefined ? mine : [...mine, before];
      made = bind(stage, operands, { stage: from, of: eqn.params })[0]!;
    }
    return [made!];
  };

const usesLoads = (e: ViewExpr): boolean => {
  if (e.kind === "within") {
    return e.value.loads || usesLoads(e.then) || usesLoads(e.else);
  }
  return (e.kind === "index" ? [e.value] : e.index).some((i) => i.loads);
};

// biome-ignore lint/suspicious/noThenProperty: the branches of a condition, not a promise
const branches = (yes: ViewExpr, no: ViewExpr) => ({ then: yes, else: no });

const contractions =
  (target: Target): Rule =>
  (eqn, inputs) => {
    if (eqn.prim.kind !== "contract") return undefined;
    const params = eqn.params as ContractParams;
    const [a, b] = inputs as [Atom, Atom];
    if (!fitsTemplate(a.aval, b.aval, params, target)) return [productAndSum(inputs, params)];
    const split = splitProduct(eqn.prim, a, b, params, target);
    return split && [split];
  };

/** Which axis of `x` each axis of a view of it is, where the view is a mere order of axes. */
function orderOf(defs: Defs, eqn: Eqn): readonly number[] | undefined {
  const { shape } = eqn.outputs[0]!.aval;
  const at = shape.map((n, axis) => idxVar(`x${axis}`, n));
  const e = viewOf(defs, eqn, at);
  if (e.kind !== "element" || e.index.length !== shape.length) return undefined;
  const order = at.map((i) => e.index.findIndex((j) => j.key === i.key));
  return order.includes(-1) || new Set(order).size < order.length ? undefined : order;
}

/**
 * A product whose only use is its own transpose, or an order of axes that ends with its rows, is computed
 * the other way round, so that what follows (the update of a weight by its gradient, or by those of several
 * lanes) finds the elements in its own order.
 */
function transposedProducts(graph: Graph): Graph {
  const uses = new Map<Atom, number>();
  for (const x of [...graph.eqns.flatMap((eqn) => eqn.inputs), ...graph.outputs]) {
    uses.set(x, (uses.get(x) ?? 0) + 1);
  }
  const defs = new Defs(graph, graph.inputs.length);
  // Equations of the new graph are found by those of the old one.
  const operands = new Map<Eqn, readonly Atom[]>();
  return rewrite(graph, (eqn, inputs) => {
    if (eqn.prim.kind === "contract") operands.set(eqn, inputs);
    const [x] = eqn.inputs;
    if (eqn.prim.kind !== "view" || !(x instanceof Var) || uses.get(x) !== 1) return undefined;
    const product = defs.of(x)?.eqn;
    if (product?.prim.kind !== "contract") return undefined;
    const params = product.params as ContractParams;
    const [a, b] = operands.get(product) as [Atom, Atom];
    const dims = contractionDims(a.aval.shape, b.aval.shape, params);
    const { batch, m, n } = matrixSizes(dims);
    const out = eqn.outputs[0]!.aval;
    if (Math.min(m, n) <= 1 || sizeOf(out.shape) !== batch * m * n) return undefined;
    const point = pointOf(sizeOf(out.shape));
    const e = viewOf(defs, eqn, idxUnflatten(point, out.shape));
    if (e.kind !== "element") return undefined;
    const [l, j, i] = idxUnflatten(point, [batch, n, m]) as [Idx, Idx, Idx];
    const swapped: ContractParams = {
      contract: [params.contract[1], params.contract[0]],
      batch: [params.batch[1], params.batch[0]],
    };
    if (idxFlatten(e.index, x.aval.shape).key === idxFlatten([l, i, j], [batch, m, n]).key) {
      return [reshape(bind(product.prim, [b, a], swapped)[0]!, out.shape)];
    }
    const order = orderOf(defs, eqn);
    const lanes = dims.batch.length;
    const [rows, columns] = [dims.free[0].length, dims.free[1].length];
    const last = order?.at(-1);
    if (!order || last === undefined || last < lanes || last >= lanes + rows) return undefined;
    if (out.shape.at(-1) === 1) return undefined;
    const now = (axis: number): number =>
      axis < lanes ? axis : axis < lanes + rows ? axis + columns : axis - rows;
    return [transpose(bind(product.prim, [b, a], swapped)[0]!, order.map(now))];
  });
}

/** Most terms that one thread adds up: more would cost accuracy and leave other threads idle. */
const longest = 4096;
/** Fewer terms than this are not worth a second stage. */
const shortest = 256;

/**
 * How to split `n` terms into chunks; null leaves them to one thread per output, or to one team where they
 * are neighbours in memory and the adapter is hardware, which has teams (`Lanes` in wgsl/loop.ts).
 */
export function chunkOf(n: number, outputs: number, along: boolean, target: Target): number | null {
  const threads = along && !target.software ? workgroupSize : 1;
  const results = wantedResults(target) / threads;
  const most = longest * threads;
  if (n <= Math.max(shortest, 64 * threads) || (n <= most && outputs * 4 >= results)) return null;
  const parts = Math.max(1, Math.ceil(results / Math.max(1, outputs)));
  return nearDivisor(n, Math.min(most, Math.max(64 * threads, Math.ceil(n / parts))));
}

/** A multiple of four near `wanted`: one that divides `n` if it can be, which needs no guard at the end. */
function nearDivisor(n: number, wanted: number): number {
  const most = wanted - (wanted % 4);
  for (let c = most; c >= Math.max(64, most / 4); c -= 4) if (n % c === 0) return c;
  return most;
}

/** Bytes of a row (a page), and of all rows (a cache), from which reading down columns costs CPU drivers a miss a row. */
const longRow = 2 ** 12;
const manyRows = 2 ** 21;

/**
 * Rows that one thread adds up where `n` of them, each `row` numbers long, lie in memory above each other; null
 * leaves them all to one. CPU drivers run a subgroup to its end before the next: down a large matrix each would
 * read a strip two cache lines wide, and the next one has to fetch every page again. Strips of a few rows
 * follow each other along memory instead, about twice as fast on 4096x4096.
 */
function rowsOf(n: number, row: number, target: Target): number | null {
  if (!target.software || row * 4 < longRow || n * row * 4 <= manyRows) return null;
  for (let c = 16; c <= 32; c += 1) if (n % c === 0) return c;
  for (let c = 15; c >= 8; c -= 1) if (n % c === 0) return c;
  return null;
}

const splitReductions =
  (target: Target): Rule =>
  (eqn, inputs) => {
    const { prim } = eqn;
    if (prim.kind !== "reduce" || inputs.length !== 1) return undefined;
    const x = inputs[0]!;
    const { shape, dtype } = x.aval;
    const params = eqn.params as { readonly axes: readonly number[] };
    const axes = [...params.axes].sort((i, j) => i - j);
    const n = sizeOf(axes.map((axis) => shape[axis]!));
    const out = eqn.outputs[0]!.aval;
    if (n === 0) {
      return [broadcastInDim(lit(prim.reduce!.identity(dtype), dtype), out.shape, [])];
    }
    // The reduced axes as one, in place where they are neighbours.
    const adjacent = axes.every((axis, i) => axis === axes[0]! + i);
    const row = adjacent ? sizeOf(shape.slice(axes[0]! + axes.length)) : 1;
    const chunk =
      chunkOf(n, sizeOf(out.shape), isInnermost(axes, shape), target) ?? rowsOf(n, row, target);
    if (chunk === null || sizeOf(out.shape) === 0) return undefined;
    if (sizeOf(shape) > largestIndex) {
      // More elements than an index can count (nothing stores them): axis by axis, the longest first.
      if (axes.length === 1) return undefined;
      const long = axes.reduce((a, b) => (shape[b]! > shape[a]! ? b : a));
      const y = bind(prim, [x], { ...params, axes: [long] })[0]!;
      const rest = axes.filter((axis) => axis !== long).map((axis) => axis - Number(axis > long));
      const last = { ...params, axes: rest };
      const second: Eqn = { prim, inputs: [y], params: last, outputs: [new Var(out)] };
      return splitReductions(target)(second, [y]) ?? bind(prim, [y], last);
    }
    const kept = shape.map((_, i) => i).filter((i) => !axes.includes(i));
    const at = adjacent ? axes[0]! : kept.length;
    const before = adjacent ? shape.slice(0, at) : kept.map((i) => shape[i]!);
    const after = adjacent ? shape.slice(at + axes.length) : [];
    let y = adjacent ? x : transpose(x, [...kept, ...axes]);
    y = reshape(y, [...before, n, ...after]);
    const parts = Math.ceil(n / chunk);
    if (parts * chunk !== n) {
      const none = [...before, 0, ...after].map(() => 0);
      const hi = [...none];
      hi[at] = parts * chunk - n;
      y = pad(y, lit(prim.reduce!.identity(dtype), dtype), none, hi);
    }
    y = reshape(y, [...before, parts, chunk, ...after]);
    y = bind(prim, [y], { ...params, axes: [at + 1] })[0]!;
    const last = { ...params, axes: [at] };
    const second: Eqn = { prim, inputs: [y], params: last, outputs: [new Var(out)] };
    return splitReductions(target)(second, [y]) ?? bind(prim, [y], last);
  };

/** A graph without opaque equations; each use of one of `lits` is an input, after the graph's own. */
export function expand(graph: Graph, lits: readonly Lit[]): Graph {
  return liveOnly(expandOpaque(graph, lits));
}

/** Everything that precedes fusion. `lits` are the graph's constants in the order of graphLits. */
export function lower(graph: Graph, lits: readonly Lit[], target: Target): Defs {
  let g = expand(graph, lits);
  if (g.eqns.some((eqn) => eqn.inputs.length > widest(target))) g = rewrite(g, wideViews(target));
  g = transposedProducts(g);
  g = rewrite(liveOnly(g), contractions(target));
  g = rewrite(g, splitReductions(target));
  const whole = new Defs(g, graph.inputs.length);
  const outputs = g.outputs.map((x) => sameElements(whole, x));
  return new Defs(liveOnly(new Graph(g.inputs, g.eqns, outputs)), graph.inputs.length);
}
