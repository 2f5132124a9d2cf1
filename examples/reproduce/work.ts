/** What there is to do for the parts that are asked for, the most telling first; and what was done. */
import type { Context } from "./context.js";
import {
  type Outcome,
  type PartName,
  type TrackedOutcome,
  table1,
  table2,
  tracked,
} from "./parts.js";

/** What was made for the report; parts that were not asked for are absent. */
export interface Material {
  readonly table1?: readonly Outcome[];
  readonly table2?: readonly Outcome[];
  readonly tracked?: TrackedOutcome;
  /** Time that the results took, by device. */
  readonly seconds: ReadonlyMap<string, number>;
}

const asks = (parts: readonly PartName[]) => {
  const wants = (...some: PartName[]) => some.some((p) => parts.includes(p));
  return {
    // Table 3 and figure 4 look at the networks that table 1 trains.
    table1: wants("table1", "table3", "figure4"),
    table2: wants("table2"),
    tracked: wants("figure1", "figure2"),
  };
};

/** Trains and measures; every piece of it is in the store when it is done. */
export async function work(
  parts: readonly PartName[],
  context: Context,
  done: () => Promise<unknown>,
): Promise<void> {
  const wants = asks(parts);
  const [first, second, ...others] = wants.table1 ? context.scale.table1 : [];
  const pieces: (() => Promise<unknown>)[] = [
    ...(first ? [() => table1(first, context)] : []),
    ...(wants.tracked ? [() => tracked(context)] : []),
    ...(second ? [() => table1(second, context)] : []),
    ...(wants.table2 ? context.scale.table2.map((e) => () => table2(e, context)) : []),
    ...others.map((e) => () => table1(e, context)),
  ];
  for (const piece of pieces) {
    await piece();
    await done();
  }
}

/** What the store has. */
export async function material(parts: readonly PartName[], context: Context): Promise<Material> {
  const wants = asks(parts);
  const reading: Context = {
    ...context,
    store: context.store.reading(),
    progress: { log: () => {}, at: () => {} },
  };
  const each = (experiments: Context["scale"]["table1"], part: typeof table1) =>
    Promise.all(experiments.map((e) => part(e, reading)));
  return {
    ...(wants.table1 ? { table1: await each(reading.scale.table1, table1) } : {}),
    ...(wants.table2 ? { table2: await each(reading.scale.table2, table2) } : {}),
    ...(wants.tracked ? { tracked: await tracked(reading) } : {}),
    seconds: reading.store.seconds,
  };
}
