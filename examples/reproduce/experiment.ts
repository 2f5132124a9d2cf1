/** An experiment's runs: every method from every seed, piece by piece into the store. */
import { disposeBatches, pieces } from "./batches.js";
import type { Context } from "./context.js";
import { heldOut, type Images, readImages } from "./images.js";
import {
  type Curvature,
  curvatureOf,
  type Landscape,
  landscapeOf,
  type Score,
  scorer,
} from "./measuring.js";
import { labelOf } from "./methods.js";
import { networkOf } from "./networks.js";
import type { Experiment, Hyper, Measure, MethodName } from "./settings.js";
import { NotRun } from "./store.js";
import type { TestSet } from "./test-sets.js";
import { disposeTree, laneOf, type TrainState, trainer } from "./training.js";

/** One seed of one method. */
export interface Run {
  readonly seed: number;
  /** Mean mini-batch loss of each epoch. */
  readonly trainLoss: readonly number[];
  readonly test: Score;
  /** On test images, at the end. */
  readonly curvature?: Curvature;
  /** Of seed 0 only. */
  readonly landscape?: Landscape;
  /** Tests on other images, by name. */
  readonly others?: Readonly<Record<string, Score>>;
}

/** Images in one evaluation, and the batch that curvature is measured with. */
const evaluationBatch = (e: Experiment): number => (e.data === "imagenet" ? 100 : 500);

export interface Extras {
  readonly curvature: boolean;
  readonly landscape: boolean;
  readonly others?: readonly TestSet[];
}

export interface Job {
  readonly experiment: Experiment;
  readonly method: MethodName;
  readonly hyper: Hyper;
  readonly images: Images;
  readonly seeds: readonly number[];
  readonly extras: Extras;
}

/** Seeds in groups that train together. */
export const groups = ({ seeds, lanes }: Experiment): number[][] =>
  Array.from({ length: Math.ceil(seeds / lanes) }, (_, g) =>
    Array.from({ length: Math.min(lanes, seeds - g * lanes) }, (_, i) => g * lanes + i),
  );

/** Trains a group of seeds, and measures each. `watch` sees every network after epochs that it names. */
export async function train(
  { experiment: e, method, hyper, images, seeds, extras }: Job,
  { progress, scale, signal }: Context,
  watch?: {
    readonly epochs: readonly number[];
    seen(epoch: number, lane: number, train: Pick<TrainState, "params" | "state">): Promise<void>;
  },
): Promise<Run[]> {
  const model = networkOf(e.network, images.train.classes.length);
  const training = trainer(e, method, hyper, model, images, signal);
  const what = `${e.name} ${labelOf(method, e)} seed${seeds.length > 1 ? "s" : ""} ${seeds.join(" ")}`;
  let train = training.start(seeds);
  const losses = seeds.map((): number[] => []);
  const look = async (epoch: number) => {
    if (!watch?.epochs.includes(epoch)) return;
    for (const [i] of seeds.entries()) {
      const lane = laneOf(train, seeds.length, i);
      await watch.seen(epoch, i, lane);
      if (seeds.length > 1) disposeTree(lane);
    }
  };
  progress.at(what, 0, e.epochs);
  await look(0);
  for (let epoch = 0; epoch < e.epochs; epoch++) {
    const done = await training.epoch(train, seeds, epoch);
    train = done.train;
    done.losses.forEach((loss, i) => {
      losses[i]!.push(loss);
    });
    progress.at(what, epoch + 1, e.epochs, `loss ${done.losses[0]!.toFixed(3)}`);
    await look(epoch + 1);
  }
  const score = scorer(model);
  const test = pieces(images.test, images, images.test.size, evaluationBatch(e));
  const m = scale.measuring;
  const measured = pieces(images.test, images, m.examples, evaluationBatch(e));
  const wanted = (what: Measure) => e.measure?.includes(what) ?? true;
  const others = seeds.map((): Record<string, Score> => ({}));
  for (const set of extras.others ?? []) {
    signal.throwIfAborted();
    const { batches, among } = await set.open(images);
    for (const i of seeds.keys()) {
      const lane = laneOf(train, seeds.length, i);
      others[i]![set.name] = await score(lane, batches, among);
      if (seeds.length > 1) disposeTree(lane);
    }
    disposeBatches(batches);
  }
  const runs: Run[] = [];
  for (const [i, seed] of seeds.entries()) {
    signal.throwIfAborted();
    const lane = laneOf(train, seeds.length, i);
    runs.push({
      seed,
      trainLoss: losses[i]!,
      test: await score(lane, test),
      ...(extras.curvature && wanted("curvature")
        ? { curvature: await curvatureOf(model, lane, measured, m) }
        : {}),
      ...(extras.landscape && wanted("landscape") && seed === 0
        ? { landscape: await landscapeOf(model, lane, measured, m) }
        : {}),
      ...(extras.others ? { others: others[i]! } : {}),
    });
    if (seeds.length > 1) disposeTree(lane);
    progress.at(`${what}: measured`, i + 1, seeds.length);
  }
  disposeTree(train);
  disposeBatches(test);
  disposeBatches(measured);
  return runs;
}

/**
 * What decides a run's result: all settings but words, the search, and which methods and how many
 * seeds there are, so that more of them can be asked for later.
 */
export function settingsKey(e: Experiment) {
  const { title: _, tune: __, methods: ___, seeds: ____, ...settings } = e;
  return settings;
}

/**
 * All runs of an experiment: from raw results, or made now. Of a store that only reads, those that
 * are there.
 */
export async function runsOf(
  part: string,
  e: Experiment,
  context: Context,
  extras: Extras,
  images: () => Promise<Images>,
): Promise<Map<MethodName, Run[]>> {
  const hyper = await chosen(e, context, images);
  const m = context.scale.measuring;
  const found = new Map<MethodName, Run[]>();
  for (const method of e.methods) {
    const runs: Run[] = [];
    for (const seeds of groups(e)) {
      const others = extras.others?.map(({ name }) => name) ?? [];
      const { track: _, ratioBatches: __, ...measuring } = m;
      const key = { settings: settingsKey(e), hyper, method, seeds, measuring, others };
      const name = `${part}/${e.name}/${method}-seeds-${seeds[0]}-${seeds.at(-1)}`;
      const work = async () =>
        train({ experiment: e, method, hyper, images: await images(), seeds, extras }, context);
      try {
        runs.push(...(await context.store.once(name, key, work)).result);
      } catch (error) {
        if (!(error instanceof NotRun)) throw error;
      }
    }
    if (runs.length > 0) found.set(method, runs);
  }
  return found;
}

export interface Trial {
  readonly method: MethodName;
  readonly hyper: Hyper;
  /** Mean accuracy on the held-out images. */
  readonly accuracy: number;
}

/**
 * The grid, one family of numbers after the other, by accuracy on held-out training images: never on
 * test images. Without a grid, the experiment's own numbers.
 */
export async function chosen(
  e: Experiment,
  context: Context,
  images: () => Promise<Images>,
): Promise<Hyper> {
  const { tune } = e;
  if (!tune) return e.hyper;
  const seeds = Array.from({ length: tune.seeds }, (_, i) => 1000 + i);
  let best = e.hyper;
  const attempt = async (method: MethodName, hyper: Hyper): Promise<Trial> => {
    const shorter: Experiment = { ...e, epochs: tune.epochs };
    const runs: Run[] = [];
    const each = Math.min(e.lanes, tune.seeds);
    const name = `tune/${e.name}/${method}-${Object.values(hyper).join("-")}`;
    // Seeds and lanes of what comes later change nothing here: figures use the tables' search.
    const { lanes: _, measure: __, ...settings } = settingsKey(shorter);
    const raw = await context.store.once(
      name,
      { settings, hyper, method, seeds, tune: tune.heldOut },
      async () => {
        const split = heldOut(await images(), tune.heldOut);
        for (let i = 0; i < seeds.length; i += each) {
          const job = {
            experiment: shorter,
            method,
            hyper,
            images: split,
            seeds: seeds.slice(i, i + each),
            extras: { curvature: false, landscape: false },
          };
          runs.push(...(await train(job, context)));
        }
        return runs.reduce((s, r) => s + r.test.accuracy / runs.length, 0);
      },
    );
    return { method, hyper, accuracy: raw.result };
  };
  const search = async (method: MethodName, candidates: readonly Partial<Hyper>[]) => {
    if (!e.methods.includes(method) || candidates.length < 2) {
      best = { ...best, ...(candidates[0] ?? {}) };
      return;
    }
    const trials: Trial[] = [];
    for (const c of candidates) trials.push(await attempt(method, { ...best, ...c }));
    best = trials.reduce((a, b) => (b.accuracy > a.accuracy ? b : a)).hyper;
  };
  await search(
    "base",
    tune.lr.flatMap((lr) => tune.weightDecay.map((weightDecay) => ({ lr, weightDecay }))),
  );
  await search(
    "sam",
    tune.rho.map((rho) => ({ rho })),
  );
  await search(
    "r-sam",
    tune.sigma.map((sigma) => ({ sigma })),
  );
  const sam = best.rho;
  await search(
    "cr-sam",
    tune.radii.flatMap((r) =>
      tune.code.map(([alpha, beta]) => ({ alpha, beta, ...(r !== 1 && { codeRho: r * sam }) })),
    ),
  );
  await search(
    "cr-sam-paper",
    tune.radii.flatMap((r) =>
      tune.paper.map(([paperAlpha, paperBeta]) => ({
        paperAlpha,
        paperBeta,
        ...(r !== 1 && { paperRho: r * sam }),
      })),
    ),
  );
  return best;
}

/** The images of an experiment, read once. */
const read = new Map<string, Promise<Images>>();
export function imagesOf(e: Experiment, { folders }: Context): Promise<Images> {
  const key = JSON.stringify([e.data, e.trainSize, e.testSize, e.noise]);
  const known = read.get(key) ?? readImages(e, folders);
  read.set(key, known);
  return known;
}
