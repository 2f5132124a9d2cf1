/** fast-check arbitraries: shapes, host arrays, trees and random well-typed programs. */
import fc from "fast-check";
import { sizeOf } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { ndarray } from "../core/ndarray.js";
import { HostArray } from "./host-array.js";
import { decodeProgram, type RandomProgram } from "./program.js";

/**
 * Shapes with at most `maxRank` axes of sizes `min` to `max`.
 *
 * ```ts no-run
 * import fc from "fast-check";
 * import { arbitraries } from "dawngrad/testing";
 * fc.assert(fc.property(arbitraries.shape({ maxRank: 2 }), (s) => s.length <= 2));
 * ```
 */
export const shape = ({ maxRank = 3, min = 1, max = 4 } = {}): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min, max }), { maxLength: maxRank });

const element = (dtype: DType): fc.Arbitrary<number> => {
  switch (dtype) {
    case "float32":
      // Multiples of 1/8 up to 2 in magnitude: exact in f32, and so are their sums and products.
      return fc.integer({ min: -16, max: 16 }).map((k) => k / 8);
    case "int32":
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    case "uint32":
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    case "bool":
      return fc.integer({ min: 0, max: 1 });
  }
};

/**
 * Host arrays of a dtype: of a given shape, or of random shapes.
 *
 * ```ts no-run
 * import fc from "fast-check";
 * import { arbitraries } from "dawngrad/testing";
 * fc.assert(fc.property(arbitraries.tensor("bool", [3]), (x) => x.data.length === 3));
 * ```
 */
export const tensor = (dtype: DType = "float32", of?: readonly number[]): fc.Arbitrary<HostArray> =>
  (of === undefined ? shape() : fc.constant([...of])).chain((s) =>
    fc
      .array(element(dtype), { minLength: sizeOf(s), maxLength: sizeOf(s) })
      .map((values) => new HostArray(ndarray(s, dtype, values))),
  );

/** Random trees of the given leaves: arrays, objects and nulls around them. */
export const tree = <T>(leaf: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaf,
      fc.constant(null),
      fc.array(tie("node"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b", "weight", "2x"), tie("node"), { maxKeys: 3 }),
    ),
  })).node;

/**
 * Random programs: well typed by construction, shrinking to smaller programs, with inputs that are
 * exact in float32. With `control`, loops and branches are among the steps.
 *
 * ```ts no-run
 * import fc from "fast-check";
 * import { arbitraries } from "dawngrad/testing";
 * fc.assert(fc.property(arbitraries.program({ maxSteps: 4 }), (p) => p.graph.outputs.length > 0), { numRuns: 5 });
 * ```
 */
export const program = ({ maxSteps = 10, control = false } = {}): fc.Arbitrary<RandomProgram> =>
  fc
    .record({
      shapes: fc.array(fc.array(fc.nat(3), { maxLength: 3 }), { minLength: 1, maxLength: 3 }),
      steps: fc.array(
        fc.record({
          op: fc.nat(9999),
          a: fc.nat(31),
          b: fc.nat(31),
          param: fc.nat(63),
        }),
        // All lengths up to the limit, not mostly the short ones.
        { maxLength: maxSteps, size: "max" },
      ),
      seed: fc.nat(2 ** 31 - 1),
    })
    .map((code) => decodeProgram(control ? { ...code, control } : code));
