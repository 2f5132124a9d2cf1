/**
 * What choosing an adapter is about, in words that Node and the browser share: the choice that a
 * caller makes, the drivers that were considered with the reason against each, and the device
 * that came of it.
 */

import type { KernelChoices } from "./choices.js";

/** What `init({ adapter })` takes. */
export type AdapterChoice = "auto" | "hardware" | "software";

/** What answers in the end. `software` is a system's software driver other than the two named. */
export type Driver = "hardware" | "lavapipe" | "swiftshader" | "software";

/** One driver that was considered, and why it was not used. */
export interface Candidate {
  readonly driver: Driver;
  readonly used: boolean;
  /** The adapter's own name where it is used, otherwise why it is not. */
  readonly reason: string;
  /** What would make it available, where something would. */
  readonly advice?: string;
}

/** A device, with the instance that must outlive it and the story of how it was chosen. */
export interface OpenedDevice {
  readonly instance: GPU;
  readonly adapter: GPUAdapter;
  readonly device: GPUDevice;
  readonly driver: Driver;
  readonly candidates: readonly Candidate[];
  /** True where completion is polled by `setImmediate` (Dawn in Node): see idle.ts. */
  readonly polled: boolean;
  /** The host's memory that buffers may take, where the adapter has no memory of its own. */
  readonly budget?: number | undefined;
  /** Which kernels to use, by what was measured before. Absent: nothing outlives the process. */
  readonly choices?: KernelChoices | undefined;
}

/** Features that the generated code can make use of. */
const wantedFeatures: readonly string[] = ["subgroups", "shader-f16", "timestamp-query"];

/** Names by which software drivers call themselves: llvmpipe and lavapipe are Mesa's, WARP Windows'. */
const softwareNames = /llvmpipe|lavapipe|swiftshader|softpipe|basic render|\bwarp\b/i;

/** The driver that goes by this name. */
export function driverNamed(name: string): Driver {
  if (/swiftshader/i.test(name)) return "swiftshader";
  if (/llvmpipe|lavapipe/i.test(name)) return "lavapipe";
  return softwareNames.test(name) ? "software" : "hardware";
}

/** The driver behind an adapter. */
export function driverOf(info: GPUAdapterInfo): Driver {
  const driver = driverNamed(adapterName(info));
  const fallback = (info as { isFallbackAdapter?: boolean }).isFallbackAdapter === true;
  return driver === "hardware" && fallback ? "software" : driver;
}

/** True for a driver that computes on the CPU. */
export function isSoftware(info: GPUAdapterInfo): boolean {
  return driverOf(info) !== "hardware";
}

/** Everything that an adapter says of itself, on one line. */
export function adapterName(info: GPUAdapterInfo): string {
  const parts = [info.vendor, info.architecture, info.device, info.description];
  return parts.filter((part) => part !== undefined && part !== "").join(" ") || "unnamed adapter";
}

/** A device with the wanted features that the adapter offers, and the adapter's own limits. */
export function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits: Record<string, number> = {};
  // The limits are getters of the prototype, so Object.keys would see none of them.
  for (const name in adapter.limits) {
    const value = (adapter.limits as unknown as Record<string, unknown>)[name];
    if (typeof value === "number") requiredLimits[name] = value;
  }
  return adapter.requestDevice({
    label: "dawngrad",
    requiredFeatures: wantedFeatures.filter((feature) =>
      adapter.features.has(feature as GPUFeatureName),
    ) as GPUFeatureName[],
    requiredLimits,
  });
}
