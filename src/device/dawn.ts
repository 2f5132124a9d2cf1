/**
 * The adapter in Node: Dawn through the npm package `webgpu`, and the choice between the drivers
 * that the machine has. Nothing outside of Node loads this file.
 */
import { DeviceError } from "../core/errors.js";
import {
  type AdapterChoice,
  adapterName,
  type Candidate,
  type Driver,
  driverOf,
  isSoftwareName,
  type OpenedDevice,
  requestDevice,
} from "./adapter.js";
import { dawn, nodeOs } from "./node/modules.js";
import { findPackage, unpackSwiftShader } from "./node/swiftshader.js";

type Found = Pick<OpenedDevice, "instance" | "adapter" | "device">;
type Create = (options: string[]) => GPU;

/** Every instance that gave a device: Dawn crashes if its instance is collected before it. */
const instances: GPU[] = [];

/** What may be asked for, narrowed by DAWNGRAD_ADAPTER: the drivers to try, best first. */
function wanted(choice: AdapterChoice): readonly Driver[] {
  const hardware: Driver[] = ["hardware"];
  const software: Driver[] = ["lavapipe", "software", "swiftshader"];
  const allowed =
    choice === "hardware"
      ? hardware
      : choice === "software"
        ? software
        : [...hardware, ...software];
  const name = process.env.DAWNGRAD_ADAPTER || "auto";
  const named: Record<string, readonly Driver[]> = {
    auto: [...hardware, ...software],
    hardware,
    software,
    lavapipe: ["lavapipe"],
    swiftshader: ["swiftshader"],
  };
  const byName = named[name];
  if (byName === undefined) {
    throw new DeviceError(
      `init(): DAWNGRAD_ADAPTER=${name} is not one of ${Object.keys(named).join(", ")}.`,
    );
  }
  const both = allowed.filter((driver) => byName.includes(driver));
  return both.length > 0 ? both : allowed;
}

/** Opens the best device that the machine has and `choice` allows. */
export async function openDawn(choice: AdapterChoice): Promise<OpenedDevice> {
  const drivers = wanted(choice);
  const { create } = await loadDawn();
  const candidates: Candidate[] = [];
  for (const driver of drivers) {
    const result =
      driver === "swiftshader" ? await trySwiftShader(create) : await trySystem(create, driver);
    if (!("device" in result)) {
      candidates.push({ driver, used: false, ...result });
      continue;
    }
    instances.push(result.instance);
    candidates.push({ driver, used: true, reason: adapterName(result.adapter.info) });
    return { ...result, driver: driverOf(result.adapter.info), candidates, polled: true };
  }
  const reasons = candidates.map((c) => `  ${c.driver}: ${c.reason}`);
  throw new DeviceError(
    `init({ adapter: "${choice}" }): no usable WebGPU adapter.\n${reasons.join("\n")}\n` +
      "Install a Vulkan driver (Debian and Ubuntu: libvulkan1 and mesa-vulkan-drivers >= 24, on " +
      "Debian 12 from bookworm-backports), or, without root, npm i -D @sparticuz/chromium.",
  );
}

interface Refusal {
  readonly reason: string;
  readonly advice?: string;
}

async function loadDawn(): Promise<{ create: Create }> {
  try {
    return await dawn();
  } catch (error) {
    throw new DeviceError(
      `init(): the npm package webgpu (Dawn) does not load on ${process.platform}-${process.arch}: ` +
        `${error}. Run npm i webgpu; it needs glibc, macOS or Windows.`,
      { cause: error },
    );
  }
}

/** A driver that the system has, of the kind asked for. */
async function trySystem(create: Create, driver: Driver): Promise<Found | Refusal> {
  const names = await listAdapters(create);
  const fitting = names.filter((name) => kindOf(name) === driver);
  for (const name of fitting) {
    const instance = create([`adapter=${name}`]);
    const adapter = await instance.requestAdapter({ powerPreference: "high-performance" });
    if (adapter === null) continue;
    return { instance, adapter, device: await requestDevice(adapter) };
  }
  const others = names.length === 0 ? "no Vulkan driver that Dawn accepts" : `only ${names}`;
  return { reason: `not found: the system has ${others}` };
}

function kindOf(name: string): Driver {
  if (!isSoftwareName(name)) return "hardware";
  if (/swiftshader/i.test(name)) return "swiftshader";
  return /llvmpipe|lavapipe/i.test(name) ? "lavapipe" : "software";
}

/** The names of the adapters that Dawn sees: it lists them when asked for one that does not exist. */
async function listAdapters(create: Create): Promise<string[]> {
  try {
    await create(["adapter=no such adapter"]).requestAdapter();
    return [];
  } catch (error) {
    return [...String(error).matchAll(/name: '([^']*)'/g)].map((match) => match[1]!);
  }
}

/** SwiftShader from the optional package. */
async function trySwiftShader(create: Create): Promise<Found | Refusal> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return {
      reason: `the packaged SwiftShader is for linux-x64, this is ${process.platform}-${process.arch}`,
    };
  }
  const found = await findPackage();
  if (found === undefined) {
    return {
      reason: "the package @sparticuz/chromium is not installed",
      advice: "npm i -D @sparticuz/chromium",
    };
  }
  const { icd, loader } = await unpackSwiftShader(found);
  await preload(loader);
  const before = process.env.VK_DRIVER_FILES;
  process.env.VK_DRIVER_FILES = icd;
  try {
    const instance = create(["adapter=SwiftShader"]);
    const adapter = await instance.requestAdapter();
    if (adapter === null) return { reason: "Dawn does not accept it" };
    return { instance, adapter, device: await requestDevice(adapter) };
  } catch (error) {
    return { reason: `Dawn does not accept it: ${error}` };
  } finally {
    if (before === undefined) delete process.env.VK_DRIVER_FILES;
    else process.env.VK_DRIVER_FILES = before;
  }
}

/**
 * Loads a Vulkan loader unless the system has one, so that Dawn's own dlopen of "libvulkan.so.1"
 * finds it by name. process.dlopen says that the library is no addon, and leaves it loaded.
 */
async function preload(loader: string): Promise<void> {
  const os = await nodeOs();
  const { RTLD_NOW, RTLD_GLOBAL } = os.constants.dlopen;
  const noDelete = 0x1000;
  for (const name of ["libvulkan.so.1", loader]) {
    try {
      process.dlopen({ exports: {} }, name, RTLD_NOW | RTLD_GLOBAL | noDelete);
      return;
    } catch (error) {
      if (/self-register/.test(String(error))) return; // loaded, though not an addon
    }
  }
}
