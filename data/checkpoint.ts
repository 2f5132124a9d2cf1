/** Tensors in safetensors files: trees of them, and flat records by name. */
import { array, Tensor } from "../src/index.js";
import { writeAtomically } from "./atomic-write.js";
import { fromStored, toStored, type Values } from "./convert.js";
import { fail, messageOf } from "./file.js";
import { encodeSafetensors, readSafetensors, type StoredTensor } from "./safetensors-format.js";
import { decodeTree, encodeTree } from "./tree-text.js";

/** The metadata entry that holds the tree. */
const TREE = "dawngrad.tree";

const isTensor = (x: unknown): x is Tensor => x instanceof Tensor;

export interface SaveOptions {
  /** Strings to keep with the file, readable by any safetensors reader. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Save a tree of tensors, numbers, strings, booleans and null (parameters, optimizer state, the
 * epoch, a random key) as a safetensors file, in which each tensor is named by its key path
 * (`params.0.weight`). An older file at `path` is replaced only when the new one is whole and on the
 * disk. The tensors' values are those at the time of the call: they may be donated right after it.
 *
 * Throws a DataError if the tree holds anything else, or if the file cannot be written.
 *
 * ```ts no-run
 * import { tmpdir } from "node:os";
 * const path = `${tmpdir()}/dawngrad-example.safetensors`;
 * await saveCheckpoint(path, { params: { weight: array([1, 2]) }, epoch: 3 });
 * await loadCheckpoint(path); // {"params": {"weight": [1, 2]}, "epoch": 3}
 * ```
 */
export async function saveCheckpoint(
  path: string,
  tree: unknown,
  options: SaveOptions = {},
): Promise<void> {
  const { text, tensors } = encodeTree(tree, isTensor);
  await write(path, tensors, { ...options.metadata, [TREE]: text });
}

async function write(
  path: string,
  tensors: Iterable<readonly [string, Tensor]>,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  // All reads are started before anything is awaited.
  const reads = [...tensors].map(async ([name, tensor]): Promise<[string, StoredTensor]> => {
    const values = { dtype: tensor.dtype, data: await tensor.data() } as Values;
    return [name, toStored(values, tensor.shape)];
  });
  const stored = new Map(await Promise.all(reads));
  const file = { tensors: stored, metadata: new Map(Object.entries(metadata)) };
  await writeAtomically(path, encodeSafetensors(file));
}

/**
 * The tree that `saveCheckpoint` saved. The values are the same bit for bit.
 *
 * Throws a DataError if the file is absent or damaged, or was not written by `saveCheckpoint` (see
 * `loadSafetensors` for other files).
 *
 * ```ts no-run
 * const { params, epoch } = await loadCheckpoint<{ params: Tensor[]; epoch: number }>("run.safetensors");
 * console.log(epoch, params.length);
 * ```
 */
export async function loadCheckpoint<Tree = unknown>(path: string): Promise<Tree> {
  const { tensors, metadata } = await readSafetensors(path);
  const text = metadata.get(TREE);
  if (text === undefined) {
    throw fail(
      path,
      "a checkpoint of dawngrad",
      "a safetensors file without a tree",
      "loadSafetensors reads it",
    );
  }
  const tree = catching(path, () =>
    decodeTree(text, (name) => {
      const stored = tensors.get(name);
      if (stored === undefined) throw fail(path, `a tensor "${name}"`, "none of that name");
      return toTensor(path, name, stored);
    }),
  );
  return tree as Tree;
}

/**
 * Save tensors by name as a safetensors file for any reader of the format, PyTorch's among them:
 * `safetensors.torch.load_file(path)` gives the same names, shapes, dtypes and values. With nn's
 * `toStateDict` the names and layouts are PyTorch's too. An older file at `path` is replaced only when
 * the new one is whole and on the disk; the values are those at the time of the call.
 *
 * @throws DataError for a value that is no tensor, for the name `__metadata__`, which the format keeps
 * to itself, or if the file cannot be written.
 *
 * ```ts no-run
 * const { params, state } = resnet18().init(random.key(0), [1, 224, 224, 3]);
 * const dict = toStateDict({ params, state });
 * await saveSafetensors("resnet18.safetensors", dict, { metadata: { format: "pt" } });
 * ```
 */
export async function saveSafetensors(
  path: string,
  tensors: Readonly<Record<string, Tensor>>,
  { metadata = {} }: SaveOptions = {},
): Promise<void> {
  for (const [name, x] of Object.entries(tensors)) {
    if (!isTensor(x)) throw fail(path, `a tensor "${name}" to save`, typeof x);
    if (name === "__metadata__") {
      throw fail(path, "names of tensors", `"${name}"`, "the format keeps this name for itself");
    }
  }
  for (const [name, x] of Object.entries(metadata)) {
    if (typeof x !== "string") throw fail(path, `a string as metadata "${name}"`, typeof x);
  }
  await write(path, Object.entries(tensors), metadata);
}

/**
 * All tensors of a safetensors file, of any origin, by name. Floats of any width become float32,
 * signed integers int32, unsigned ones uint32, BOOL bool.
 *
 * Throws a DataError if the file is absent or damaged, or holds a 64-bit integer beyond 32 bits.
 *
 * ```ts no-run
 * const weights = await loadSafetensors("resnet18.safetensors");
 * weights["fc.weight"]?.shape; // [1000, 512]
 * ```
 */
export async function loadSafetensors(path: string): Promise<Record<string, Tensor>> {
  const { tensors } = await readSafetensors(path);
  return Object.fromEntries(
    [...tensors].map(([name, stored]) => [name, toTensor(path, name, stored)]),
  );
}

function toTensor(path: string, name: string, stored: StoredTensor): Tensor {
  const { dtype, data } = fromStored(path, name, stored);
  return array(data, { dtype, shape: stored.shape });
}

function catching<T>(path: string, f: () => T): T {
  try {
    return f();
  } catch (error) {
    const message = messageOf(error);
    throw message.startsWith(path) ? error : fail(path, "a checkpoint of dawngrad", message);
  }
}
