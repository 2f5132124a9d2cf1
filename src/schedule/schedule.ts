/** The whole way from a traced graph to planned dispatches. Needs an adapter's figures, no device. */

import { type Aval, sizeOf } from "../core/aval.js";
import { type Graph, Lit, Var } from "../ir/graph.js";
import { graphLits } from "../ir/print.js";
import { Analyses } from "./analyse.js";
import { type Cuts, chooseCuts } from "./cuts.js";
import type { Defs } from "./defs.js";
import { varsOf } from "./dependence.js";
import { Fusion } from "./fuse.js";
import type { Group } from "./group.js";
import { Homes } from "./homes.js";
import type { Kernel } from "./kernel.js";
import { Large } from "./large.js";
import { lower } from "./lower.js";
import { orderGroups } from "./order.js";
import { kernelOf } from "./parts.js";
import type { Guard, Place, Window } from "./place.js";
import { bufferOf, type Location, type Plan, planBuffers } from "./plan.js";
import { Evaluations, worthStoring } from "./recompute.js";
import { checkSizes } from "./sizes.js";
import type { Target } from "./target.js";

/** Where a program's output comes from. */
export type Output =
  | { readonly kind: "stored"; readonly variable: Var; readonly at: Location }
  /** An array that the program was given. */
  | { readonly kind: "input"; readonly input: number }
  | { readonly kind: "scalar"; readonly input: number }
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "empty" };

export interface Dispatch {
  readonly kernels: readonly Kernel[];
  readonly groups: readonly Group[];
  /** Of a kernel that touches buffers larger than a binding. */
  readonly part?: DispatchPart;
}

export interface DispatchPart {
  /** Which of the kernel's dispatches it is, and how many there are. */
  readonly index: number;
  readonly count: number;
  /** What it sees of each buffer that it does not see as a whole. */
  readonly windows: ReadonlyMap<string, Window>;
  /** What the kernel reads or writes in the largest buffer, and how large that is. */
  readonly largest: Var;
  readonly bufferBytes: number;
}

export interface Schedule {
  readonly name: string;
  readonly defs: Defs;
  readonly cuts: Cuts;
  readonly dispatches: readonly Dispatch[];
  readonly plan: Plan;
  readonly outputs: readonly (Output & { readonly aval: Aval })[];
  readonly target: Target;
  /** Places of variables that the plan does not decide: a part of a larger program. */
  readonly places?: ReadonlyMap<Var, Place>;
  /** Its kernels run only where all of these hold. */
  readonly guards?: readonly Guard[];
}

/** How a part of a larger program is tied to the rest. */
export interface Frame {
  /** Inputs that lie elsewhere than in buffers of their own. */
  readonly inputs: readonly (Place | undefined)[];
  /** Where each output goes; they are distinct variables. */
  readonly outputs: readonly Place[];
  readonly guards: readonly Guard[];
  /** Bytes of the buffer of a key. */
  bytesOf(buffer: string): number;
}

export interface ScheduleOptions {
  readonly name: string;
  readonly donated: readonly boolean[];
  /** Inputs of one element whose value comes as a number with each run. */
  readonly hostScalars?: readonly boolean[];
  readonly frame?: Frame;
  /** Operations up to which all branches are computed; chosen by the adapter if not given. */
  readonly branchLimit?: number;
}

export function schedule(graph: Graph, options: ScheduleOptions, target: Target): Schedule {
  const defs = lower(graph, graphLits(graph), target);
  const hostScalars = new Set((options.hostScalars ?? []).flatMap((is, i) => (is ? [i] : [])));
  const { frame } = options;
  const places = frame && placesOf(defs, frame);
  const homes = new Homes(defs, options.donated, hostScalars, target, places, frame?.bytesOf);
  const cuts = chooseCuts(defs, hostScalars, homes, target);
  const analyses = new Analyses(defs, cuts);
  const large = new Large(defs, cuts, homes, target, frame && { ...frame, places: places! });
  let fusion = new Fusion(defs, cuts, analyses, homes, target, large);
  fusion.run();
  const evaluations = new Evaluations(defs, cuts);
  for (let round = 0; round < 6; round++) {
    const more = worthStoring(fusion, evaluations, defs, cuts, target);
    if (more.length === 0) break;
    const stored = new Set(more.map((v) => defs.of(v)!.eqn));
    const unchanged = fusion
      .groups()
      .filter((g) => ![...stored].some((eqn) => evaluations.of(g).has(eqn)));
    for (const v of more) cuts.add(v);
    fusion = new Fusion(defs, cuts, analyses, homes, target, large, unchanged);
    fusion.run();
  }
  const stored = fusion.stored();
  checkSizes(
    options.name,
    [...stored, ...defs.graph.inputs.slice(0, defs.inputCount)],
    defs,
    target,
  );
  const isStored = (v: Var) => stored.has(v);
  const order = orderGroups(fusion.groups(), defs, homes, target, stored, (g) =>
    large.touches(g, isStored),
  );
  const aliased = new Set(
    defs.graph.outputs.filter((v): v is Var => v instanceof Var && !defs.of(v)),
  );
  const plan = planBuffers(order, defs, homes, stored, options.donated, aliased, target);
  const outputs = graph.outputs.map((x, i): Schedule["outputs"][number] => {
    const from = defs.graph.outputs[i]!;
    const { aval } = x;
    if (from instanceof Lit) return { kind: "constant", value: from.value, aval };
    if (sizeOf(aval.shape) === 0) return { kind: "empty", aval };
    if (cuts.isScalar(from)) return { kind: "scalar", input: defs.inputIndex(from)!, aval };
    if (!defs.of(from)) return { kind: "input", input: defs.inputIndex(from)!, aval };
    return { kind: "stored", variable: from, at: plan.returned.get(from)!, aval };
  });
  const dispatches = order
    .flatMap((groups) => splitByBuffers(groups, plan, places, stored, target))
    .flatMap((groups): Dispatch[] => {
      const kernels = groups.map((g) => fusion.kernel(g, stored));
      const g = groups[0]!;
      if (!large.touches(g, isStored)) return [{ groups, kernels }];
      return large.parts(g, isStored, plan, options.name).map((part) => ({
        groups,
        kernels: [kernelOf(kernels[0]!, part.piece)],
        part,
      }));
    });
  const made = { name: options.name, defs, cuts, dispatches, plan, outputs, target };
  return places ? { ...made, places, guards: frame!.guards } : made;
}

function placesOf(defs: Defs, frame: Frame): Map<Var, Place> {
  const places = new Map<Var, Place>();
  frame.inputs.forEach((place, i) => {
    if (place) places.set(defs.graph.inputs[i]!, place);
  });
  frame.outputs.forEach((place, i) => {
    const v = defs.graph.outputs[i]!;
    if (!(v instanceof Lit)) places.set(v, place);
  });
  return places;
}

/** The groups of a dispatch as several, where the chunks of the arena are more than it can bind. */
function splitByBuffers(
  groups: readonly Group[],
  plan: Plan,
  places: ReadonlyMap<Var, Place> | undefined,
  stored: ReadonlySet<Var>,
  target: Target,
): Group[][] {
  const out: { groups: Group[]; buffers: Set<string> }[] = [];
  for (const g of groups) {
    const own = varsOf(g).filter((v) => stored.has(v));
    const needs = new Set<string>();
    for (const v of [...g.reads.keys(), ...own]) {
      const at = plan.locations.get(v);
      const given = places?.get(v);
      if (given) needs.add(given.buffer);
      else if (at) needs.add(bufferOf(plan, at));
    }
    const last = out.at(-1);
    const both = new Set([...(last?.buffers ?? []), ...needs]);
    if (!last || both.size > target.maxStorageBuffers) out.push({ groups: [g], buffers: needs });
    else {
      last.groups.push(g);
      for (const key of needs) last.buffers.add(key);
    }
  }
  return out.map((d) => d.groups);
}
