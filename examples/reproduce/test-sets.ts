/** What Table 2 tests on beside clean images: corrupted ones, and ImageNet's relatives. */
import { Dataset, imageNetC, imageNetR } from "dawngrad/data";
import { type Batches, inMemory, pieces } from "./batches.js";
import type { Context } from "./context.js";
import { corrupted, corruptions } from "./corruptions.js";
import { first, type Images } from "./images.js";
import type { Experiment } from "./settings.js";

export interface TestSet {
  readonly name: string;
  open(images: Images): Promise<{
    readonly batches: Batches;
    /** Decide between these labels only. */
    readonly among?: readonly number[];
  }>;
}

const corruptedImages = 1000;
const evaluationBatch = 500;
/** Images of 224×224 are larger. */
const fileBatch = 100;

/** Of images in memory: the corruptions of corruptions.ts. Of ImageNet: -C and -R, where given. */
export async function otherTestSets(
  e: Experiment,
  { scale, folders }: Context,
): Promise<TestSet[]> {
  if (e.data !== "imagenet") {
    return Object.keys(corruptions).flatMap((name) =>
      scale.severities.map((severity) => ({
        name: `${name} ${severity}`,
        async open(images: Images) {
          const test = first(images.test, corruptedImages);
          if (!(test instanceof Dataset)) throw new Error(`${test.name} is not in memory`);
          const bytes = corrupted(test.images, test.inputShape, name, severity);
          return { batches: inMemory(test, bytes, images, evaluationBatch) };
        },
      })),
    );
  }
  const sets: TestSet[] = [];
  const c = folders["imagenet-c"];
  // The classes are only known with the images: the list of files is made when it is read.
  if (c !== undefined) {
    for (const { corruption, severity } of await imageNetC(c, { classes: [] })) {
      sets.push({
        name: `${corruption} ${severity}`,
        async open(images) {
          const folder = (
            await imageNetC(c, { classes: images.train.classes, corrupt: "skip" })
          ).find((f) => f.corruption === corruption && f.severity === severity)!;
          const test = await folder.open();
          return { batches: pieces(test, images, test.size, fileBatch) };
        },
      });
    }
  }
  const r = folders["imagenet-r"];
  if (r !== undefined) {
    sets.push({
      name: "ImageNet-R",
      async open(images) {
        const { test, present } = await imageNetR(r, {
          classes: images.train.classes,
          corrupt: "skip",
        });
        return { batches: pieces(test, images, test.size, fileBatch), among: present };
      },
    });
  }
  return sets;
}
