/**
 * Every elementwise primitive on the device, dense over its domain and at its corners, within the
 * error that its record declares, at widths 1 and 4. `npx tsx scripts/elementwise-accuracy.ts` prints
 * the same measurement as a table.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { currentGpu, init } from "../../src/device/index.js";
import { elementwisePrimitives } from "../../src/prims/elementwise-table.js";
import { measure } from "./elementwise-measure.js";

describe("elementwise accuracy", () => {
  beforeAll(async () => {
    await init();
  });

  it.each(elementwisePrimitives.map((prim) => [prim.name, prim] as const))(
    "%s",
    async (_, prim) => {
      const { failure, compared } = await measure(prim);
      expect(failure).toBeUndefined();
      expect(compared).toBeGreaterThan(100);
      currentGpu("elementwise accuracy").check("elementwise accuracy");
    },
  );
});
