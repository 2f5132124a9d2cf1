/** CR-SAM in the open: a few lines of composed transforms, with nothing from dawngrad/optim. */
import {
  abs,
  add,
  array,
  div,
  greater,
  maximum,
  sub,
  type Tensor,
  tree,
  valueAndGrad,
  vmap,
  where,
} from "dawngrad";
import type { Options } from "./options.js";

export type CrSamSettings = Pick<
  Options,
  "rho" | "alpha" | "beta" | "variant" | "floor" | "negative"
>;

/**
 * The direction to descend. With g = ∇L(w), v = g/‖g‖, L± = L(w ± ρv) and g± = ∇L(w ± ρv):
 *
 *     g₊ + a·(g₊ + g₋ − 2g) + b·(g₊ − g₋)
 *
 * where a, b are α, β in the published code; in the paper, which minimises α·log A + β·log B beside
 * L₊, they are α/A, β/B with A = L₊ + L₋ − 2L (curvature along v) and B = L₊ − L₋ (slope).
 */
export function crSamGradient<P, B>(
  loss: (params: P, batch: B) => Tensor,
  settings: CrSamSettings,
): (params: P, batch: B) => P {
  const { rho, alpha, beta } = settings;
  const lossAndGrad = valueAndGrad(loss);
  return (params, batch) => {
    const [L, g] = lossAndGrad(params, batch);
    const n = tree.norm(g);
    const v = tree.scale(g, where(greater(n, 0), div(1, n), 0));

    // One vmap over the sign: w + ρv and w − ρv go through each kernel together.
    const at = (sign: Tensor, w: P) => lossAndGrad(tree.axpy(sign.mul(rho), v, w), batch);
    const [Ls, gs] = vmap(at, [0, null])(array([1, -1]), params);
    const [Lp, Lm] = tree.unstack(Ls) as [Tensor, Tensor];
    const [gp, gm] = tree.unstack(gs) as [P, P];

    const [a, b] = [slope(sub(sub(Lp, L), sub(L, Lm)), "A"), slope(sub(Lp, Lm), "B")];
    const bend = tree.sub(tree.sub(gp, g), tree.sub(g, gm));
    const tilt = tree.sub(gp, gm);
    return tree.axpy(a.mul(alpha), bend, tree.axpy(b.mul(beta), tilt, gp));

    /** The slope of the regulariser's function at `x`: 1 for x itself, 1/x for log x. */
    function slope(x: Tensor, which: "A" | "B"): Tensor {
      if (settings.variant === "code") return array(1);
      const rounding = add(add(abs(Lp), abs(Lm)), abs(L).mul(2)).mul(64 * 2 ** -24);
      const floor = maximum(settings.floor[which], rounding);
      if (settings.negative === "softabs") return div(x, x.mul(x).add(floor.mul(floor)));
      const reciprocal = div(1, maximum(x, floor));
      return settings.negative === "zero" ? where(greater(x, 0), reciprocal, 0) : reciprocal;
    }
  };
}
