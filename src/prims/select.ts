/** Choosing between values: select and clamp. */

import { showAval } from "../core/aval.js";
import { dtypes, isFloat } from "../core/dtype.js";
import { DtypeError } from "../core/errors.js";
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { addTangents } from "./arithmetic.js";
import { gt, lt } from "./compare.js";
import { constantOf, elementwise, like, requireSame } from "./define.js";
import { isNanText, named } from "./emit-text.js";
import { and } from "./logic.js";

const zeros = (x: Atom): Atom => like(x, 0);

const selectP: Primitive = elementwise<object>({
  name: "select",
  arity: 3,
  result([pred, onTrue, onFalse]) {
    if (pred!.dtype !== "bool") {
      throw new DtypeError(
        `select needs a bool predicate, got ${showAval(pred!)}; compare it with something first`,
      );
    }
    requireSame("select", dtypes, [onTrue!, onFalse!]);
    return [onTrue!.dtype];
  },
  scalar: () => (pred, onTrue, onFalse) => (pred ? onTrue! : onFalse!),
  emit: ({ args: [pred, onTrue, onFalse] }) => [`select(${onFalse}, ${onTrue}, ${pred})`],
  jvp({ primals: [pred, x], tangents: [, t, f] }) {
    if (!t && !f) return [null];
    return [select(pred!, t ?? zeros(x!), f ?? zeros(x!))];
  },
  transpose({ cotangents: [ct], inputs: [pred, x, y] }) {
    const zero = zeros(ct!);
    return [null, x ? null : select(pred!, ct!, zero), y ? null : select(pred!, zero, ct!)];
  },
  simplify([pred, onTrue, onFalse]) {
    if (onTrue === onFalse) return onTrue!;
    const known = constantOf(pred!);
    return known === undefined ? null : known ? onTrue! : onFalse!;
  },
  error: { ulp: 0 },
});

/** `onTrue` where `pred` (bool) holds, else `onFalse`; the branch not taken is never looked at. */
export const select: ((pred: Atom, onTrue: Atom, onFalse: Atom) => Atom) & {
  readonly prim: Primitive;
} = Object.assign(
  (pred: Atom, onTrue: Atom, onFalse: Atom) => bind1(selectP, [pred, onTrue, onFalse], {}),
  { prim: selectP },
);

const clampP: Primitive = elementwise<object>({
  name: "clamp",
  arity: 3,
  result(inputs) {
    requireSame("clamp", ["float32", "int32", "uint32"], inputs);
    return [inputs[0]!.dtype];
  },
  scalar: () => (lo, x, hi) => Math.min(Math.max(lo!, x!), hi!),
  emit({ args: [lo, x, hi], inputs: [a], ctx }) {
    const { dtype } = a!;
    if (!isFloat(dtype)) return [`min(max(${x}, ${lo}), ${hi})`];
    // WGSL's clamp may lose a NaN. A comparison with NaN is false, so x keeps its own.
    const [low, value, high] = [lo!, x!, hi!].map((v) => named(ctx, dtype, v));
    const below = `(${value} < ${low}) | ${isNanText(low!, ctx)}`;
    const raised = named(ctx, dtype, `select(${value}, ${low}, ${below})`);
    const above = `(${raised} > ${high}) | ${isNanText(high!, ctx)}`;
    return [`select(${raised}, ${high}, ${above})`];
  },
  jvp({ primals: [lo, x, hi], tangents: [tlo, tx, thi] }) {
    const where = (pred: Atom, t: Atom) => select(pred, t, zeros(t));
    return [
      addTangents(
        addTangents(
          tlo ? where(and(gt(lo!, x!), lt(lo!, hi!)), tlo) : null,
          tx ? where(and(gt(x!, lo!), lt(x!, hi!)), tx) : null,
        ),
        thi ? where(lt(hi!, x!), thi) : null,
      ),
    ];
  },
  kink: (_, [a]) =>
    isFloat(a!.dtype)
      ? (lo, x, hi) => Math.min(Math.abs(x! - lo!), Math.abs(x! - hi!), Math.abs(hi! - lo!))
      : () => Number.POSITIVE_INFINITY,
  error: { ulp: 0 },
  cost: 2,
});

/**
 * x held within [lo, hi] (lax.clamp); hi wins where lo > hi; NaN in any of them
 * gives NaN. The tangent of x passes
 * where lo < x < hi, that of a bound where the bound is strictly crossed, as in JAX.
 */
export const clamp: ((lo: Atom, x: Atom, hi: Atom) => Atom) & { readonly prim: Primitive } =
  Object.assign((lo: Atom, x: Atom, hi: Atom) => bind1(clampP, [lo, x, hi], {}), { prim: clampP });
