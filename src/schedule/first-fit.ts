/** Offsets in memory for arrays that live between steps: two share a place if they never live at once. */
import type { Var } from "../ir/graph.js";

/** A variable's bytes, and the steps between which they are its own. */
export interface Life {
  readonly variable: Var;
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
}

/** What lies in a chunk, by offsets. Numbers side by side: programs have thousands of arrays. */
class Chunk {
  readonly #first: number[] = [];
  readonly #last: number[] = [];
  readonly #offset: number[] = [];
  readonly #end: number[] = [];
  bytes = 0;

  /** The lowest offset at which nothing else lives at the same time. */
  fit({ first, last, bytes }: Life): number {
    let offset = 0;
    for (let i = 0; i < this.#end.length; i++) {
      if (this.#first[i]! > last || first > this.#last[i]!) continue;
      if (offset + bytes <= this.#offset[i]!) break;
      if (offset < this.#end[i]!) offset = this.#end[i]!;
    }
    return offset;
  }

  put({ first, last, bytes }: Life, offset: number): void {
    let [lo, hi] = [0, this.#offset.length];
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (this.#offset[mid]! <= offset) lo = mid + 1;
      else hi = mid;
    }
    this.#first.splice(lo, 0, first);
    this.#last.splice(lo, 0, last);
    this.#offset.splice(lo, 0, offset);
    this.#end.splice(lo, 0, offset + bytes);
    this.bytes = Math.max(this.bytes, offset + bytes);
  }
}

/** Arrays up to this size are kept together: kernels read many of them (sums, norms) but few large ones. */
const smallBytes = 2 ** 16;

export interface Placement {
  /** The chunk of each array, and its offset there. */
  readonly placed: ReadonlyMap<Var, readonly [chunk: number, offset: number]>;
  /** Bytes of each chunk. */
  readonly sizes: readonly number[];
}

/**
 * First fit, the largest first, in as many chunks of at most `most` bytes as it takes. A kernel binds chunks:
 * where there are several, small arrays have their own, so that a kernel reaches all of them by one. Larger
 * arrays than `most`, of which kernels see windows, have chunks for one at a time.
 */
export function place(lives: readonly Life[], most: number): Placement {
  const fits = lives.filter(({ bytes }) => bytes <= most);
  if (fits.length === lives.length) return placeFitting(lives, most);
  const large = fill(
    lives.filter(({ bytes }) => bytes > most),
    0,
  );
  return together(large, placeFitting(fits, most));
}

function placeFitting(lives: readonly Life[], most: number): Placement {
  const chunks = fill(lives, most);
  if (chunks.sizes.length <= 1) return chunks;
  const isSmall = ({ bytes }: Life) => bytes <= smallBytes;
  const large = fill(
    lives.filter((life) => !isSmall(life)),
    most,
  );
  return together(large, fill(lives.filter(isSmall), most));
}

function together(first: Placement, second: Placement): Placement {
  const placed = new Map(first.placed);
  const { length } = first.sizes;
  for (const [v, [chunk, offset]] of second.placed) placed.set(v, [length + chunk, offset]);
  return { placed, sizes: [...first.sizes, ...second.sizes] };
}

/** Arrays larger than `most` lie at the start of a chunk, beside nothing else. */
function fill(lives: readonly Life[], most: number): Placement {
  const chunks: Chunk[] = [];
  const placed = new Map<Var, [number, number]>();
  for (const life of [...lives].sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    for (let at = 0; !placed.has(life.variable); at++) {
      let chunk = chunks[at];
      if (!chunk) {
        chunk = new Chunk();
        chunks[at] = chunk;
      }
      const offset = chunk.fit(life);
      if (offset > 0 && offset + life.bytes > most) continue;
      chunk.put(life, offset);
      placed.set(life.variable, [at, offset]);
    }
  }
  return { placed, sizes: chunks.map((c) => c.bytes) };
}
