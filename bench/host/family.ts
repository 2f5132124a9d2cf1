/** Losses of the first steps of a method on the host: what every trainer's are held to. */
import { alpha, beta, type Method, rho } from "../models/family.js";
import type { Model } from "../models/model.js";

type Leaves = readonly Float64Array[];

const combined = (f: (...xs: number[]) => number, ...trees: readonly Leaves[]): Float64Array[] =>
  trees[0]!.map((leaf, k) => leaf.map((_, i) => f(...trees.map((t) => t[k]![i]!))));

const norm = (leaves: Leaves): number =>
  Math.sqrt(leaves.reduce((sum, leaf) => leaf.reduce((s, v) => s + v * v, sum), 0));

/** The step's gradient: g₊ for SAM; g₊ + α(g₊ + g₋ − 2g₀) + β(g₊ − g₋) for CR-SAM (code form). */
function gradient(model: Model, method: Method, w: Leaves): { loss: number; grads: Leaves } {
  const clean = model.host(w);
  if (method === "sgd") return clean;
  const scale = rho / norm(clean.grads);
  const at = (sign: number) =>
    model.host(combined((p, g) => p! + sign * scale * g!, w, clean.grads)).grads;
  const plus = at(1);
  if (method === "sam") return { loss: clean.loss, grads: plus };
  const grads = combined(
    (g0, gp, gm) => gp! + alpha * (gp! + gm! - 2 * g0!) + beta * (gp! - gm!),
    clean.grads,
    plus,
    at(-1),
  );
  return { loss: clean.loss, grads };
}

const known = new Map<string, number[]>();

/** The losses at the start of each of the first `steps` steps. */
export function hostLosses(model: Model, method: Method, steps: number): readonly number[] {
  const plain = method === "cr-sam-sequential" ? "cr-sam" : method;
  const key = `${model.name} ${plain} ${steps}`;
  const have = known.get(key);
  if (have) return have;
  let w: Leaves = model.params.map((p) => Float64Array.from(p.data));
  let velocity: Leaves = w.map((p) => new Float64Array(p.length));
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    // The last step's gradient is not needed.
    const { loss, grads } = i + 1 < steps ? gradient(model, plain, w) : model.host(w);
    losses.push(loss);
    velocity = combined((v, g) => model.momentum * v! + g!, velocity, grads);
    w = combined((p, v) => p! - model.learningRate * v!, w, velocity);
  }
  known.set(key, losses);
  return losses;
}
