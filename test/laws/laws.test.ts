import fc from "fast-check";
import { describe, it } from "vitest";
import { program } from "../../src/testing/arbitraries.js";
import { Discard, laws } from "./laws.js";

// The seed is fixed so that the suite is reproducible; `npm run fuzz` explores with fresh ones.
const RUNS = Number(process.env.DAWNGRAD_LAW_RUNS ?? 150);
const SEED = Number(process.env.DAWNGRAD_LAW_SEED ?? 20240229);

describe.each([
  { kind: "random programs", options: {}, runs: RUNS },
  {
    kind: "random programs with control flow",
    options: { control: true, maxSteps: 6 },
    runs: Math.ceil(RUNS / 2),
  },
])("laws over $kind (f64 reference)", ({ options, runs }) => {
  for (const law of laws) {
    it(law.name, async () => {
      let discarded = 0;
      await fc.assert(
        fc.asyncProperty(program(options), async (p) => {
          try {
            await law.check(p);
          } catch (error) {
            if (!(error instanceof Discard)) throw error;
            discarded++;
          }
        }),
        { numRuns: runs, seed: SEED },
      );
      if (discarded > 0.8 * runs) {
        throw new Error(
          `${discarded} of ${runs} programs were discarded: the law was hardly tested`,
        );
      }
    });
  }
});
