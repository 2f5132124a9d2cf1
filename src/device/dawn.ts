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
  driverNamed,
  driverOf,
  isSoftware,
  type OpenedDevice,
  requestDevice,
} from "./adapter.js";
import { KernelChoices, tuneModes } from "./choices.js";
import { choiceStore } from "./node/choice-store.js";
import { diagnose, mesaAdvice, type Refusal } from "./node/diagnose.js";
import { dawn, nodeOs } from "./node/modules.js";
import { findPackage, unpackSwiftShader } from "./node/swiftshader.js";

type Create = (options: string[]) => GPU;
type Found = Pick<OpenedDevice, "instance" | "adapter" | "device">;

/** Best first. `software` is any other software driver of the system's, such as Windows' WARP. */
const software: readonly Driver[] = ["lavapipe", "software", "swiftshader"];
const choices: Readonly<Record<string, readonly Driver[]>> = {
  auto: ["hardware", ...software],
  hardware: ["hardware"],
  software,
  lavapipe: ["lavapipe"],
  swiftshader: ["swiftshader"],
};

/**
 * The drivers to try, best first: what the caller chose, narrowed by DAWNGRAD_ADAPTER. Where the two
 * contradict each other, the caller's own choice stands.
 */
function wanted(choice: AdapterChoice): readonly Driver[] {
  const variable = process.env.DAWNGRAD_ADAPTER || "auto";
  const narrowed = Object.hasOwn(choices, variable) ? choices[variable] : undefined;
  if (narrowed === undefined) {
    throw new DeviceError(
      `init(): DAWNGRAD_ADAPTER=${variable} is not one of ${Object.keys(choices).join(", ")}.`,
    );
  }
  const chosen = choices[choice]!;
  const both = chosen.filter((driver) => narrowed.includes(driver));
  return both.length > 0 ? both : chosen;
}

/** Opens the best device that the machine has and `choice` allows. */
export async function openDawn(choice: AdapterChoice): Promise<OpenedDevice> {
  const drivers = wanted(choice);
  const create = await loadDawn();
  const seen = drivers.every((d) => d === "swiftshader") ? [] : await listAdapters(create);
  const candidates: Candidate[] = [];
  for (const driver of drivers) {
    const found = await open(create, driver, seen);
    if ("reason" in found) {
      candidates.push({ driver, used: false, ...found });
      continue;
    }
    destroyAtExit(found);
    const reason = adapterName(found.adapter.info);
    candidates.push({ driver, used: true, reason });
    const budget = isSoftware(found.adapter.info) ? await hostMemory() : undefined;
    const kept = await keptChoices(found.adapter.info);
    const { info } = found.adapter;
    return { ...found, driver: driverOf(info), candidates, polled: true, budget, choices: kept };
  }
  throw noAdapter(choice, candidates);
}

/** What was measured on this adapter before, unless DAWNGRAD_TUNE says not to look. */
async function keptChoices(info: GPUAdapterInfo): Promise<KernelChoices> {
  const variable = process.env.DAWNGRAD_TUNE || "full";
  const mode = tuneModes.find((each) => each === variable);
  if (mode === undefined) {
    throw new DeviceError(
      `init(): DAWNGRAD_TUNE=${variable} is not one of ${tuneModes.join(", ")}.`,
    );
  }
  const { vendor, architecture, device, description } = info;
  const kept = new KernelChoices(
    mode,
    choiceStore([vendor, architecture, device, description].join(" | ")),
  );
  await kept.load();
  return kept;
}

/** The last device, with the instance that must outlive it. */
let held: Found | undefined;

/**
 * Destroys the device before the process exits, which waits for work that is under way: SwiftShader's
 * threads crash if the process is taken down around them.
 */
function destroyAtExit(found: Found): void {
  if (held === undefined) process.once("exit", () => held?.device.destroy());
  held = found;
}

function noAdapter(choice: AdapterChoice, candidates: readonly Candidate[]): DeviceError {
  const variable = process.env.DAWNGRAD_ADAPTER;
  const narrowed = variable ? ` with DAWNGRAD_ADAPTER=${variable}` : "";
  const lines = candidates.map(({ driver, reason, advice }) =>
    advice === undefined ? `  ${driver}: ${reason}` : `  ${driver}: ${reason}\n    -> ${advice}`,
  );
  const onlyHardware = candidates.every(({ driver }) => driver === "hardware");
  const byProgram = choice === "hardware";
  const remedy = onlyHardware
    ? `Software adapters were left out; one is taken where there is no GPU ${
        byProgram ? 'by init({ adapter: "auto" }).' : "if DAWNGRAD_ADAPTER is not set."
      }`
    : `On Linux, ${mesaAdvice}; or, without root: npm i -D @sparticuz/chromium (SwiftShader).`;
  return new DeviceError(
    `init({ adapter: "${choice}" })${narrowed}: no usable WebGPU adapter.\n${lines.join("\n")}\n${remedy}`,
  );
}

async function loadDawn(): Promise<Create> {
  try {
    return (await dawn()).create;
  } catch (error) {
    throw new DeviceError(
      `init(): the npm package webgpu (Dawn) does not load on ${process.platform}-${process.arch}: ` +
        `${error}. Run npm i webgpu; on Linux it needs glibc.`,
      { cause: error },
    );
  }
}

/** The names of the adapters that Dawn sees: it lists them when asked for one that does not exist. */
async function listAdapters(create: Create): Promise<string[]> {
  try {
    await create(["adapter=dawngrad lists adapters"]).requestAdapter();
    return [];
  } catch (error) {
    return [...String(error).matchAll(/name: '([^']*)'/g)].map((match) => match[1]!);
  }
}

async function open(
  create: Create,
  driver: Driver,
  seen: readonly string[],
): Promise<Found | Refusal> {
  let failure: string | undefined;
  for (const name of seen.filter((each) => driverNamed(each) === driver)) {
    const found = await openNamed(create, name);
    if (!("reason" in found)) return found;
    failure ??= found.reason;
  }
  if (driver === "swiftshader") return openSwiftShader(create);
  return failure === undefined ? diagnose(driver, seen) : { reason: failure };
}

/** A device of the adapter whose name contains `name`. */
async function openNamed(create: Create, name: string): Promise<Found | Refusal> {
  try {
    // Timestamps are for the user's own profile here: no need to blur them.
    const instance = create([`adapter=${name}`, "disable-dawn-features=timestamp_quantization"]);
    const adapter = await instance.requestAdapter();
    if (adapter === null) return { reason: `${name}: Dawn gives no adapter` };
    return { instance, adapter, device: await requestDevice(adapter) };
  } catch (error) {
    return { reason: `${name}: ${error}` };
  }
}

/** SwiftShader from the optional package. */
async function openSwiftShader(create: Create): Promise<Found | Refusal> {
  const host = `${process.platform}-${process.arch}`;
  if (host !== "linux-x64") {
    return { reason: `the packaged SwiftShader is for linux-x64, and this is ${host}` };
  }
  const found = await findPackage();
  if (found === undefined) {
    return {
      reason: "the optional package @sparticuz/chromium is not installed",
      advice: "npm i -D @sparticuz/chromium",
    };
  }
  let files: Awaited<ReturnType<typeof unpackSwiftShader>>;
  try {
    files = await unpackSwiftShader(found);
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
  const loaded = await preload(files.loader);
  if (loaded !== undefined) return { reason: loaded };
  // The loader reads these when an instance is made. Loaders before 1.3.207 know the second only.
  const restore = setEnvironment({ VK_DRIVER_FILES: files.icd, VK_ICD_FILENAMES: files.icd });
  try {
    return await openNamed(create, "SwiftShader");
  } finally {
    restore();
  }
}

/**
 * Loads a Vulkan loader unless the system has one, so that Dawn's own dlopen("libvulkan.so.1") finds
 * it by name. process.dlopen complains that the library is no addon, and leaves it loaded.
 * @returns what went wrong, or undefined
 */
async function preload(loader: string): Promise<string | undefined> {
  const { RTLD_NOW, RTLD_GLOBAL } = (await nodeOs()).constants.dlopen;
  const noDelete = 0x1000;
  let failure: string | undefined;
  for (const name of ["libvulkan.so.1", loader]) {
    try {
      process.dlopen({ exports: {} }, name, RTLD_NOW | RTLD_GLOBAL | noDelete);
      return undefined;
    } catch (error) {
      failure = String(error);
      if (/self-register/.test(failure)) return undefined;
    }
  }
  return `its Vulkan loader does not load: ${failure}`;
}

/** Most of the memory that this process may use: the machine's, or its container's. */
async function hostMemory(): Promise<number> {
  const total = (await nodeOs()).totalmem();
  const allowed = process.constrainedMemory?.() ?? 0; // 0, or immense, where nothing is set
  return 0.9 * (allowed > 0 ? Math.min(total, allowed) : total);
}

/** Sets environment variables; the function returned puts them back. */
function setEnvironment(variables: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
