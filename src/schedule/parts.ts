/**
 * Kernels that touch buffers larger than one binding. Their points are computed in parts, a dispatch
 * each, such that each part sees a window of those buffers; what a part reads all over a buffer (a
 * transpose, an index array) it sees through several bindings side by side.
 */
import { type Shape, sizeOf } from "../core/aval.js";
import type { Var } from "../ir/graph.js";
import { type Idx, idxAdd, idxFlatten, idxScale, idxUnflatten, idxVar } from "../ir/index-expr.js";
import { Analyser, type ContractPoint, type Storage } from "./analyse.js";
import type { Defs } from "./defs.js";
import { varsOf } from "./dependence.js";
import type { Group } from "./group.js";
import {
  type ContractKernel,
  type Kernel,
  loopVar,
  operandAt,
  pointOf,
  reduction,
  sizesOf,
} from "./kernel.js";
import type { Window } from "./place.js";
import type { Target } from "./target.js";

/** Some of the points of a kernel. */
export type Piece =
  | { readonly kind: "loop"; readonly first: number; readonly size: number }
  | {
      readonly kind: "contract";
      readonly first: { readonly batch: number; readonly m: number };
      readonly batch: number;
      readonly m: number;
    };

/** What one of a kernel's dispatches computes, and what it sees of each large buffer. */
export interface Part {
  readonly piece: Piece;
  readonly windows: ReadonlyMap<string, Window>;
}

/** Where a variable lies, and how much there is of the buffer. */
export interface Spot {
  readonly buffer: string;
  /** In bytes. */
  readonly offset: number;
  readonly base?: Idx | undefined;
  readonly bufferBytes: number;
}

export interface PartsContext {
  readonly defs: Defs;
  readonly storage: Storage;
  readonly target: Target;
  /** Is the variable written to memory? */
  isStored(v: Var): boolean;
  spot(v: Var): Spot;
}

/** Dispatches of one kernel, at most: there may be more than enough memory for more, but no patience. */
const mostParts = 1024;

const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;
const roundDown = (n: number, to: number): number => Math.floor(n / to) * to;

/** The positions of variables that a piece of a kernel reads and writes, the least and the largest. */
type Ranges = Map<Var, readonly [lo: number, hi: number]>;

function rangesOf(g: Group, piece: Piece, { defs, storage, isStored, spot }: PartsContext): Ranges {
  const ranges: Ranges = new Map();
  const own = new Set(varsOf(g));
  const touch = (v: Var, flat: Idx): void => {
    if (own.has(v) && !isStored(v)) return;
    // What lies beyond an array's ends is never used.
    const last = sizeOf(v.aval.shape) - 1;
    const { base } = spot(v);
    const lo = Math.min(last, Math.max(0, flat.lo)) + (base?.lo ?? 0);
    const hi = Math.max(0, Math.min(last, flat.hi)) + (base?.hi ?? 0);
    const have = ranges.get(v);
    ranges.set(v, have ? [Math.min(have[0], lo), Math.max(have[1], hi)] : [lo, hi]);
  };
  const analyser = new Analyser(defs, storage, touch);
  const [point, at] = pointOfPiece(g, piece, defs);
  for (const v of g.vars) {
    analyser.visit(v, idxUnflatten(point, v.aval.shape), 1, at);
    touch(v, point);
  }
  if (g.inner) {
    const { over, vars } = g.inner;
    const out = idxUnflatten(point, over.outputs[0]!.aval.shape);
    const { extent } = reduction(over);
    const flat = idxFlatten(operandAt(over, out, loopVar(extent)), over.inputs[0]!.aval.shape);
    for (const v of vars) {
      analyser.visit(v, idxUnflatten(flat, v.aval.shape), extent);
      touch(v, flat);
    }
  }
  return ranges;
}

function pointOfPiece(g: Group, piece: Piece, defs: Defs): [Idx, ContractPoint | undefined] {
  if (piece.kind === "loop") return [idxAdd(pointOf(piece.size), piece.first), undefined];
  const { m, n } = sizesOf(contractionOf(g, defs));
  const lane = idxAdd(idxVar("batch", piece.batch), piece.first.batch);
  const row = idxAdd(idxVar("m", piece.m), piece.first.m);
  const column = idxVar("n", n);
  const point = idxAdd(idxAdd(idxScale(lane, m * n), idxScale(row, n)), column);
  return [point, { lane, row, column }];
}

const contractionOf = (g: Group, defs: Defs) =>
  g.vars.map((v) => defs.of(v)!.eqn).find((eqn) => eqn.prim.kind === "contract")!;

/** What a piece sees of the buffers, and how many bindings that takes. */
function windowsOf(
  ranges: Ranges,
  c: PartsContext,
): { windows: Map<string, Window>; bound: number } {
  const { maxBindingBytes, bindingAlignment } = c.target;
  const seen = new Map<string, { lo: number; hi: number; vars: number; bufferBytes: number }>();
  for (const [v, [lo, hi]] of ranges) {
    const { buffer, offset, bufferBytes } = c.spot(v);
    const [from, to] = [offset + 4 * lo, offset + 4 * (hi + 1)];
    const have = seen.get(buffer);
    if (!have) seen.set(buffer, { lo: from, hi: to, vars: 1, bufferBytes });
    else {
      have.lo = Math.min(have.lo, from);
      have.hi = Math.max(have.hi, to);
      have.vars += 1;
    }
  }
  const windows = new Map<string, Window>();
  let bound = 0;
  for (const [buffer, { lo, hi, vars, bufferBytes }] of seen) {
    bound += 1;
    const fits = bufferBytes <= maxBindingBytes;
    // Where a small buffer too is seen from the first element on, the parts have one text.
    if (fits && (vars > 1 || lo === 0 || lo % bindingAlignment !== 0)) continue;
    const start = roundDown(lo, bindingAlignment);
    const most = roundDown(maxBindingBytes, bindingAlignment);
    const bytes: number[] = [];
    for (let at = start; at < hi; at += most) {
      bytes.push(Math.min(most, roundUp(Math.min(hi, at + most) - at, 16)));
    }
    windows.set(buffer, { start, bytes });
    bound += bytes.length - 1;
  }
  return { windows, bound };
}

/** Points of a part, at most `most`: whole slices of outer axes if it can be, and whole bindings' starts. */
function stepOf(most: number, shape: Shape, { bindingAlignment }: Target): number {
  const grain = [bindingAlignment / 4, 4].find((n) => n <= most) ?? 1;
  for (let axis = 1; axis < shape.length; axis++) {
    const unit = leastCommon(sizeOf(shape.slice(axis)), grain);
    if (unit <= most && roundDown(most, unit) * 2 > most) return roundDown(most, unit);
  }
  return roundDown(most, grain);
}

const greatestCommon = (a: number, b: number): number => (b === 0 ? a : greatestCommon(b, a % b));
const leastCommon = (a: number, b: number): number => (a / greatestCommon(a, b)) * b;

function loopPieces(g: Group, count: number, target: Target): Piece[] {
  const step = stepOf(Math.ceil(g.size / count), g.vars[0]!.aval.shape, target);
  const out: Piece[] = [];
  for (let first = 0; first < g.size; first += step) {
    out.push({ kind: "loop", first, size: Math.min(step, g.size - first) });
  }
  return out;
}

/** Some lanes of a contraction, or, where a lane is too much, some of its rows. */
function contractPieces(g: Group, count: number, { defs, target }: PartsContext): Piece[] {
  const { batch, m, n } = sizesOf(contractionOf(g, defs));
  const grain = target.bindingAlignment / 4;
  const step = (of: number, parts: number, elements: number): number => {
    const most = Math.max(1, Math.floor(of / parts));
    const unit = grain / greatestCommon(grain, elements);
    return roundDown(most, unit) * 2 > most ? roundDown(most, unit) : most;
  };
  const lanes = step(batch, count, m * n);
  const perLane = count <= batch ? 1 : Math.ceil(count / batch);
  // Templates read four rows at once.
  const rows = perLane === 1 ? m : Math.min(m, roundUp(step(m, perLane, n), 4));
  const out: Piece[] = [];
  for (let b = 0; b < batch; b += lanes) {
    for (let from = 0; from < m; from += rows) {
      out.push({
        kind: "contract",
        first: { batch: b, m: from },
        batch: Math.min(lanes, batch - b),
        m: Math.min(rows, m - from),
      });
    }
  }
  return out;
}

/**
 * The parts of a kernel that an adapter can bind: as few as let each part see each buffer through one
 * binding; where none do, as few as have bindings enough. Undefined where it takes too many however small
 * the parts are.
 */
export function partsOf(g: Group, c: PartsContext): readonly Part[] | undefined {
  const { target } = c;
  let some: readonly Part[] | undefined;
  let tried = 0;
  const least = leastParts(touchedBy(g, c.isStored), c);
  const most = Math.min(mostParts, g.size);
  for (const times of [1 / least, 1, 1 + 1 / least, 2, 3, 4, 8, 16]) {
    const count = Math.min(most, Math.round(times * least));
    if (count <= tried) continue;
    tried = count;
    const pieces = g.kind === "loop" ? loopPieces(g, count, target) : contractPieces(g, count, c);
    const parts: Part[] = [];
    let single = true;
    for (const piece of pieces) {
      const { windows, bound } = windowsOf(rangesOf(g, piece, c), c);
      if (bound > target.maxStorageBuffers) break;
      single &&= [...windows.values()].every((w) => w.bytes.length === 1);
      if (!single && some) break;
      parts.push({ piece, windows });
    }
    if (parts.length < pieces.length) continue;
    if (single) return parts;
    some ??= parts;
  }
  return some;
}

/** Bindings that the largest buffer takes. */
function leastParts(touched: readonly Var[], { target, spot }: PartsContext): number {
  const bytes = touched.map((v) => spot(v).bufferBytes);
  return Math.max(1, Math.ceil(Math.max(...bytes) / target.maxBindingBytes));
}

/** What a group reads and writes in memory. */
export function touchedBy(g: Group, isStored: (v: Var) => boolean): Var[] {
  const own = new Set(varsOf(g));
  const read = [...g.reads].flatMap(([v, at]) => (at.size === 0 || own.has(v) ? [] : [v]));
  return [...read, ...[...own].filter(isStored)];
}

/** The kernel of a piece. */
export function kernelOf(k: Kernel, piece: Piece): Kernel {
  if (k.kind === "loop") {
    if (piece.kind !== "loop" || piece.size === k.size) return k;
    return { ...k, size: piece.size, first: piece.first };
  }
  const { sizes } = k;
  if (piece.kind !== "contract" || (piece.batch === sizes.batch && piece.m === sizes.m)) return k;
  const { batch, m, first } = piece;
  const part: ContractKernel = { ...k, first, size: batch * m * sizes.n };
  return { ...part, sizes: { ...sizes, batch, m } };
}
