/** jet: derivatives of any order along a curve. */
import { isFloat } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import {
  type AnyFunction,
  argumentLeaves,
  labelOf,
  matchTangents,
  requireFunction,
  zerosTensor,
} from "./arguments.js";
import { jvp } from "./autodiff.js";
import { asOneProgram } from "./jacobian.js";

type Chain = (...states: unknown[]) => unknown[];

/**
 * Derivatives of `f` along a curve, to any order (jax.experimental.jet): for x(t) with
 * x⁽ᵏ⁾(0) = `series[·][k - 1]`, one list for each argument, the value f(x(0)) and the list of
 * dᵏ/dtᵏ f(x(t)) at 0 for k = 1 … K. All are derivatives, not Taylor coefficients: no factorials. For the
 * derivatives of f itself along v, take the line x₀ + t·v: the series [v, 0, …, 0].
 *
 * It is jvp nested K times along the curve, so that it holds for every operation and composes with every
 * transform. Equal values of the nested passes are computed once; still the work grows faster with K
 * than that of Taylor arithmetic, which matters from about the fifth order on.
 *
 * @throws ShapeError where the lists of a series differ in length.
 *
 * ```ts
 * const [y, [d1, d2, d3]] = jet((x: Tensor) => x.exp(), [array(0)], [[array(1), array(0), array(0)]]);
 * await d3!.item(); // 1
 * ```
 */
export function jet<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  primals: A,
  series: { readonly [K in keyof A]: readonly (A[K] | null)[] },
): [R, R[]] {
  requireFunction("jet", f);
  const label = `jet of ${labelOf(f as unknown as AnyFunction)}`;
  const lists = series as readonly (readonly unknown[])[];
  if (lists.length !== primals.length) {
    throw new ShapeError(
      `jet: ${primals.length} argument(s) but ${lists.length} series; give one each`,
    );
  }
  const order = lists[0]?.length ?? 0;
  const other = lists.findIndex((s) => s.length !== order);
  if (other > 0) {
    throw new ShapeError(
      `jet: the series of argument ${other} has ${lists[other]!.length} derivatives, that of argument 0 ` +
        `has ${order}; give null for zero`,
    );
  }
  // The state of the curve: at [k] the k-th derivatives of all arguments.
  const { leaves, def } = argumentLeaves("jet", primals);
  const filled = (k: number): unknown => {
    const given = lists.map((s) => s[k] ?? null);
    const list = matchTangents("jet series", "tangent", given, def, leaves);
    return def.unflatten(
      list.map((t, i) => t ?? (isFloat(leaves[i]!.dtype) ? zerosTensor(leaves[i]!) : null)),
    );
  };
  const states = [primals, ...Array.from({ length: order }, (_, k) => filled(k))];
  const along: Chain = (...all) => {
    // d/dt of F(x, x', …) is its derivative along (x', x'', …).
    let chain: Chain = (x) => [f(...(x as unknown as A))];
    for (let k = 1; k <= order; k++) {
      const before = chain;
      chain = (...xs) => {
        const [values, slopes] = jvp(
          before as (...a: unknown[]) => unknown[],
          xs.slice(0, -1),
          xs.slice(1),
        );
        return [...values, slopes.at(-1)];
      };
    }
    return chain(...all);
  };
  const [value, ...derivatives] = asOneProgram(label, along as (...a: unknown[]) => R[], states);
  return [value!, derivatives];
}
