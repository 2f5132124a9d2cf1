/** checkFinite: which operation gave the first NaN or infinity, and on which line. */

import { showAval } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { DawngradError } from "../core/errors.js";
import { register } from "../core/tree.js";
import { bind, buildGraph, lit } from "../ir/builder.js";
import { evalGraph } from "../ir/eval.js";
import { type Atom, Lit } from "../ir/graph.js";
import { recordingOrigins } from "../ir/origin.js";
import { optimise } from "../optimise/index.js";
import * as prims from "../prims/index.js";
import { currentOrigin } from "../trace/source-line.js";
import type { Tensor } from "../trace/tensor.js";
import { applyGraph } from "../trace/trace.js";
import { type AnyFunction, leafName, requireFunction, traceCall } from "./arguments.js";
import { withName } from "./autodiff.js";

/** What `checkFinite` found: as JAX's checkify Error. A tree, so that jitted functions may return it. */
export class FiniteCheck {
  /** 2·(number of the place), plus 1 for an infinity; negative for nothing. */
  readonly code: Tensor;
  readonly #places: readonly string[];

  constructor(code: Tensor, places: readonly string[]) {
    this.code = code;
    this.#places = places;
  }

  get places(): readonly string[] {
    return this.#places;
  }

  /** What was found, or null where every value is finite. */
  async get(): Promise<string | null> {
    const code = await this.code.item();
    if (code < 0) return null;
    return `${code % 2 === 1 ? "infinity" : "NaN"}: first ${this.#places[Math.floor(code / 2)]}`;
  }

  /** Throws a DawngradError where something is not finite. */
  async throw(): Promise<void> {
    const found = await this.get();
    if (found !== null) throw new DawngradError(found);
  }
}

register(FiniteCheck, {
  flatten: (x) => ({ children: [x.code], aux: x.places }),
  unflatten: (aux, [code]) => new FiniteCheck(code as Tensor, aux as readonly string[]),
});

/** Whether any element is so: a bool scalar. */
const some = (x: Atom): Atom =>
  x.aval.shape.length === 0
    ? x
    : prims.reduceOr(
        x,
        x.aval.shape.map((_, d) => d),
      );

interface Facts {
  readonly nan: Atom;
  readonly infinite: Atom;
}

/**
 * The function with a check of every value on the way (jax's checkify with float_checks): returns
 * `[check, out]`, where `await check.throw()` or `await check.get()` tells the first operation whose
 * result has a NaN that its operands did not have, or an infinity although they were finite, with the
 * line of your program that called it. Operations of derivatives name the operation that they are the
 * derivative of. Arguments that are not finite themselves are named first.
 *
 * It works around and within every transform. Loops count as one operation.
 *
 * ```ts
 * const [check] = checkFinite((x: Tensor) => x.sub(2).log().sum())(array([1, 3]));
 * (await check.get())!.startsWith("NaN: first in log"); // true
 * ```
 */
export function checkFinite<A extends readonly unknown[], R>(
  f: (...args: A) => R,
): (...args: A) => [FiniteCheck, R] {
  requireFunction("checkFinite", f);
  return withName(`checkFinite(${f.name})`, ((...args: A): [FiniteCheck, R] => {
    const call = recordingOrigins(currentOrigin, () =>
      traceCall("checkFinite", f as unknown as AnyFunction, args),
    );
    const graph = optimise(call.graph);
    const places: string[] = [];
    const checked = buildGraph(graph.inputAvals, (inputs) => {
      const known = new Map<Atom, Facts>();
      const factsOf = (x: Atom): Facts => {
        const have = known.get(x);
        if (have) return have;
        const nan = prims.isNan(x);
        const facts = {
          nan: some(nan),
          infinite: some(prims.not(prims.or(prims.isFinite(x), nan))),
        };
        known.set(x, facts);
        return facts;
      };
      let code: Atom = lit(2 ** 30, "int32");
      const note = (place: string, bad: Facts): void => {
        const at = 2 * places.length;
        places.push(place);
        const pick = (is: Atom, n: number) =>
          prims.select(is, lit(n, "int32"), lit(2 ** 30, "int32"));
        code = prims.min(code, prims.min(pick(bad.nan, at), pick(bad.infinite, at + 1)));
      };
      inputs.forEach((x, i) => {
        if (!isFloat(x.aval.dtype)) return;
        const name = i < call.leaves.length ? leafName(call, i) : "a value that it closes over";
        note(`in ${name} ${showAval(x.aval)}`, factsOf(x));
      });
      const floats = (xs: readonly Atom[]) =>
        xs.filter((x) => isFloat(x.aval.dtype) && !(x instanceof Lit && Number.isFinite(x.value)));
      const outs = evalGraph<Atom>(
        graph,
        inputs,
        (x) => x,
        (eqn, ins) => {
          const made = bind(eqn.prim, ins, eqn.params);
          if (eqn.prim.kind === "view") return made;
          const before = floats(ins).map(factsOf);
          const no = (list: readonly Atom[]) =>
            list.reduce<Atom>((ok, x) => prims.and(ok, prims.not(x)), lit(1, "bool"));
          const clean = no(before.map((b) => b.nan));
          const finite = prims.and(clean, no(before.map((b) => b.infinite)));
          for (const y of floats(made)) {
            const { nan, infinite } = factsOf(y);
            const op = eqn.origin?.op ?? eqn.prim.name;
            const what = op === eqn.prim.name ? op : `${op} (${eqn.prim.name})`;
            const shown = ins.map((x) => showAval(x.aval)).join(" and ");
            const line = eqn.origin?.line ? ` at ${eqn.origin.line}` : "";
            note(`in ${what} of ${shown}${line}`, {
              nan: prims.and(nan, clean),
              infinite: prims.and(infinite, finite),
            });
          }
          return made;
        },
      );
      const found = prims.lt(code, lit(2 ** 30, "int32"));
      return [...outs, prims.select(found, code, lit(-1, "int32"))];
    });
    const outs = applyGraph(checked, call.inputs, `checkFinite of ${call.label}`);
    const out = call.outDef.unflatten(outs.slice(0, -1)) as R;
    return [new FiniteCheck(outs.at(-1)!, places), out];
  }) as unknown as AnyFunction) as unknown as (...args: A) => [FiniteCheck, R];
}
