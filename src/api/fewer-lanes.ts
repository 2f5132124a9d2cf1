/** Programs whose lanes do not fit the adapter all at once are traced again, in lane chunks. */
import { currentBuilder } from "../ir/builder.js";
import type { LaneChunks } from "../runtime/index.js";
import { TooLargeError } from "../schedule/index.js";
import { withLaneChunks } from "../trace/lanes.js";

/**
 * What `make` returns; where it throws because an array or a kernel is too large for the adapter and there
 * are vmaps in what it traces, the same with their lanes in two chunks, or four, and so on.
 */
export function fitting<T>(make: (chunks?: LaneChunks) => T): T {
  try {
    return make();
  } catch (error) {
    // A trace around this one is what will not fit, or will.
    if (!(error instanceof TooLargeError) || currentBuilder()) throw error;
    const why = error.message.split(/\. |\n/)[0]!;
    for (let count = 2; ; count *= 2) {
      if (2 * count <= error.times) continue;
      const chunks = { count, widest: 0 };
      try {
        return withLaneChunks(chunks, () => make({ count, why }));
      } catch (again) {
        if (!(again instanceof TooLargeError)) throw again;
        // No vmap, or each lane alone is too large: the first error tells of the program as it is.
        if (count >= chunks.widest) throw error;
      }
    }
  }
}
