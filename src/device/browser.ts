/** The adapter that a browser (or Deno, or another host with `navigator.gpu`) offers. */
import { DeviceError } from "../core/errors.js";
import {
  type AdapterChoice,
  adapterName,
  driverOf,
  isSoftware,
  type OpenedDevice,
  requestDevice,
} from "./adapter.js";

/** The host's own WebGPU, where it has one. */
export function navigatorGpu(): GPU | undefined {
  return (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
}

/** Opens a device through `navigator.gpu`. */
export async function openBrowser(choice: AdapterChoice): Promise<OpenedDevice> {
  const gpu = navigatorGpu();
  if (gpu === undefined) {
    throw new DeviceError(
      "init(): this host has no WebGPU (navigator.gpu is undefined). Use a browser with WebGPU " +
        "enabled and a secure context (https or localhost), or Node with the npm package webgpu.",
    );
  }
  const adapter = await gpu.requestAdapter(
    choice === "software"
      ? { forceFallbackAdapter: true }
      : { powerPreference: "high-performance" },
  );
  if (adapter === null || (choice === "hardware" && isSoftware(adapter.info))) {
    const found = adapter === null ? "none" : `only ${adapterName(adapter.info)}`;
    throw new DeviceError(
      `init({ adapter: "${choice}" }): navigator.gpu has no such adapter (found: ${found}). ` +
        'Check that hardware acceleration is enabled, or try { adapter: "auto" }.',
    );
  }
  const device = await requestDevice(adapter);
  const driver = driverOf(adapter.info);
  return {
    instance: gpu,
    adapter,
    device,
    driver,
    candidates: [{ driver, used: true, reason: adapterName(adapter.info) }],
    polled: false,
  };
}
