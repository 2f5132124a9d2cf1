/** Which lanes suit a loop kernel: as few memory accesses as can be, and threads enough. */
import type { Defs } from "../schedule/defs.js";
import { type LoopKernel, reduction } from "../schedule/kernel.js";
import { type EmittedLoop, emitLoop, type Lanes, type LoopContext, NotVectorised } from "./loop.js";
import { loopClass } from "./loop-class.js";
import { ModuleBuilder } from "./module.js";

/** Memory accesses for one point: what the choices are compared by. */
function accessCost(e: EmittedLoop, lanes: Lanes): number {
  const perPoint = (e.counts.vector * 1.25 + e.counts.scalar) / e.turns;
  return lanes === "points" ? perPoint / 4 : perPoint;
}

/** Terms that make a team worth while: fewer for few points, which leave hardware idle else. */
const teamTerms = (points: number): number => (points < 16384 ? 64 : 512);

/** Has the kernel long reductions along memory (`along`: the lanes chosen for one thread a point)? */
function suitsTeam(k: LoopKernel, defs: Defs, along: Lanes): boolean {
  if (along === "points") return false;
  return extentsOf(k, defs).some((n) => n >= teamTerms(k.size));
}

const extentsOf = (k: LoopKernel, defs: Defs): number[] =>
  k.vars.filter((v) => defs.kind(v) === "reduce").map((v) => reduction(defs.of(v)!.eqn).extent);

/** The ways to use vectors that a kernel allows one thread a point. */
function laneChoices(k: LoopKernel, defs: Defs): Lanes[] {
  const choices: Lanes[] = ["none"];
  if (k.size >= 4) choices.push("points");
  if (extentsOf(k, defs).some((n) => n % 4 === 0 && n >= 8)) choices.push("terms");
  return choices;
}

/** The kernel with these lanes, where it can be written so. */
function tryLanes(k: LoopKernel, c: LoopContext, lanes: Lanes): EmittedLoop | undefined {
  try {
    return emitLoop(k, c, new ModuleBuilder(), lanes);
  } catch (error) {
    if (error instanceof NotVectorised) return undefined;
    throw error;
  }
}

/** The lanes that were found best for each class of loops, by program. */
const lanesFound = new WeakMap<Defs, Map<string, Lanes>>();

/** The lanes that make the fewest memory accesses; scalar code where nothing is gained. */
export function bestLanes(k: LoopKernel, c: LoopContext): Lanes {
  const found = lanesFound.get(c.defs) ?? new Map<string, Lanes>();
  lanesFound.set(c.defs, found);
  const key = loopClass(k, c);
  let best = found.get(key);
  if (best === undefined) {
    best = searchLanes(k, c);
    found.set(key, best);
  }
  return best;
}

function searchLanes(k: LoopKernel, c: LoopContext): Lanes {
  let best: Lanes = "none";
  let least = Number.POSITIVE_INFINITY;
  for (const lanes of laneChoices(k, c.defs)) {
    const trial = tryLanes(k, c, lanes);
    if (!trial) continue;
    const cost = accessCost(trial, lanes);
    // Vectors make longer code: they must save something.
    if (cost < 0.8 * least) {
      best = lanes;
      least = cost;
    }
  }
  // Barriers and workgroup memory are slow on CPU drivers.
  return !c.target.software && suitsTeam(k, c.defs, best) ? "team" : best;
}

/** Can the kernel be written with these lanes? A team needs something to share. */
export function allows(k: LoopKernel, c: LoopContext, lanes: Lanes): boolean {
  const fits =
    lanes === "team"
      ? k.vars.some((v) => c.defs.kind(v) === "reduce")
      : laneChoices(k, c.defs).includes(lanes);
  return fits && tryLanes(k, c, lanes) !== undefined;
}
