/** Build contestants, hold each one's values to the check, and time those that pass. */
import type { Tensor } from "dawngrad";
import { type RawWork, rawContestant } from "../kernels/raw.js";
import { ours } from "../libraries/dawngrad.js";
import { type Jax, type JaxArray, jaxContestant } from "../libraries/jax.js";
import { type Tf, type TfTensor, tfjsContestant } from "../libraries/tfjs.js";
import { torchContestant } from "../libraries/torch.js";
import type { Contestant, Layouts } from "./contestant.js";
import type { Context } from "./context.js";
import { rate } from "./format.js";
import type { Comparison } from "./results.js";
import { alternate } from "./timing.js";
import type { Values } from "./values.js";

/** A pure function of fixed inputs, in each library's words. */
export interface FunctionWork {
  readonly title: string;
  readonly inputs: readonly Values[];
  readonly flops?: number;
  /** The bytes that have to move if nothing moves twice. */
  readonly bytes?: number;
  dawngrad(...xs: Tensor[]): readonly Tensor[];
  jax(jax: Jax): (...xs: JaxArray[]) => readonly JaxArray[];
  tfjs(tf: Tf): (...xs: TfTensor[]) => readonly TfTensor[];
  /** Its name in peers/torch_peer.py. */
  readonly torch: string;
  /** For libraries that put channels first (jax-js, PyTorch). */
  readonly channelsFirst?: Layouts;
  readonly raw: readonly RawWork[];
  /** Throws if the outputs are wrong; `what` says against what they are held. */
  readonly check: (outputs: readonly Float32Array[]) => void;
  readonly checked: string;
}

export interface Entry {
  readonly name: string;
  readonly make: () => Contestant | Promise<Contestant>;
}

/** A contestant that may take part: it was made, and what it computes is right. */
async function admit(
  { make }: Entry,
  check: (c: Contestant) => Promise<void>,
): Promise<Contestant> {
  const contestant = await make();
  try {
    await check(contestant);
  } catch (error) {
    await contestant.dispose?.();
    throw error;
  }
  return contestant;
}

/** The first entry is dawngrad's; the ratios are its time over each of the others'. */
export async function compare(
  context: Context,
  title: string,
  entries: readonly Entry[],
  options: {
    readonly check: (c: Contestant) => Promise<void>;
    readonly checked: string;
    readonly flops?: number | undefined;
    readonly bytes?: number | undefined;
  },
): Promise<Comparison> {
  context.log(`${title} …`);
  const contestants: Contestant[] = [];
  const absent = [...context.peers.absent];
  for (const entry of entries) {
    try {
      contestants.push(await admit(entry, options.check));
    } catch (error) {
      const reason = error instanceof Error ? error.message.split("\n")[0]! : String(error);
      context.log(`  ${entry.name}: ${reason}`);
      absent.push({ name: entry.name, reason });
    }
  }
  const timings = contestants.length > 0 ? await alternate(contestants, context.timing) : [];
  for (const c of contestants) await c.dispose?.();
  const rows = timings.map((t) => ({
    ...t,
    rate: rate(t.ms.median, options.flops, options.bytes),
  }));
  for (const r of rows) {
    context.log(
      `  ${r.name}: ${r.ms.median.toFixed(2)} ms ${r.rate} (×${r.ratio.median.toFixed(3)})`,
    );
  }
  return { kind: "comparison", title, rows, absent, checked: options.checked };
}

export function compareFunctions(context: Context, work: FunctionWork): Promise<Comparison> {
  const { jaxWebgpu, jaxWasm, tfjs, torch1, torch2 } = context.peers;
  const layouts = work.channelsFirst ?? { inputs: work.inputs, back: (o) => o };
  const turned = (c: Contestant): Contestant => ({
    ...c,
    outputs: async () => layouts.back(await c.outputs()),
  });
  const entries: Entry[] = [
    { name: "dawngrad", make: () => ours((...xs) => work.dawngrad(...xs), work.inputs) },
    ...work.raw.map((raw) => ({ name: raw.name, make: () => rawContestant(raw) })),
    ...[jaxWebgpu, jaxWasm].flatMap((jax) =>
      jax
        ? [
            {
              name: jax.name,
              make: () => turned(jaxContestant(jax, work.jax(jax), layouts.inputs)),
            },
          ]
        : [],
    ),
    ...(tfjs
      ? [{ name: tfjs.name, make: () => tfjsContestant(tfjs, work.tfjs(tfjs), work.inputs) }]
      : []),
    ...[torch1, torch2].flatMap((torch) =>
      torch
        ? [
            {
              name: torch.name,
              make: async () => turned(await torchContestant(torch, work.torch, layouts.inputs)),
            },
          ]
        : [],
    ),
  ];
  return compare(context, work.title, entries, {
    check: async (c) => work.check(await c.outputs()),
    checked: work.checked,
    flops: work.flops,
    bytes: work.bytes,
  });
}
