/** A set from which the least element by a fixed key is taken. */
export class Heap<T> {
  readonly #keyOf: (x: T) => number;
  readonly #items: { readonly key: number; readonly value: T }[] = [];
  readonly #members = new Set<T>();

  constructor(keyOf: (x: T) => number, values: Iterable<T> = []) {
    this.#keyOf = keyOf;
    for (const x of values) this.add(x);
  }

  add(value: T): void {
    if (this.#members.has(value)) return;
    this.#members.add(value);
    const items = this.#items;
    const item = { key: this.#keyOf(value), value };
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (items[up]!.key <= item.key) break;
      items[at] = items[up]!;
      at = up;
    }
    items[at] = item;
  }

  /** Take the least element; undefined when there is none. */
  take(): T | undefined {
    const items = this.#items;
    const least = items[0];
    const item = items.pop();
    if (!least || !item) return undefined;
    this.#members.delete(least.value);
    const n = items.length;
    if (n === 0) return least.value;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= n) break;
      if (down + 1 < n && items[down + 1]!.key < items[down]!.key) down++;
      if (items[down]!.key >= item.key) break;
      items[at] = items[down]!;
      at = down;
    }
    items[at] = item;
    return least.value;
  }
}
