/** What a workload is given. */

import type { ExternalTexts } from "../kernels/external.js";
import type { Jax } from "../libraries/jax.js";
import type { Tf } from "../libraries/tfjs.js";
import type { Torch } from "../libraries/torch.js";
import type { Figures, Section } from "./results.js";
import type { TimingOptions } from "./timing.js";

export interface Peers {
  readonly jaxWebgpu?: Jax;
  readonly jaxWasm?: Jax;
  readonly tfjs?: Tf;
  readonly torch1?: Torch;
  readonly torch2?: Torch;
  /** Who is not there, and why. */
  readonly absent: readonly { readonly name: string; readonly reason: string }[];
}

export interface Context {
  readonly quick: boolean;
  readonly timing: TimingOptions;
  readonly peers: Peers;
  readonly figures: Figures;
  /** Hand-written shaders of the reader's own, from --kernels. */
  readonly texts: ExternalTexts;
  /** True for work whose name the command line asks for. */
  wants(title: string): boolean;
  log(line: string): void;
}

/** A file of workloads/. */
export interface Workload {
  readonly name: string;
  /** What `--only` can match beside the section's name. */
  readonly titles: (context: Pick<Context, "quick">) => readonly string[];
  run(context: Context): Promise<Section>;
}
