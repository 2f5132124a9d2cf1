/** From a graph with loops and branches to scheduled segments in planned memory. */
import type { Graph } from "../../ir/graph.js";
import { graphLits } from "../../ir/print.js";
import { subGraphs } from "../../ir/subgraphs.js";
import type { Guard } from "../place.js";
import { type ScheduleOptions, schedule } from "../schedule.js";
import { TooLargeError } from "../sizes.js";
import type { Target } from "../target.js";
import { branchLimit, selectBranches } from "./branches.js";
import { ControlBuilder, type StageDraft } from "./build.js";
import type { SegmentDraft, Source } from "./segment.js";
import { padded, Slots } from "./slots.js";
import { type ControlSchedule, controlKey, type Segment, type Stage } from "./stages.js";

export type { While } from "./stages.js";
export { type ControlSchedule, controlKey, type Loop, type Segment, type Stage } from "./stages.js";

/** Does a graph need more than one straight program? */
export const hasControl = (graph: Graph): boolean =>
  graph.eqns.some(
    (eqn) => eqn.prim.kind === "structured" || subGraphs(eqn.params).some(hasControl),
  );

/** `graph` is expanded (see `expand`): its inputs are the program's, then one for each constant. */
export function scheduleControl(
  graph: Graph,
  options: ScheduleOptions,
  inputs: number,
  target: Target,
): ControlSchedule {
  const { name } = options;
  const hostScalars = graph.inputs.map((_, i) => i >= inputs || options.hostScalars?.[i] === true);
  const whole = selectBranches(graph, options.branchLimit ?? branchLimit(target));
  const slots = new Slots();
  const builder = new ControlBuilder(slots);
  const sources = whole.inputs.map((_, input): Source => {
    if (hostScalars[input]) return { kind: "scalar", input };
    return { kind: "memory", at: { at: controlKey.input(input), offset: 0 } };
  });
  const dests = whole.outputs.map((_, i) => ({ at: controlKey.output(i), offset: 0 }));
  const drafts = builder.block(whole, sources, dests, { level: 0, guards: [] });
  const { frames, place } = slots.plan(target.maxBindingBytes);
  for (const bytes of frames) {
    if (bytes <= target.maxBufferBytes) continue;
    throw new TooLargeError(
      `${name}: what a loop keeps for all its steps takes ${bytes} bytes at once, but this adapter's ` +
        `largest buffer is ${target.maxBufferBytes}. Use fewer steps at a time (a scan within a scan, with checkpoint ` +
        "for gradients), or smaller batches.",
      bytes / target.maxBufferBytes,
    );
  }
  const sizes = new Map<string, number>();
  graph.inputAvals.forEach((a, i) => {
    sizes.set(controlKey.input(i), padded(a) * 4);
  });
  graph.outputAvals.forEach((a, i) => {
    sizes.set(controlKey.output(i), padded(a) * 4);
  });
  frames.forEach((bytes, i) => {
    sizes.set(controlKey.frame(i), bytes);
  });
  // Flags are few.
  const bytesOf = (buffer: string): number => sizes.get(buffer) ?? 0;
  const segment = (draft: SegmentDraft): Segment => {
    const guards = draft.guards.map((g): Guard => ({ place: place(g.at), equals: g.equals }));
    const made = schedule(
      draft.graph,
      {
        name,
        donated: draft.graph.inputs.map(() => false),
        hostScalars: draft.sources.map((s) => s.kind === "scalar"),
        frame: {
          inputs: draft.sources.map((s) => (s.kind === "memory" ? place(s.at) : undefined)),
          outputs: draft.outputs.map(place),
          guards,
          bytesOf,
        },
      },
      // Each depth of guards has a buffer that its kernels read besides.
      { ...target, maxStorageBuffers: target.maxStorageBuffers - guards.length },
    );
    return {
      kind: "segment",
      schedule: made,
      scalars: draft.sources.map((s) => (s.kind === "scalar" ? s.input : undefined)),
      lits: graphLits(draft.graph).map((x) => x.value),
    };
  };
  const finish = (list: readonly StageDraft[]): Stage[] =>
    list.map((draft): Stage => {
      if (draft.kind === "segment") return segment(draft);
      const { level } = draft;
      if (draft.kind === "loop") {
        return { kind: "loop", level, length: draft.length, body: finish(draft.body) };
      }
      const { buffer, offset } = place(draft.active);
      return {
        kind: "while",
        level,
        body: finish(draft.body),
        active: { buffer, word: offset ?? 0 },
      };
    });
  return {
    name,
    stages: finish(drafts),
    inputs: graph.inputAvals,
    outputs: graph.outputAvals,
    hostScalars,
    frames,
    flags: builder.flags,
    rounds: builder.rounds,
    target,
  };
}
