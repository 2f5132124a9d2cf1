/** What is evaluated on: a test set, or one for each corruption and severity. */
import { readFile } from "node:fs/promises";
import { DataError } from "dawngrad";
import { type ImageFolder, imageFolder, imageNetC, imageNetR } from "dawngrad/data";
import { type AugmentOptions, evaluationTransforms } from "./augment.js";
import { entryOf, openTest, type Source } from "./data-sets.js";
import type { EvaluateOptions, TestSetName } from "./evaluate-options.js";

export interface TestSet {
  /** Of ImageNet-C: the corruption and its severity. */
  readonly corruption?: string;
  readonly severity?: number;
  open(): Promise<Source>;
}

export interface TestSets {
  readonly sets: readonly TestSet[];
  readonly classes: readonly string[];
  readonly inputShape: readonly number[];
  readonly transform: ReturnType<typeof evaluationTransforms>;
  /** Labels to decide between; all without it. */
  readonly among?: readonly number[];
}

/** `known` are the classes of the checkpoint. */
export async function openTestSets(
  name: TestSetName,
  options: EvaluateOptions & { readonly imageSize: number },
  known: readonly string[] | undefined,
): Promise<TestSets> {
  const { corrupt, imageSize, testSize } = options;
  if (name !== "imagenet-c" && name !== "imagenet-r") {
    const { test, inputShape, augment } = await openTest(name, {
      dir: options.dir,
      corrupt,
      imageSize,
      testSize,
    });
    const transform = evaluationTransforms(augment);
    return { sets: [{ open: async () => test }], classes: test.classes, inputShape, transform };
  }
  // The folder was asked for before.
  const dir = options.dir!;
  const classes = known ?? (await readClasses(options.classes ?? dir));
  const common = { classes, corrupt };
  const { statistics, policy, cutoutSize } = entryOf("imagenet");
  const augment: AugmentOptions = { statistics, policy, cutoutSize, imageSize };
  const shared = {
    classes,
    inputShape: [imageSize, imageSize, 3],
    transform: evaluationTransforms(augment),
  };
  const part = (folder: ImageFolder) => sampled(folder, testSize);
  if (name === "imagenet-r") {
    const { test, present } = await imageNetR(dir, common);
    return { ...shared, sets: [{ open: async () => part(test) }], among: present };
  }
  const folders = await imageNetC(dir, common);
  const sets = folders.map(({ corruption, severity, open }) => ({
    corruption,
    severity,
    open: async () => part(await open()),
  }));
  return { ...shared, sets };
}

/** Evenly spread over the classes, which follow each other in a folder. */
function sampled(folder: ImageFolder, count: number | undefined): ImageFolder {
  if (count === undefined || count >= folder.size) return folder;
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * folder.size) / count));
  return folder.subset(indices);
}

async function readClasses(path: string): Promise<readonly string[]> {
  try {
    const lines = (await readFile(path, "utf8")).split(/\r?\n/).map((line) => line.trim());
    const names = lines.filter((line) => line !== "");
    if (names.length > 0) return names;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EISDIR")
      return (await imageFolder(path)).classes;
    throw new DataError(
      `${path}: expected class names or folders, found: ${(error as Error).message}`,
    );
  }
  throw new DataError(`${path}: expected one class a line, found none`);
}
