/**
 * Measured choices of kernels in a file of the cache folder, one for each adapter and driver. What is not
 * such a file is ignored, and written anew; writers replace it as a whole, so readers never see half a file.
 */
import type { ChoiceStore } from "../choices.js";
import { nodeCrypto, nodeFs, nodePath } from "./modules.js";
import { cacheFolder } from "./swiftshader.js";

const format = "dawngrad kernel choices 1";

interface Content {
  readonly format: string;
  readonly adapter: string;
  readonly choices: Readonly<Record<string, string>>;
}

function isContent(x: unknown, adapter: string): x is Content {
  const c = x as Partial<Content> | null;
  return (
    typeof c === "object" &&
    c !== null &&
    c.format === format &&
    c.adapter === adapter &&
    typeof c.choices === "object" &&
    c.choices !== null &&
    !Array.isArray(c.choices) &&
    Object.values(c.choices).every((name) => typeof name === "string")
  );
}

/** The store for an adapter, which `adapter` describes with its driver and version. */
export function choiceStore(
  adapter: string,
  folder: () => Promise<string> = cacheFolder,
): ChoiceStore {
  const place = async () => {
    const [path, crypto] = await Promise.all([nodePath(), nodeCrypto()]);
    const hash = crypto.createHash("sha256").update(adapter).digest("hex").slice(0, 16);
    return path.join(await folder(), "kernels", `${hash}.json`);
  };
  const load = async (): Promise<Readonly<Record<string, string>>> => {
    try {
      const fs = await nodeFs();
      const content: unknown = JSON.parse(await fs.promises.readFile(await place(), "utf8"));
      return isContent(content, adapter) ? content.choices : {};
    } catch {
      return {}; // none yet, unreadable or not JSON
    }
  };
  return {
    load,
    async save(choices) {
      const [fs, path, crypto, file] = await Promise.all([
        nodeFs(),
        nodePath(),
        nodeCrypto(),
        place(),
      ]);
      // What others have written meanwhile stays.
      const content: Content = { format, adapter, choices: { ...(await load()), ...choices } };
      const own = `${file}.${process.pid}.${crypto.randomBytes(4).toString("hex")}`;
      try {
        await fs.promises.mkdir(path.dirname(file), { recursive: true });
        await fs.promises.writeFile(own, JSON.stringify(content, null, 1));
        await fs.promises.rename(own, file);
      } catch {
        // A cache that cannot be written costs time, not correctness.
        await fs.promises.rm(own, { force: true }).catch(() => undefined);
      }
    },
  };
}
