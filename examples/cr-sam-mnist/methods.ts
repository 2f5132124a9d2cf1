/** The methods that are compared: each is a gradient function, all else is the same. */
import { div, greater, maximum, mul, type Tensor, tree, where } from "dawngrad";
import { crSam, type GradFn, sam } from "dawngrad/optim";
import type { MethodName, Options } from "./options.js";

/** Three significant digits at most, without trailing zeros. */
const short = (x: number): string => String(Number(x.toPrecision(3)));

/** How figures and tables name the methods. */
export function labelsOf({ rho, beta, variant }: Options): Record<MethodName, string> {
  const control = variant === "code" ? `ρ = ${short(rho * (1 + 2 * beta))}` : "ρ + β/‖g‖";
  return {
    sgd: "SGD",
    sam: `SAM ρ = ${short(rho)}`,
    "sam-control": `SAM ${control}`,
    "cr-sam": "CR-SAM",
  };
}

/** The aux of a gradient function differs from method to method; training does not look at it. */
export type Gradient<P, S, B> = (
  params: P,
  state: S,
  batch: B,
) => { readonly loss: Tensor; readonly grads: P; readonly state: S };

/** The gradient function of each method, from that of the loss. */
export function gradientFunctions<P, S, B>(
  base: GradFn<P, S, B, null, null>,
  options: Options,
): Record<MethodName, Gradient<P, S, B>> {
  const { rho, beta, variant } = options;
  const control =
    variant === "code" ? sam({ rho: rho * (1 + 2 * beta) })(base) : paperControl(base, options);
  return {
    sgd: withoutKey(base),
    sam: withoutKey(sam({ rho })(base)),
    "sam-control": withoutKey(control),
    "cr-sam": withoutKey(crSam(options)(base)),
  };
}

const withoutKey =
  <P, S, B, A>(gradFn: GradFn<P, S, B, null, A>): Gradient<P, S, B> =>
  (params, state, batch) =>
    gradFn(params, state, batch, null);

/**
 * What CR-SAM amounts to where the loss is quadratic, so that a difference from it is the effect of
 * the curvature term and not of a larger radius. For the published code that is SAM at ρ(1 + 2β). For
 * the paper's logarithm it is SAM at ρ(1 + 2β·φ′(B)): B = 2ρ‖g‖ there, and φ′(B) = 1/max(B, floor).
 */
function paperControl<P, S, B>(
  base: GradFn<P, S, B, null, null>,
  { rho, beta, floor, negative }: Options,
): GradFn<P, S, B, null, null> {
  return (params, state, batch, key) => {
    const clean = base(params, state, batch, key);
    const n = tree.norm(clean.grads);
    const slope = mul(n, 2 * rho);
    const least = maximum(floor.B, mul(clean.loss.abs(), 4 * 64 * 2 ** -24));
    const reciprocal =
      negative === "softabs"
        ? div(slope, slope.mul(slope).add(least.mul(least)))
        : div(1, maximum(slope, least));
    const radius = reciprocal
      .mul(2 * beta)
      .add(1)
      .mul(rho);
    const unit = where(greater(n, 0), div(radius, n), 0);
    const { grads } = base(tree.axpy(unit, clean.grads, params), state, batch, key);
    return { ...clean, grads };
  };
}
