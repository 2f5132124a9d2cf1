/** asin, acos, atan, atan2: WGSL's have 4096 ulp or 2^-11; these have a few ulp. */
import type { DType } from "../core/dtype.js";
import type { Atom } from "../ir/graph.js";
import type { EmitContext } from "../ir/primitive.js";
import { add, addTangents, div, mul, neg, sub } from "./arithmetic.js";
import { binary, like, unary } from "./define.js";
import {
  copySign,
  floatFunction,
  horner,
  isNanText,
  maxFloat,
  named,
  nanText,
} from "./emit-text.js";
import { sqrt } from "./exponential.js";
import { integerPow } from "./power.js";

const floats: readonly DType[] = ["float32"];

/** (atan t - t) / t³ in t², |t| <= tan(π/8); relative error 7e-10. */
const atanCoefficients = [-0.33333316, 0.1999849, -0.14243844, 0.10595968, -0.060833618];
/** (asin t - t) / t³ in t², |t| <= ½; relative error 5e-9. */
const asinCoefficients = [0.16666754, 0.074952416, 0.045477107, 0.024147555, 0.04221865];

// π/2 and what its f32 leaves out.
const halfPi = "1.57079637";
const halfPiRest = "4.37113883e-8";

/** The name of a WGSL function: atan of a >= 0. */
const atanFunction = (ctx: EmitContext): string =>
  floatFunction(
    ctx,
    "atan_positive",
    ["a"],
    ({ F }) => `  // Reduced to |t| <= tan(π/8) by the angles π/4 and π/2.
  let middle = a > ${F}(0.414213562);
  let upper = a > ${F}(2.41421356);
  let t = select(a, select(a - 1.0, ${F}(-1.0), upper) / select(a + 1.0, a, upper), middle);
  let base = select(${F}(0.0), select(${F}(0.785398185), ${F}(${halfPi}), upper), middle);
  let rest = select(${F}(0.0), select(${F}(-2.18556941e-8), ${F}(-${halfPiRest}), upper), middle);
  let z = t * t;
  return base + (t + (rest + t * (z * ${horner("z", atanCoefficients)})));`,
  );

/** Inverse tangent, within [-π/2, π/2]. */
export const atan = unary({
  name: "atan",
  takes: floats,
  ref: Math.atan,
  emit(x, ctx) {
    const positive = atanFunction(ctx);
    const name = floatFunction(
      ctx,
      "atan_accurate",
      ["x"],
      (t) => `  return ${copySign(`${positive}(abs(x))`, "x", t)};`,
    );
    return `${name}(${x})`;
  },
  jvp: ({ primals: [x], tangents: [t] }) => [div(t!, add(like(x!, 1), integerPow(x!, 2)))],
  error: { ulp: 4 },
  cost: 20,
});

/**
 * The angle of the point (x, y), first argument y, within [-π, π]; the signs of zeros and infinities
 * count as in C. Its derivative at the origin is NaN.
 */
export const atan2 = binary({
  name: "atan2",
  takes: floats,
  ref: Math.atan2,
  emit(y, x, ctx) {
    const positive = atanFunction(ctx);
    const name = floatFunction(
      ctx,
      "atan2_accurate",
      ["y", "x"],
      (t) => `  let ax = abs(x);
  let ay = abs(y);
  // Scaled, so that the divisor is within the range for which WGSL vouches.
  let big = max(ax, ay);
  let scale = select(${t.F}(1.0), ${t.F}(1.0e-4), big > ${t.F}(1.0e34)) *
    select(${t.F}(1.0), ${t.F}(1.0e4), big < ${t.F}(1.0e-34));
  let ratio = (min(ax, ay) * scale) / (big * scale);
  let infinite = big > ${t.F}(${maxFloat});
  let level = (big == ${t.F}(0.0)) | infinite;
  let same = infinite & (ax == ay);
  let octant = ${positive}(select(select(ratio, ${t.F}(0.0), level), ${t.F}(1.0), same));
  let quadrant = select(octant, (${halfPi} - octant) - ${halfPiRest}, ay > ax);
  let left = bitcast<${t.I}>(x) < ${t.I}(0);
  let half = select(quadrant, (3.14159274 - quadrant) - 8.74227766e-8, left);
  return ${copySign("half", "y", t)};`,
    );
    const [a, b] = [named(ctx, "float32", y), named(ctx, "float32", x)];
    return `select(${name}(${a}, ${b}), ${a} + ${b}, ${isNanText(a, ctx)} | ${isNanText(b, ctx)})`;
  },
  jvp({ primals: [y, x], tangents: [ty, tx] }) {
    // (x dy - y dx) / (x² + y²)
    const norm = add(integerPow(x!, 2), integerPow(y!, 2));
    const part = (t: Atom | null, by: Atom) => (t ? mul(t, div(by, norm)) : null);
    return [addTangents(part(ty!, x!), part(tx!, neg(y!)))];
  },
  // Distance from the cut along negative x.
  kink: (y, x) => (x > 0 ? Math.hypot(x, y) : Math.abs(y)),
  error: { ulp: 6 },
  cost: 32,
});

/** asin x = π/2 - 2 asin √((1 - x)/2) above ½: WGSL of the small angle and of the series below. */
const arcParts = (F: string): string => `
  let a = abs(x);
  let small = a <= ${F}(0.5);
  let z = select(0.5 * (1.0 - a), a * a, small);
  let s = select(sqrt(max(z, ${F}(0.0))), a, small);
  let angle = s + s * (z * ${horner("z", asinCoefficients)});`;

/** Inverse sine; NaN outside [-1, 1]. */
export const asin = unary({
  name: "asin",
  takes: floats,
  ref: Math.asin,
  emit(x, ctx) {
    const nan = nanText(ctx);
    const name = floatFunction(
      ctx,
      "asin_accurate",
      ["x"],
      (t) => `${arcParts(t.F)}
  let y = select((${halfPi} - 2.0 * angle) - ${halfPiRest}, angle, small);
  return select(${nan}, ${copySign("y", "x", t)}, a <= ${t.F}(1.0));`,
    );
    return `${name}(${x})`;
  },
  jvp: ({ primals: [x], tangents: [t] }) => [div(t!, cosineOf(x!))],
  kink: (x) => 1 - Math.abs(x),
  // At ½ the square root's error, 4.5 ulp by WGSL, is doubled by the subtraction from π/2.
  error: { ulp: 14 },
  cost: 24,
});

/** Inverse cosine; NaN outside [-1, 1]. */
export const acos = unary({
  name: "acos",
  takes: floats,
  ref: Math.acos,
  emit(x, ctx) {
    const nan = nanText(ctx);
    const name = floatFunction(
      ctx,
      "acos_accurate",
      ["x"],
      ({ F }) => `${arcParts(F)}
  let negative = x < ${F}(0.0);
  let near = (${halfPi} - select(angle, -angle, negative)) - ${halfPiRest};
  let far = select(2.0 * angle, (3.14159274 - 2.0 * angle) - 8.74227766e-8, negative);
  return select(${nan}, select(far, near, small), a <= ${F}(1.0));`,
    );
    return `${name}(${x})`;
  },
  jvp: ({ primals: [x], tangents: [t] }) => [neg(div(t!, cosineOf(x!)))],
  kink: (x) => 1 - Math.abs(x),
  error: { ulp: 7 },
  cost: 24,
});

/** √(1 - x²), from factors that are exact near ±1. */
const cosineOf = (x: Atom): Atom => sqrt(mul(sub(like(x, 1), x), add(like(x, 1), x)));
