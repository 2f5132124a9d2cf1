/**
 * Why no driver of the system can be used, as far as can be told without Vulkan: the manifests that
 * are installed, Mesa's version, and whether there is a GPU to drive. Dawn writes its own reasons to
 * the standard error stream only.
 */
import type { Driver } from "../adapter.js";
import { nodeFs, nodeOs, nodePath } from "./modules.js";

export interface Refusal {
  readonly reason: string;
  readonly advice?: string;
}

/** What to install for a faster software adapter. */
export const mesaAdvice =
  "install libvulkan1 and mesa-vulkan-drivers >= 24 (Debian 13, Ubuntu 24.04 and later have it; " +
  "on Debian 12: apt-get install -t bookworm-backports libvulkan1 mesa-vulkan-drivers)";

/** Why there is no adapter of the kind `driver`, where Dawn saw the adapters `seen`. */
export async function diagnose(driver: Driver, seen: readonly string[]): Promise<Refusal> {
  const others = seen.length === 0 ? "" : ` (Dawn sees only ${seen.join(", ")})`;
  if (process.platform !== "linux") {
    return { reason: `Dawn sees no such adapter${others}` };
  }
  const manifests = await installedManifests();
  if (driver === "lavapipe") return explainLavapipe(manifests, others);
  if (driver === "hardware") return explainHardware(manifests, others);
  return { reason: `no other software driver${others}` };
}

function explainLavapipe(manifests: readonly Manifest[], others: string): Refusal {
  const mesa = manifests.find(({ file }) => /lvp|lavapipe/.test(file));
  if (mesa === undefined) {
    return { reason: `Mesa's lavapipe is not installed${others}`, advice: mesaAdvice };
  }
  const version = mesa.version === undefined ? "" : ` ${mesa.version}`;
  const old = Number.parseInt(mesa.version ?? "", 10) < 24;
  const why = old
    ? "Dawn refuses it: it needs Mesa >= 24"
    : "Dawn refuses it or cannot load it: it needs Mesa >= 24 and libvulkan.so.1";
  return { reason: `Mesa${version} is installed (${mesa.file}), but ${why}`, advice: mesaAdvice };
}

async function explainHardware(manifests: readonly Manifest[], others: string): Promise<Refusal> {
  const fs = await nodeFs();
  const gpus = ["/dev/dri", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd"].filter((file) =>
    fs.existsSync(file),
  );
  const drivers = manifests.map(({ file }) => file).filter((file) => !/lvp|lavapipe/.test(file));
  if (gpus.length === 0) {
    return {
      reason: `no GPU is visible (no /dev/dri, /dev/nvidiactl)${others}`,
      advice: "on a machine or in a container with a GPU, pass its devices through",
    };
  }
  if (drivers.length === 0) {
    return {
      reason: `${gpus.join(", ")} is there, but no Vulkan driver for it is installed${others}`,
      advice: "install the GPU vendor's Vulkan driver (Mesa's: mesa-vulkan-drivers)",
    };
  }
  return {
    reason: `no installed driver (${drivers.join(", ")}) gives an adapter that Dawn accepts${others}`,
    advice: "check with vulkaninfo --summary, and that this user may open /dev/dri/renderD*",
  };
}

interface Manifest {
  readonly file: string;
  /** Mesa's version, for lavapipe. */
  readonly version: string | undefined;
}

/** The manifests of Vulkan drivers, where the loader looks for them. */
async function installedManifests(): Promise<Manifest[]> {
  const [fs, path, os] = await Promise.all([nodeFs(), nodePath(), nodeOs()]);
  const named = process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES;
  const list = (value: string | undefined) => (value ? value.split(":").filter(Boolean) : []);
  const places = [
    ...list(process.env.XDG_DATA_HOME || path.join(os.homedir(), ".local/share")),
    ...list(process.env.XDG_CONFIG_DIRS || "/etc/xdg"),
    "/etc",
    "/usr/local/etc",
    ...list(process.env.XDG_DATA_DIRS || "/usr/local/share:/usr/share"),
  ];
  const files = list(named);
  if (files.length === 0) {
    for (const place of places) {
      const folder = path.join(place, "vulkan/icd.d");
      try {
        for (const name of fs.readdirSync(folder)) {
          if (name.endsWith(".json")) files.push(path.join(folder, name));
        }
      } catch {
        // Most of these places do not exist.
      }
    }
  }
  return files.map((file) => ({
    file,
    version: /lvp|lavapipe/.test(file) ? mesaVersion(fs, path, file) : undefined,
  }));
}

/** Mesa writes its version into the driver: "Mesa 22.3.6". */
function mesaVersion(
  fs: typeof import("node:fs"),
  path: typeof import("node:path"),
  manifest: string,
): string | undefined {
  try {
    const { ICD } = JSON.parse(fs.readFileSync(manifest, "utf8")) as {
      ICD: { library_path: string };
    };
    const library = path.resolve(path.dirname(manifest), ICD.library_path);
    return /Mesa (\d+\.\d+[.\d]*)/.exec(fs.readFileSync(library, "latin1"))?.[1];
  } catch {
    return undefined;
  }
}
