/** `init()`, the device that it opens, and what that device is. */
import { DeviceError } from "../core/errors.js";
import type { AdapterChoice, Candidate, Driver, OpenedDevice } from "./adapter.js";
import { navigatorGpu, openBrowser } from "./browser.js";
import { Gpu, type GpuLimits } from "./gpu.js";
import { dawnWarningsAreHidden } from "./quiet.js";

export interface InitOptions {
  /**
   * `auto` (the default) takes hardware, else a system software driver, else SwiftShader from the
   * optional package @sparticuz/chromium. In Node, DAWNGRAD_ADAPTER narrows the choice.
   */
  readonly adapter?: AdapterChoice;
}

export interface DeviceInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** True for a driver that computes on the CPU. */
  readonly software: boolean;
  readonly driver: Driver;
  readonly features: readonly string[];
  readonly limits: GpuLimits;
  readonly subgroupSize: number;
  /** The drivers that were considered, best first, and why the others are not used. */
  readonly candidates: readonly Candidate[];
}

let current: Gpu | undefined;
let opening: { readonly choice: AdapterChoice; readonly gpu: Promise<Gpu> } | undefined;

/**
 * Opens the device that everything runs on. Await it once before anything else; further calls
 * return at once (a device that was lost is opened anew). Throws a DeviceError that says what to
 * install where there is no adapter, or where a device of the other kind is already open.
 */
export async function init({ adapter = "auto" }: InitOptions = {}): Promise<DeviceInfo> {
  if (adapter !== "auto" && adapter !== "hardware" && adapter !== "software") {
    throw new DeviceError(
      `init({ adapter: ${JSON.stringify(adapter)} }): adapter is "auto", "hardware" or "software".`,
    );
  }
  if (current?.lost === true) {
    current = undefined;
    opening = undefined;
  }
  const gpu = await join(adapter);
  if (adapter !== "auto" && (adapter === "software") !== gpu.software) {
    throw new DeviceError(
      `init({ adapter: "${adapter}" }): a ${gpu.software ? "software" : "hardware"} device is ` +
        `already open (${gpu.name}); a process has one device. Ask for it in the first init().`,
    );
  }
  return describe(gpu);
}

/** The one device: open, being opened, or opened now. */
async function join(choice: AdapterChoice): Promise<Gpu> {
  for (;;) {
    opening ??= { choice, gpu: start(choice) };
    const joined = opening;
    try {
      return await joined.gpu;
    } catch (error) {
      if (opening === joined) opening = undefined;
      if (joined.choice === choice) throw error; // otherwise another's choice failed: try ours
    }
  }
}

async function start(choice: AdapterChoice): Promise<Gpu> {
  current = new Gpu(await open(choice));
  return current;
}

/** The open device. `operation` is named in the error if there is none. */
export function currentGpu(operation: string): Gpu {
  if (current === undefined) {
    throw new DeviceError(`${operation}: there is no device yet. Call await init() first.`);
  }
  current.faults.checkLost(operation);
  return current;
}

/** What the open device is and can do, and what else was considered. */
export function deviceInfo(): DeviceInfo {
  return describe(currentGpu("deviceInfo()"));
}

function describe(gpu: Gpu): DeviceInfo {
  const { info } = gpu.opened.adapter;
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    description: info.description || info.device,
    software: gpu.software,
    driver: gpu.opened.driver,
    features: [...gpu.features].sort(),
    limits: gpu.limits,
    subgroupSize: gpu.subgroupSize,
    candidates: gpu.opened.candidates,
  };
}

async function open(choice: AdapterChoice): Promise<OpenedDevice> {
  if (!isNode()) return openBrowser(choice);
  const { openDawn } = await import("./dawn.js");
  if (!dawnWarningsAreHidden()) return openDawn(choice);
  const { quietly } = await import("./node/quiet.js");
  return quietly(() => openDawn(choice));
}

/** Node itself: not Deno, nor a browser window with Node's globals, which bring their own WebGPU. */
function isNode(): boolean {
  const host = globalThis as {
    process?: { versions?: { node?: string }; type?: string };
    Deno?: unknown;
  };
  if (host.process?.versions?.node === undefined) return false;
  const foreign = host.Deno !== undefined || host.process.type === "renderer";
  return !(foreign && navigatorGpu() !== undefined);
}
