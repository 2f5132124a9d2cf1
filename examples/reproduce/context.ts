/** What every part of a reproduction gets. */

import type { Folders } from "./images.js";
import type { Progress } from "./progress.js";
import type { Scale, ScaleName } from "./settings.js";
import type { Store } from "./store.js";

export interface Context {
  readonly scaleName: ScaleName;
  readonly scale: Scale;
  readonly folders: Folders;
  readonly store: Store;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}
