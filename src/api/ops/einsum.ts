/** einsum: Einstein's summation convention, in a good order of contractions. */
import { showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { asBool, asNumber, isBool } from "./atoms.js";
import { contractPair, type Labelled, ordered, sumOut } from "./contract.js";
import { diagonalAtom } from "./matrix.js";
import { promote } from "./promote.js";

interface Term {
  readonly before: readonly string[];
  readonly ellipsis: boolean;
  readonly after: readonly string[];
}

function parseTerm(spec: string, text: string): Term {
  const parts = text.split("...");
  if (parts.length > 2 || !/^[A-Za-z]*$/.test(parts.join(""))) {
    throw new ShapeError(
      `einsum("${spec}"): "${text}" must be letters, with at most one ellipsis "..."`,
    );
  }
  return { before: [...parts[0]!], ellipsis: parts.length === 2, after: [...(parts[1] ?? "")] };
}

/** The labels of each axis of an operand; an ellipsis's axes are numbered from its right end. */
function labelsOf(spec: string, term: Term, a: Atom): string[] {
  const named = term.before.length + term.after.length;
  const rest = a.aval.shape.length - named;
  if (rest < 0 || (rest > 0 && !term.ellipsis)) {
    throw new ShapeError(
      `einsum("${spec}"): "${[...term.before, ...(term.ellipsis ? ["..."] : []), ...term.after].join("")}" ` +
        `names ${named} axes but the operand is ${showAval(a.aval)}`,
    );
  }
  const dots = Array.from({ length: rest }, (_, i) => String(rest - 1 - i));
  return [...term.before, ...dots, ...term.after];
}

/** A label twice in one operand means its diagonal. */
function takeDiagonals(x: Labelled): Labelled {
  const second = x.labels.findIndex((l, d) => x.labels.indexOf(l) !== d);
  if (second < 0) return x;
  const first = x.labels.indexOf(x.labels[second]!);
  const rest = x.labels.map((_, d) => d).filter((d) => d !== first && d !== second);
  const atom = diagonalAtom(prims.transpose(x.atom, [...rest, first, second]), 0);
  return takeDiagonals({
    atom,
    labels: [...rest.map((d) => x.labels[d]!), x.labels[first]!],
  });
}

/** Size of every label; an operand may have size 1 where others are larger. */
function sizesOf(spec: string, operands: readonly Labelled[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { atom, labels } of operands) {
    labels.forEach((l, d) => {
      const n = atom.aval.shape[d]!;
      const have = sizes.get(l) ?? 1;
      if (have !== 1 && n !== 1 && have !== n) {
        const name = /\d/.test(l) ? "..." : l;
        throw new ShapeError(
          `einsum("${spec}"): "${name}" has sizes ${have} and ${n} in operands ` +
            `${operands.map((o) => showAval(o.atom.aval)).join(", ")}; axes of one letter must be ` +
            "equally long",
        );
      }
      sizes.set(l, n === 1 ? have : n);
    });
  }
  return sizes;
}

/** Axes of size 1 that others broadcast disappear from the operand. */
function dropBroadcast(x: Labelled, sizes: ReadonlyMap<string, number>): Labelled {
  const keep = x.labels.map((l, d) => x.atom.aval.shape[d] === sizes.get(l));
  if (keep.every((k) => k)) return x;
  return {
    atom: prims.reshape(
      x.atom,
      x.atom.aval.shape.filter((_, d) => keep[d]),
    ),
    labels: x.labels.filter((_, d) => keep[d]),
  };
}

function outputLabels(
  spec: string,
  text: string | undefined,
  operands: readonly Labelled[],
): string[] {
  const all = operands.flatMap((o) => o.labels);
  const dots = [...new Set(all.filter((l) => /\d/.test(l)))].sort((a, b) => Number(b) - Number(a));
  if (text === undefined) {
    const once = all.filter((l) => !/\d/.test(l) && all.indexOf(l) === all.lastIndexOf(l));
    return [...dots, ...once.sort()];
  }
  const term = parseTerm(spec, text);
  const out = [...term.before, ...(term.ellipsis ? dots : []), ...term.after];
  const bad = out.find((l, i) => !all.includes(l) || out.indexOf(l) !== i);
  if (bad !== undefined) {
    throw new ShapeError(
      `einsum("${spec}"): the output names "${bad}" ` +
        (all.includes(bad) ? "twice" : "but no operand has it"),
    );
  }
  return out;
}

/** Contract the cheapest pair again and again; cost is the number of multiplications. */
function contractAll(
  operands: readonly Labelled[],
  out: readonly string[],
  sizes: ReadonlyMap<string, number>,
): Labelled {
  let list = [...operands];
  const volume = (labels: Iterable<string>): number => {
    let n = 1;
    for (const l of labels) n *= sizes.get(l)!;
    return n;
  };
  while (list.length > 1) {
    let best = { cost: Number.POSITIVE_INFINITY, size: Number.POSITIVE_INFINITY, i: 0, j: 1 };
    const keptBy = (i: number, j: number): string[] => {
      const others = list.filter((_, k) => k !== i && k !== j).flatMap((o) => o.labels);
      return [...new Set([...list[i]!.labels, ...list[j]!.labels])].filter(
        (l) => out.includes(l) || others.includes(l),
      );
    };
    for (let i = 0; i < list.length; i++) {
      for (let j = i + 1; j < list.length; j++) {
        const cost = volume(new Set([...list[i]!.labels, ...list[j]!.labels]));
        const size = volume(keptBy(i, j));
        if (cost < best.cost || (cost === best.cost && size < best.size)) {
          best = { cost, size, i, j };
        }
      }
    }
    const { i, j } = best;
    const joined = contractPair(list[i]!, list[j]!, keptBy(i, j));
    list = [...list.filter((_, k) => k !== i && k !== j), joined];
  }
  return sumOut(list[0]!, (l) => out.includes(l));
}

/**
 * Sums of products named by index letters (numpy.einsum): `"ij,jk->ik"` is the matrix product. Without
 * an arrow the output has the letters that occur once, sorted. A letter twice in one operand is its
 * diagonal; `...` stands for any further axes, which broadcast. Several operands are contracted pair
 * by pair, cheapest first.
 *
 * @throws ShapeError for a malformed text, wrong ranks or sizes that do not fit.
 *
 * ```ts
 * await einsum("ij,jk->ik", array([[1, 2], [3, 4]]), array([[1], [1]])).toArray(); // [[3], [7]]
 * await einsum("ii", array([[1, 2], [3, 4]])).item(); // 5
 * ```
 */
export const einsum = (spec: string, ...xs: readonly TensorLike[]): Tensor =>
  operation("einsum", (trace) => {
    const text = spec.replace(/\s+/g, "");
    const [left, right, more] = text.split("->");
    const terms = left!.split(",");
    if (more !== undefined || terms.length !== xs.length || xs.length === 0) {
      throw new ShapeError(
        `einsum("${spec}"): names ${terms.length} operand(s) but ${xs.length} were given; the form is ` +
          '"ij,jk->ik"',
      );
    }
    const { atoms, dtype } = promote(xs, trace);
    const named = atoms.map((a, i) => ({
      atom: isBool(a) ? asNumber(a) : a,
      labels: labelsOf(spec, parseTerm(spec, terms[i]!), a),
    }));
    for (const { atom, labels } of named) requireSquare(spec, atom, labels);
    const operands = named.map(takeDiagonals);
    const sizes = sizesOf(spec, operands);
    const out = outputLabels(spec, right, named);
    const slim = operands.map((x) => dropBroadcast(x, sizes));
    const result = ordered(contractAll(slim, out, sizes), out);
    return tracerOf(trace, dtype === "bool" ? asBool(result) : result);
  });

function requireSquare(spec: string, a: Atom, labels: readonly string[]): void {
  labels.forEach((l, d) => {
    const first = labels.indexOf(l);
    if (a.aval.shape[first] !== a.aval.shape[d]) {
      throw new ShapeError(
        `einsum("${spec}"): "${l}" names axes of different sizes in ${showAval(a.aval)}`,
      );
    }
  });
}
