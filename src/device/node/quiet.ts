/** Runs the opening of a device with Dawn's harmless warnings kept from standard error. */
import { nodeFs, nodeOs, nodePath } from "./modules.js";

/** The first lines of Dawn's and the Vulkan loader's warnings about drivers that were looked at. */
const harmless =
  /^(Warning: .*(artificially reduced|Couldn't load Vulkan|vkCreateInstance|Vulkan \S+ required)|error: XDG_RUNTIME_DIR)/;
/** The lines that follow one. */
const following = /^( - While |\s+at .*\(.*dawn.*\)$|$)/;

/** What is left of the text that a device's opening wrote to standard error. */
export function withoutDawnWarnings(text: string): string {
  const kept: string[] = [];
  let dropping = false;
  for (const line of text.split("\n")) {
    dropping = harmless.test(line) || (dropping && following.test(line));
    if (!dropping) kept.push(line);
  }
  return kept.join("\n");
}

/** Runs `work` with file descriptor 2 in a temporary file, and forwards what is worth reading. */
export async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const [fs, os, path] = await Promise.all([nodeFs(), nodeOs(), nodePath()]);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "dawngrad-"));
  const noRuntimeFolder = process.env.XDG_RUNTIME_DIR === undefined;
  if (noRuntimeFolder) process.env.XDG_RUNTIME_DIR = folder;
  const restore = divert(fs, path.join(folder, "stderr"));
  try {
    return await work();
  } finally {
    const text = restore();
    if (noRuntimeFolder) delete process.env.XDG_RUNTIME_DIR;
    fs.rmSync(folder, { recursive: true, force: true });
    const worth = withoutDawnWarnings(text);
    if (worth !== "") process.stderr.write(worth.endsWith("\n") ? worth : `${worth}\n`);
  }
}

/**
 * Points file descriptor 2 to a file; the function returned puts it back and gives what was written.
 * Node has no dup(): a descriptor is opened anew through /proc, and takes the lowest free number,
 * which after a close is the one just closed. A socket cannot be opened so, and a regular file that
 * standard output shares would lose their common position: both are left alone.
 */
function divert(fs: typeof import("node:fs"), file: string): () => string {
  const nothing = () => "";
  const { O_WRONLY, O_APPEND, O_RDWR, O_CREAT } = fs.constants;
  let saved: number;
  try {
    const kind = fs.fstatSync(2);
    if (process.platform !== "linux" || !(kind.isFIFO() || kind.isCharacterDevice())) {
      return nothing;
    }
    saved = fs.openSync("/proc/self/fd/2", O_WRONLY | O_APPEND);
  } catch {
    return nothing;
  }
  fs.closeSync(2);
  fs.openSync(file, O_RDWR | O_CREAT | O_APPEND, 0o600);
  return () => {
    const text = fs.readFileSync(file, "utf8");
    fs.closeSync(2);
    fs.openSync(`/proc/self/fd/${saved}`, O_WRONLY | O_APPEND);
    fs.closeSync(saved);
    return text;
  };
}
