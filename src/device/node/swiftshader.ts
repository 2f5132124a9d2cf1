/**
 * SwiftShader, a Vulkan driver that computes on the CPU, out of the npm package
 * @sparticuz/chromium: unpacked once into a cache folder, it gives an adapter on a Linux machine
 * that has no Vulkan at all, without root.
 */
import { DeviceError } from "../../core/errors.js";
import { nodeCrypto, nodeFs, nodeModule, nodeOs, nodePath, nodeZlib } from "./modules.js";
import { untar } from "./tar.js";

const driver = "libvk_swiftshader.so";
const loader = "libvulkan.so.1";
const manifest = "vk_swiftshader_icd.json";
const files = [driver, loader, manifest] as const;
/** Written last into a cache: the SHA-256 of each file. */
const seal = "sha256.json";

export interface SwiftShader {
  /** The driver's manifest, for VK_DRIVER_FILES. */
  readonly icd: string;
  /** A Vulkan loader, for machines that have none. */
  readonly loader: string;
}

interface Package {
  readonly archive: string;
  readonly version: string;
}

/** Finds the package beside dawngrad or in the project that uses it; undefined if not installed. */
export async function findPackage(): Promise<Package | undefined> {
  const [fs, path, { createRequire }] = await Promise.all([nodeFs(), nodePath(), nodeModule()]);
  for (const from of [import.meta.url, path.join(process.cwd(), "package.json")]) {
    let folder: string;
    try {
      folder = path.dirname(createRequire(from).resolve("@sparticuz/chromium"));
    } catch {
      continue;
    }
    // The package exports only its main file: its root is the first folder above with a manifest.
    for (; folder !== path.dirname(folder); folder = path.dirname(folder)) {
      const archive = path.join(folder, "bin", "swiftshader.tar.br");
      if (!fs.existsSync(archive)) continue;
      const { version } = JSON.parse(
        fs.readFileSync(path.join(folder, "package.json"), "utf8"),
      ) as { version: string };
      return { archive, version };
    }
  }
  return undefined;
}

/** The folder that dawngrad caches in. */
export async function cacheFolder(): Promise<string> {
  const [os, path] = await Promise.all([nodeOs(), nodePath()]);
  const base = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  return path.join(base, "dawngrad");
}

/** SwiftShader's files, unpacked on first use. */
export async function unpackSwiftShader(found: Package): Promise<SwiftShader> {
  const [fs, path, os] = await Promise.all([nodeFs(), nodePath(), nodeOs()]);
  const base = await cacheFolder();
  const home = path.join(base, `swiftshader-${found.version}`);
  if (await isWhole(home)) return located(path, home);

  let fresh: string;
  try {
    fs.mkdirSync(base, { recursive: true });
    fresh = fs.mkdtempSync(`${home}.new-`);
  } catch {
    // No place to keep it: a private folder for this process alone.
    const own = fs.mkdtempSync(path.join(os.tmpdir(), "dawngrad-swiftshader-"));
    process.once("exit", () => fs.rmSync(own, { recursive: true, force: true }));
    await unpackInto(found, own);
    return located(path, own);
  }
  try {
    await unpackInto(found, fresh);
    await put(fresh, home);
  } finally {
    fs.rmSync(fresh, { recursive: true, force: true });
  }
  return located(path, home);
}

function located(path: typeof import("node:path"), folder: string): SwiftShader {
  return { icd: path.join(folder, manifest), loader: path.join(folder, loader) };
}

async function unpackInto(found: Package, folder: string): Promise<void> {
  const [fs, path, zlib] = await Promise.all([nodeFs(), nodePath(), nodeZlib()]);
  let contents: Map<string, Uint8Array>;
  try {
    contents = untar(zlib.brotliDecompressSync(fs.readFileSync(found.archive)), files);
    for (const name of files) if (!contents.has(name)) throw new Error(`it has no ${name}`);
  } catch (error) {
    throw new DeviceError(
      `cannot unpack SwiftShader from @sparticuz/chromium ${found.version} (${error}). ` +
        "Reinstall the package; 147.0.0 is known to work.",
      { cause: error },
    );
  }
  const hashes: Record<string, string> = {};
  for (const [name, bytes] of contents) {
    fs.writeFileSync(path.join(folder, name), bytes, { mode: 0o755 });
    hashes[name] = await sha256(bytes);
  }
  fs.writeFileSync(path.join(folder, seal), JSON.stringify(hashes));
}

/** Moves a finished folder into its place, whoever else is doing the same. */
async function put(fresh: string, home: string): Promise<void> {
  const fs = await nodeFs();
  for (let attempt = 0; ; attempt++) {
    try {
      fs.renameSync(fresh, home); // atomic; fails if there is a (non-empty) folder already
      return;
    } catch (error) {
      if (await isWhole(home)) return; // another process was first
      if (attempt === 5) throw error;
      // A damaged one is in the way. Whoever has loaded it keeps its files.
      const aside = `${home}.bad-${process.pid}-${attempt}`;
      try {
        fs.renameSync(home, aside);
        fs.rmSync(aside, { recursive: true, force: true });
      } catch {
        // Another process moved it first: try again.
      }
    }
  }
}

/** True if the folder holds all of the files exactly as they were unpacked. */
async function isWhole(folder: string): Promise<boolean> {
  const [fs, path] = await Promise.all([nodeFs(), nodePath()]);
  try {
    const hashes = JSON.parse(fs.readFileSync(path.join(folder, seal), "utf8")) as Record<
      string,
      string
    >;
    for (const name of files) {
      if (hashes[name] !== (await sha256(fs.readFileSync(path.join(folder, name))))) return false;
    }
    return true;
  } catch {
    return false;
  }
}

async function sha256(bytes: Uint8Array): Promise<string> {
  return (await nodeCrypto()).createHash("sha256").update(bytes).digest("hex");
}
