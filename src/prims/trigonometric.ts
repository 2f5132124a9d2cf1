/**
 * sin, cos, tan, emitted in full: WGSL promises 2^-11 absolute within [-π, π] and nothing beyond, and
 * drivers use the licence. Right for every finite f32: up to 8192 by subtracting multiples of π/2 in
 * four parts (Cody and Waite), beyond by multiplying with enough bits of 2/π in integers (Payne and
 * Hanek).
 */
import type { DType } from "../core/dtype.js";
import type { EmitContext } from "../ir/primitive.js";
import { add, mul, neg } from "./arithmetic.js";
import { chain } from "./chain.js";
import { like, unary } from "./define.js";
import { floatFunction, horner, maxFloat, nanText } from "./emit-text.js";

const floats: readonly DType[] = ["float32"];

/** (sin r - r) / r³ in r², |r| <= π/4; relative error 4e-9. */
const sinCoefficients = [-0.16666655, 0.008332176, -0.00019516976];
/** (cos r - 1 + r²/2) / r⁴ in r², |r| <= π/4; error 1e-10. */
const cosCoefficients = [0.041666646, -0.0013887364, 0.00002443809];

/** WGSL of sin r and cos r for |r| <= π/4, where z is r². */
export const sinNearText = (r: string, z: string): string =>
  `(${r} + ${r} * (${z} * ${horner(z, sinCoefficients)}))`;
export const cosNearText = (z: string): string =>
  `((1.0 - 0.5 * ${z}) + ${z} * (${z} * ${horner(z, cosCoefficients)}))`;

/**
 * Scalar, |x| > 8192: x mod 2π as r + q π/2. From a table of 2/π come the 96 bits whose product with
 * the significand decides q, 62 bits of fraction, and what is carried into them.
 */
const payneHanek = (ctx: EmitContext): string =>
  ctx.helper(
    "reduce_large",
    (_, name) => `const ${name}_bits = array<u32, 8>(
  0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);
struct ${name}_result { r: f32, q: i32 }
// The upper 32 bits of a 56-bit product, from 16-bit halves.
fn ${name}_carry(a: u32, m: u32) -> u32 {
  let ll = (a & 0xffffu) * (m & 0xffffu);
  let lh = (a & 0xffffu) * (m >> 16u);
  let hl = (a >> 16u) * (m & 0xffffu);
  let hh = (a >> 16u) * (m >> 16u);
  let middle = (ll >> 16u) + (lh & 0xffffu) + (hl & 0xffffu);
  return hh + (lh >> 16u) + (hl >> 16u) + (middle >> 16u);
}
fn ${name}(x: f32) -> ${name}_result {
  var bits = ${name}_bits;
  let word = bitcast<u32>(x);
  let m = (word & 0x7fffffu) | 0x800000u;
  let position = min(((word >> 23u) & 255u) - 120u, 134u);
  let at = position >> 5u;
  let shift = position & 31u;
  var window: array<u32, 3>;
  for (var i = 0u; i < 3u; i++) {
    let next = select(bits[at + i + 1u] >> (32u - max(shift, 1u)), 0u, shift == 0u);
    window[i] = (bits[at + i] << shift) | next;
  }
  let third = ${name}_carry(window[2], m);
  let low = window[1] * m + third;
  let carry = ${name}_carry(window[1], m) + select(0u, 1u, low < third);
  let high = window[0] * m + carry;
  // high holds two bits of the quarter turn, then the fraction, which goes on in low.
  let q = i32((high >> 30u) + ((high >> 29u) & 1u));
  let head = bitcast<i32>((high << 2u) | (low >> 30u));
  let r = f32(head) * 3.657295198167899e-10 + f32(low << 2u) * 8.515303950216386e-20;
  let negative = x < 0.0;
  return ${name}_result(select(r, -r, negative), select(q, -q, negative));
}
`,
  );

/** The name of a WGSL function x -> { r, q }: x = r + q π/2 modulo 2π, |r| <= π/4. */
function reduceFunction(ctx: EmitContext): string {
  const large = payneHanek(ctx);
  return ctx.helper("reduce_angle", (type, name) => {
    const [F, I] = [type("f32"), type("i32")];
    // One lane of x at a time: the table is scalar, and rarely needed.
    const lanes = ctx.width === 1 ? [""] : ["[0]", "[1]", "[2]", "[3]"];
    const fixes = lanes.map(
      (lane) => `
    if (abs(x${lane}) > 8192.0) {
      let far = ${large}(x${lane});
      r${lane} = far.r;
      q${lane} = far.q;
    }`,
    );
    return `struct ${name}_result { r: ${F}, q: ${I} }
fn ${name}(x: ${F}) -> ${name}_result {
  let k = round(x * 0.636619772);
  var r = (x - k * 1.5703125) - k * 4.837512969970703125e-4;
  r = (r - k * 7.549533620476723e-8) - k * 2.5633440682570896e-12;
  var q = ${I}(k);
  if (any(abs(x) > ${F}(8192.0))) {${fixes.join("")}
  }
  return ${name}_result(r, q);
}
`;
  });
}

/** sin(x + quarter π/2). */
function sineText(x: string, ctx: EmitContext, quarter: number): string {
  const reduce = reduceFunction(ctx);
  const nan = nanText(ctx);
  const name = floatFunction(
    ctx,
    quarter === 0 ? "sin_accurate" : "cos_accurate",
    ["x"],
    ({ F, I }) => `  let a = ${reduce}(x);
  let q = a.q${quarter === 0 ? "" : ` + ${I}(${quarter})`};
  let z = a.r * a.r;
  let y = select(${sinNearText("a.r", "z")}, ${cosNearText("z")}, (q & ${I}(1)) != ${I}(0));
  let signed = select(y, -y, (q & ${I}(2)) != ${I}(0));
  return select(${nan}, signed, abs(x) <= ${F}(${maxFloat}));`,
  );
  return `${name}(${x})`;
}

/** sin x. Right for every finite x; NaN at infinity. */
export const sin = unary({
  name: "sin",
  takes: floats,
  ref: Math.sin,
  emit: (x, ctx) => sineText(x, ctx, 0),
  jvp: chain((x) => cos(x)),
  error: { ulp: 2, abs: 1e-13 },
  cost: 24,
});

/** cos x. Right for every finite x; NaN at infinity. */
export const cos = unary({
  name: "cos",
  takes: floats,
  ref: Math.cos,
  emit: (x, ctx) => sineText(x, ctx, 1),
  jvp: chain((x) => neg(sin(x))),
  error: { ulp: 2, abs: 1e-13 },
  cost: 24,
});

/** tan x. Right for every finite x. */
export const tan = unary({
  name: "tan",
  takes: floats,
  ref: Math.tan,
  emit(x, ctx) {
    const reduce = reduceFunction(ctx);
    const nan = nanText(ctx);
    const name = floatFunction(
      ctx,
      "tan_accurate",
      ["x"],
      ({ F, I }) => `  let a = ${reduce}(x);
  let z = a.r * a.r;
  let s = ${sinNearText("a.r", "z")};
  let c = ${cosNearText("z")};
  let odd = (a.q & ${I}(1)) != ${I}(0);
  let y = select(s, -c, odd) / select(c, s, odd);
  return select(${nan}, y, abs(x) <= ${F}(${maxFloat}));`,
    );
    return `${name}(${x})`;
  },
  jvp: chain((_, y) => add(like(y, 1), mul(y, y))),
  kink: (x) => Math.abs(Math.cos(x)),
  // Both polynomials and the division.
  error: { ulp: 6, abs: 1e-13 },
  cost: 30,
});
