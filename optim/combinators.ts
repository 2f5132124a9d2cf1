/** Transformations made of transformations. */
import { DawngradError, ShapeError, tree } from "../src/index.js";
import type { OptimizerState, Transformation } from "./transformation.js";

/**
 * One transformation after the other (optax.chain).
 *
 * ```ts
 * const optimizer = chain(clipByGlobalNorm(1), sgd({ learningRate: 0.1 }));
 * const w = array([3, 4]);
 * const [updates] = optimizer.update(array([3, 4]), optimizer.init(w), w);
 * await updates.toArray(); // [-0.06, -0.08]
 * ```
 */
export function chain(...parts: readonly Transformation[]): Transformation {
  return {
    init: (params) => parts.map((t) => t.init(params)),
    update(grads, state, params) {
      if (!Array.isArray(state) || state.length !== parts.length) {
        throw new ShapeError(
          `chain: the state does not belong to these ${parts.length} transformations; make it with ` +
            "this optimizer's init(params)",
        );
      }
      let updates = grads;
      const next = parts.map((t, i) => {
        const [u, s] = t.update(updates, state[i] as OptimizerState, params);
        updates = u;
        return s;
      });
      return [updates, next];
    },
  };
}

/** Passes gradients on unchanged (optax.identity). */
export const identity = (): Transformation => ({
  init: () => null,
  update: (grads, state) => [grads, state],
});

/** A tree of booleans in the structure of the parameters, or a function from parameters to one. */
export type Mask = unknown | ((params: unknown) => unknown);

/** Which leaves a mask selects. */
export function maskLeaves(op: string, mask: Mask, params: unknown): boolean[] {
  const [, def] = tree.flatten(params);
  const [leaves, have] = tree.flatten<unknown>(typeof mask === "function" ? mask(params) : mask);
  if (have.key !== def.key) {
    throw new ShapeError(
      `${op}: the mask has the structure ${have} but the parameters have ${def}; give one boolean for ` +
        "each leaf of the parameters",
    );
  }
  return leaves.map((m, i) => {
    if (typeof m !== "boolean") {
      throw new DawngradError(
        `${op}: the mask's leaf "${def.paths()[i] || "(root)"}" is a ${typeof m}; masks are JavaScript booleans`,
      );
    }
    return m;
  });
}

/**
 * Apply `inner` to the leaves that the mask selects, and pass the others on unchanged (optax.masked).
 * `inner` sees the selected leaves as a list.
 *
 * ```ts
 * const optimizer = masked(scale(2), { weight: true, bias: false });
 * const g = { weight: array(1), bias: array(1) };
 * const [updates] = optimizer.update(g, optimizer.init(g), g);
 * await updates.weight.item(); // 2
 * await updates.bias.item(); // 1
 * ```
 */
export function masked(inner: Transformation, mask: Mask): Transformation {
  const select = (op: string, x: unknown, chosen: readonly boolean[]): unknown[] => {
    const [leaves] = tree.flatten(x);
    if (leaves.length !== chosen.length) {
      throw new ShapeError(
        `${op}: the gradients have ${leaves.length} leaves but the parameters have ${chosen.length}; ` +
          "they must share one structure",
      );
    }
    return leaves.filter((_, i) => chosen[i]);
  };
  return {
    init: (params) => inner.init(select("masked", params, maskLeaves("masked", mask, params))),
    update<P>(grads: P, state: OptimizerState, params: P): [P, OptimizerState] {
      const chosen = maskLeaves("masked", mask, params);
      const [updates, next] = inner.update(
        select("masked", grads, chosen),
        state,
        select("masked", params, chosen),
      );
      const [leaves, def] = tree.flatten(grads);
      let k = 0;
      return [def.unflatten(leaves.map((g, i) => (chosen[i] ? updates[k++] : g))) as P, next];
    },
  };
}
