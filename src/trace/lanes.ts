/**
 * Lane chunks: while a program is traced again because all lanes at once do not fit the adapter, the
 * outermost vmaps in it go through their lanes in so many chunks, one after the other.
 */
interface Chunks {
  readonly count: number;
  /** The lanes of the widest vmap that took chunks. */
  widest: number;
}

let scope: Chunks | undefined;

/** Chunks that a vmap of so many lanes, met now, is to take. */
export function laneChunks(lanes: number): number {
  if (!scope) return 1;
  scope.widest = Math.max(scope.widest, lanes);
  return Math.min(scope.count, lanes);
}

/** Run `f`, and have vmaps take so many chunks (or none, where it is undefined). */
export function withLaneChunks<T>(chunks: Chunks | undefined, f: () => T): T {
  const before = scope;
  scope = chunks;
  try {
    return f();
  } finally {
    scope = before;
  }
}
