/** The parts of the reproduction: what each of the paper's tables and figures needs. */

import { pieces } from "./batches.js";
import type { Context } from "./context.js";
import { chosen, groups, imagesOf, type Run, runsOf, settingsKey, train } from "./experiment.js";
import { type Images, missing } from "./images.js";
import { type Curvature, curvatureOf, type Ratio, ratioOf } from "./measuring.js";
import { networkOf } from "./networks.js";
import type { Experiment, Hyper, MethodName } from "./settings.js";
import { NotRun } from "./store.js";
import { otherTestSets } from "./test-sets.js";

export const partNames = ["table1", "table2", "table3", "figure1", "figure2", "figure4"] as const;
export type PartName = (typeof partNames)[number];

/** An experiment's runs; none where it was skipped, or not run so far. */
export interface Outcome {
  readonly experiment: Experiment;
  /** Why it cannot run here. */
  readonly skipped?: string;
  readonly hyper?: Hyper;
  readonly runs?: ReadonlyMap<MethodName, readonly Run[]>;
}

async function outcome(
  e: Experiment,
  context: Context,
  work: (context: Context, images: () => Promise<Images>) => Promise<Omit<Outcome, "experiment">>,
): Promise<Outcome> {
  const skipped = missing(e.data, context.folders);
  context.progress.log(`${e.name}: ${skipped === undefined ? e.title : `skipped: ${skipped}`}`);
  // Results that are there are shown, whether the images are or not.
  const able = skipped === undefined ? context : { ...context, store: context.store.reading() };
  try {
    const found = await work(able, () => imagesOf(e, context));
    if (skipped === undefined || (found.runs?.size ?? 0) > 0) return { experiment: e, ...found };
  } catch (error) {
    if (!(error instanceof NotRun)) throw error;
  }
  return { experiment: e, ...(skipped === undefined ? {} : { skipped }) };
}

/** An experiment of Table 1; the same runs carry table 3's curvature and figure 4's landscapes. */
export const table1 = (e: Experiment, context: Context): Promise<Outcome> =>
  outcome(e, context, async (c, images) => ({
    hyper: await chosen(e, c, images),
    runs: await runsOf("table1", e, c, { curvature: true, landscape: true }, images),
  }));

/** An experiment of Table 2: accuracy on corrupted and on other images as well. */
export const table2 = (e: Experiment, context: Context): Promise<Outcome> =>
  outcome(e, context, async (c, images) => {
    const extras = { curvature: false, landscape: false, others: await otherTestSets(e, c) };
    return {
      hyper: await chosen(e, c, images),
      runs: await runsOf("table2", e, c, extras, images),
    };
  });

/** Training as SAM sees it: at some epochs, on training and on test images. */
export interface Look {
  readonly epoch: number;
  readonly ratio: Ratio;
  readonly train: Curvature;
  readonly test: Curvature;
}
export interface Tracked {
  readonly seed: number;
  readonly looks: readonly Look[];
}

/** Figures 1 and 2 come from the same trainings. */
export interface TrackedOutcome {
  readonly experiment: Experiment;
  readonly skipped?: string;
  /** Absent where it was skipped, or not run so far. */
  readonly seeds?: readonly Tracked[];
}

export async function tracked(context: Context): Promise<TrackedOutcome> {
  const e = context.scale.figures;
  const { track: epochs, ratioBatches, ...measuring } = context.scale.measuring;
  const seeds: Tracked[] = [];
  const { skipped } = await outcome(e, context, async (c, images) => {
    const hyper = await chosen({ ...e, methods: ["base", "sam"] }, c, images);
    for (const group of groups(e)) {
      const key = { settings: settingsKey(e), hyper, group, measuring, epochs, ratioBatches };
      const name = `figures/${e.name}/sam-seeds-${group[0]}-${group.at(-1)}`;
      try {
        const raw = await c.store.once(name, key, async () =>
          track(e, hyper, await images(), group, context),
        );
        seeds.push(...raw.result);
      } catch (error) {
        if (!(error instanceof NotRun)) throw error;
      }
    }
    return {};
  });
  return {
    experiment: e,
    ...(skipped === undefined ? {} : { skipped }),
    ...(seeds.length > 0 ? { seeds } : {}),
  };
}

async function track(
  e: Experiment,
  hyper: Hyper,
  images: Images,
  seeds: readonly number[],
  context: Context,
): Promise<Tracked[]> {
  const m = context.scale.measuring;
  const model = networkOf(e.network, images.train.classes.length);
  const onTrain = pieces(images.train, images, m.examples, 500);
  const onTest = pieces(images.test, images, m.examples, 500);
  const forRatio = pieces(images.train, images, m.ratioBatches * e.batch, e.batch);
  const found = seeds.map((seed) => ({ seed, looks: [] as Look[] }));
  const job = {
    experiment: e,
    method: "sam" as const,
    hyper,
    images,
    seeds,
    extras: { curvature: false, landscape: false },
  };
  await train(job, context, {
    epochs: m.track,
    async seen(epoch, lane, network) {
      found[lane]!.looks.push({
        epoch,
        ratio: await ratioOf(model, network, forRatio, hyper.rho),
        train: await curvatureOf(model, network, onTrain, m),
        test: await curvatureOf(model, network, onTest, m),
      });
    },
  });
  return found;
}
