/** A dispatch as one shader: its kernels as segments of workgroups, or one contraction. */
import { DawngradError } from "../core/errors.js";
import type { Var } from "../ir/graph.js";
import { idxAdd, idxConst } from "../ir/index-expr.js";
import type { ContractKernel, LoopKernel } from "../schedule/kernel.js";
import { bufferOf } from "../schedule/plan.js";
import type { Dispatch, Schedule } from "../schedule/schedule.js";
import { workgroupSize } from "../schedule/target.js";
import { emitContract } from "./contract.js";
import {
  type ContractTile,
  type ContractVariant,
  contractClass,
  tileName,
  tilesFor,
} from "./contract-tiles.js";
import { guardText } from "./guard.js";
import { emitLoop, type Lanes, type LoopContext } from "./loop.js";
import { allows, bestLanes } from "./loop-lanes.js";
import { type ModuleBinding, ModuleBuilder, type Place, type Word } from "./module.js";
import { joinSegments } from "./segments.js";

/** One compute dispatch, as WGSL and what to bind. */
export interface Shader {
  readonly wgsl: string;
  readonly bindings: readonly ModuleBinding[];
  readonly words: readonly Word[];
  readonly workgroups: readonly [x: number, y: number, z: number];
  /** Values of override constants. */
  readonly constants: Readonly<Record<string, number>>;
}

export interface EmitOptions {
  /** Use this matrix template, whatever the adapter is. */
  readonly contractVariant?: ContractVariant;
  /** And this tile of it, by name. */
  readonly tile?: string;
  readonly lanes?: Lanes;
}

/** Where a variable lies, as a buffer and an element offset. */
export function placeOf(s: Schedule, v: Var): Place {
  const place = placeIfAny(s, v);
  if (!place) throw new DawngradError("internal: a variable has no place in memory");
  return place;
}

function placeIfAny(s: Schedule, v: Var): Place | undefined {
  const given = s.places?.get(v);
  if (given) return given;
  const at = s.plan.locations.get(v);
  return at && { buffer: bufferOf(s.plan, at), offset: "offset" in at ? at.offset / 4 : undefined };
}

/** Where choices between a kernel's tiles are kept. */
export interface Choices {
  get(key: string): string | undefined;
  use(key: string, name: string): void;
}

/** What a dispatch's kernels see: positions count from where the windows of large buffers begin. */
function contextOf(s: Schedule, { part }: Dispatch): LoopContext {
  const seen = (place: Place | undefined): Place | undefined => {
    const start = place && part?.windows.get(place.buffer)?.start;
    if (!start) return place;
    return { ...place, base: idxAdd(place.base ?? idxConst(0), -start / 4) };
  };
  return {
    defs: s.defs,
    storage: s.cuts,
    target: s.target,
    place: (v) => seen(placeOf(s, v))!,
    placeIfAny: (v) => seen(placeIfAny(s, v)),
  };
}

/**
 * The class of a dispatch's contraction, and the tiles that may compute it best, the rule's choice first.
 * Workgroup memory on a CPU takes seconds to compile and never is.
 */
export function tilesOf(
  s: Schedule,
  d: Dispatch,
): { readonly key: string; readonly tiles: readonly string[] } | undefined {
  const [k] = d.kernels;
  if (k?.kind !== "contract") return undefined;
  const c = contextOf(s, d);
  const tiles = tilesFor(k, c).filter((t) => !s.target.software || t.variant !== "workgroup");
  return { key: contractClass(k, c), tiles: tiles.map(tileName) };
}

export function emitDispatch(
  s: Schedule,
  d: Dispatch,
  options: EmitOptions = {},
  choices?: Choices,
): Shader {
  const context = contextOf(s, d);
  const [first] = d.kernels;
  const module = new ModuleBuilder(d.part?.windows);
  const guard = guardText(s.guards ?? [], module);
  if (first?.kind === "contract") {
    return contractShader(first, context, options, module, guard, choices);
  }
  return loopShader(d.kernels as readonly LoopKernel[], context, options, module, guard);
}

/** What the options or an earlier measurement say, or the first by rule. */
function chooseTile(
  k: ContractKernel,
  c: LoopContext,
  { contractVariant, tile }: EmitOptions,
  choices: Choices | undefined,
): ContractTile {
  const tiles = tilesFor(k, c, contractVariant);
  const named = (name: string | undefined) => tiles.find((t) => tileName(t) === name);
  if (contractVariant !== undefined || tile !== undefined) {
    const found = tile === undefined ? tiles[0] : named(tile);
    if (found) return found;
    throw new DawngradError(
      `no tile ${tile ?? contractVariant} fits this product on this adapter; there are: ` +
        tilesFor(k, c).map(tileName).join(", "),
    );
  }
  const key = contractClass(k, c);
  // A name that is not known here comes from a foreign cache.
  const chosen = named(choices?.get(key)) ?? tiles[0]!;
  choices?.use(key, tileName(chosen));
  return chosen;
}

function contractShader(
  k: ContractKernel,
  c: LoopContext,
  options: EmitOptions,
  module: ModuleBuilder,
  guard: string,
  choices: Choices | undefined,
): Shader {
  const tile = chooseTile(k, c, options, choices);
  const { body, workgroups, constants } = emitContract(k, c, module, tile);
  return {
    wgsl: module.text(body, guard),
    bindings: module.bindings,
    words: module.words,
    workgroups,
    constants,
  };
}

function loopShader(
  kernels: readonly LoopKernel[],
  c: LoopContext,
  options: EmitOptions,
  module: ModuleBuilder,
  guard: string,
): Shader {
  const emitted = kernels.map((k) => {
    const wanted = options.lanes;
    return emitLoop(k, c, module, wanted && allows(k, c, wanted) ? wanted : bestLanes(k, c));
  });
  const { functions, calls, workgroups: total } = joinSegments(emitted, module);
  const most = c.target.maxWorkgroups;
  const rows = Math.ceil(total / most);
  const columns = rows === 1 ? total : Math.ceil(total / rows);
  const group = rows === 1 ? "w.x" : `w.x + w.y * ${columns}u`;
  const spare = rows * columns !== total ? [`if (group >= ${total}u) { return; }`] : [];
  const main = [
    `@compute @workgroup_size(${workgroupSize})`,
    "fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) local: u32) {",
    `let group = ${group};`,
    ...spare,
    ...calls,
    "}",
  ];
  return {
    wgsl: module.text([...functions, ...main].join("\n"), guard),
    bindings: module.bindings,
    words: module.words,
    workgroups: [columns, rows, 1],
    constants: {},
  };
}
