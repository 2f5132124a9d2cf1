/** Every primitive on the device against its reference, within its declared error. */
import { beforeAll, describe, it } from "vitest";
import { avalOf } from "../../src/core/ndarray.js";
import { init } from "../../src/device/index.js";
import { bind, buildGraph } from "../../src/ir/builder.js";
import { primitives } from "../../src/prims/index.js";
import { interpret } from "../../src/reference/interpret.js";
import { errorBound } from "../../src/reference/perturb.js";
import { expectWithin, runOnDevice } from "../laws/device-laws.js";
import { samples } from "../prims/samples.js";

describe("primitives on the device", () => {
  beforeAll(async () => {
    await init();
  });
  it.each(primitives.map((prim) => [prim.name, prim] as const))("%s", async (name, prim) => {
    for (const sample of samples[name]!()) {
      const graph = buildGraph(sample.inputs.map(avalOf), (atoms) =>
        bind(prim, atoms, sample.params),
      );
      const want = interpret(graph, sample.inputs);
      const bounds = errorBound(graph, sample.inputs);
      expectWithin(name, await runOnDevice(graph, sample.inputs), want, bounds);
    }
  });
});
