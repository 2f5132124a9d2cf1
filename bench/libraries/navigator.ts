/** A browser's globals for libraries that expect them: the very adapter that dawngrad uses. */
import { currentGpu } from "../../src/device/index.js";
import { dawn } from "../../src/device/node/modules.js";

/** Makes `navigator.gpu` and WebGPU's constants global. dawngrad is open already. */
export async function provideNavigator(): Promise<void> {
  const { instance } = currentGpu("bench").opened;
  const { globals } = (await dawn()) as unknown as { globals: object };
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, "navigator", {
    value: { gpu: instance, userAgent: "node", hardwareConcurrency: 2 },
    configurable: true,
  });
}
