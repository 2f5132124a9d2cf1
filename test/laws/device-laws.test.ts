import fc from "fast-check";
import { beforeAll, describe, it } from "vitest";
import { program } from "../../src/testing/arbitraries.js";
import { deviceLaws } from "./device-laws.js";
import { Discard, type Law } from "./laws.js";

const RUNS = Number(process.env.DAWNGRAD_DEVICE_LAW_RUNS ?? 12);
const SEED = Number(process.env.DAWNGRAD_LAW_SEED ?? 20240229);

const names = [
  "8. device = reference",
  "8. device = reference for gradients",
  "8. device = reference for vmapped gradients",
  "8. device as hardware = reference for gradients",
  "8. device = reference for vmapped gradients of arrays larger than a binding",
  "8. branches by guards = branches by selection",
  "8. fused = unfused",
  "8. results in the place of donated inputs are right",
  "8. runs of one program do not disturb each other, and constants are data",
  "8. no live buffer remains after disposal",
];

describe.each([
  { kind: "random programs", options: { maxSteps: 8 }, runs: RUNS },
  {
    kind: "random programs with control flow",
    options: { maxSteps: 4, control: true },
    runs: Math.ceil(RUNS / 2),
  },
])("laws of the device over $kind", ({ options, runs }) => {
  let laws: readonly Law[] = [];
  beforeAll(async () => {
    laws = await deviceLaws();
    if (laws.map((l) => l.name).join() !== names.join())
      throw new Error("the list of laws changed");
  });
  for (const [i, name] of names.entries()) {
    it(name, { timeout: 180_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(program(options), async (p) => {
          try {
            await laws[i]!.check(p);
          } catch (error) {
            if (!(error instanceof Discard)) throw error;
          }
        }),
        { numRuns: runs, seed: SEED },
      );
    });
  }
});
