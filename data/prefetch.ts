/** Items that are prepared ahead of their consumer, delivered in order, and shut down cleanly. */

export interface PrefetchOptions<Prepared, Item> {
  /** The indices that are delivered: from `start` (0 by default) up to `end`. */
  readonly start?: number;
  readonly end: number;
  /** How many items to prepare beyond the one that the consumer waits for. */
  readonly ahead: number;
  /** Make an item on the host; `signal` fires when nobody wants it any more. */
  prepare(index: number, signal: AbortSignal): Promise<Prepared>;
  /** Turn it into what is delivered, at once; never called after the end. */
  finish(prepared: Prepared): Item;
  /** Give back an item that was finished and will not be delivered. */
  release(item: Item): void;
  /** Also release every delivered item, when the next one is asked for or the iteration ends. */
  readonly releaseDelivered?: boolean;
  /** Ends the iteration with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

interface Slot<Item> {
  readonly index: number;
  readonly promise: Promise<IteratorResult<Item, undefined>>;
  readonly resolve: (result: IteratorResult<Item, undefined>) => void;
  readonly reject: (error: unknown) => void;
  timer: NodeJS.Immediate | undefined;
  started: boolean;
  /** Finished before the consumer came for it. */
  item: { readonly value: Item } | undefined;
  /** Delivered, failed or given up: whatever its preparation gives is ignored. */
  settled: boolean;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * One pass over the items. The first call of `next` starts it; every preparation begins in a turn
 * of the event loop of its own, so that preparing ahead never delays what is ready.
 *
 * An error in item k is thrown when the consumer reaches k, after the items before it; the pass then
 * is over. `return` (leaving a `for await`) and the signal end it at once: no preparation starts any
 * more, what is ready is released, and what is under way is ignored when it ends.
 */
export class Prefetch<Prepared, Item> implements AsyncIterableIterator<Item, undefined> {
  readonly #options: PrefetchOptions<Prepared, Item>;
  readonly #controller = new AbortController();
  readonly #onAbort = () => this.#abort();
  /** Scheduled, not yet asked for. */
  readonly #queue: Slot<Item>[] = [];
  /** Asked for, not yet there. */
  readonly #waiting = new Set<Slot<Item>>();
  #next: number;
  #end: number;
  #closed = false;
  #listening = false;
  /** An abort that nobody has been told of. */
  #untold: { readonly reason: unknown } | undefined;
  /** Delivered and to be released; empty unless `releaseDelivered`. */
  readonly #delivered: Item[] = [];

  constructor(options: PrefetchOptions<Prepared, Item>) {
    this.#options = options;
    this.#next = options.start ?? 0;
    this.#end = options.end;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    this.#releaseDelivered();
    this.#listen();
    if (this.#untold !== undefined) {
      const { reason } = this.#untold;
      this.#untold = undefined;
      return Promise.reject(reason);
    }
    const slot = this.#closed ? undefined : (this.#queue.shift() ?? this.#open());
    if (slot === undefined) {
      this.#closeIfOver();
      return Promise.resolve(DONE);
    }
    if (slot.item !== undefined) {
      const { value } = slot.item;
      slot.settled = true;
      this.#deliver(slot, value);
    } else if (!slot.settled) {
      this.#waiting.add(slot);
      this.#start(slot);
    }
    while (this.#queue.length < this.#options.ahead) {
      const later = this.#open();
      if (later === undefined) break;
      later.timer = setImmediate(() => this.#start(later));
      this.#queue.push(later);
    }
    this.#closeIfOver();
    return slot.promise;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#untold = undefined;
    this.#close();
    return DONE;
  }

  #open(): Slot<Item> | undefined {
    if (this.#next >= this.#end) return undefined;
    let resolve!: Slot<Item>["resolve"];
    let reject!: Slot<Item>["reject"];
    const promise = new Promise<IteratorResult<Item, undefined>>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    // The consumer may never come for it: that is not an unhandled rejection.
    promise.catch(() => {});
    return {
      index: this.#next++,
      promise,
      resolve,
      reject,
      timer: undefined,
      started: false,
      item: undefined,
      settled: false,
    };
  }

  async #start(slot: Slot<Item>): Promise<void> {
    if (slot.started || slot.settled) return;
    slot.started = true;
    if (slot.timer !== undefined) clearImmediate(slot.timer);
    try {
      const prepared = await this.#options.prepare(slot.index, this.#controller.signal);
      if (slot.settled) return;
      const value = this.#options.finish(prepared);
      if (this.#waiting.delete(slot)) {
        slot.settled = true;
        this.#deliver(slot, value);
      } else {
        slot.item = { value };
      }
    } catch (error) {
      if (!slot.settled) this.#fail(slot, error);
    }
    this.#closeIfOver();
  }

  #deliver(slot: Slot<Item>, value: Item): void {
    if (this.#options.releaseDelivered === true) this.#delivered.push(value);
    slot.resolve({ done: false, value });
  }

  /** The pass ends with this slot: give up those after it. */
  #fail(slot: Slot<Item>, error: unknown): void {
    slot.settled = true;
    this.#waiting.delete(slot);
    slot.reject(error);
    this.#end = Math.min(this.#end, slot.index + 1);
    const kept = this.#queue.filter((other) => other.index <= slot.index);
    for (const other of this.#queue) if (other.index > slot.index) this.#giveUp(other);
    this.#queue.splice(0, this.#queue.length, ...kept);
    for (const other of this.#waiting) if (other.index > slot.index) this.#giveUp(other);
  }

  #giveUp(slot: Slot<Item>): void {
    slot.settled = true;
    this.#waiting.delete(slot);
    if (slot.timer !== undefined) clearImmediate(slot.timer);
    if (slot.item !== undefined) this.#options.release(slot.item.value);
    slot.item = undefined;
    slot.resolve(DONE);
  }

  #listen(): void {
    const { signal } = this.#options;
    if (signal === undefined || this.#listening || this.#closed) return;
    this.#listening = true;
    if (signal.aborted) this.#abort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  #abort(): void {
    if (this.#closed) return;
    const reason: unknown = this.#options.signal?.reason;
    const [first] = this.#waiting;
    if (first === undefined) this.#untold = { reason };
    else first.reject(reason);
    this.#close();
  }

  #closeIfOver(): void {
    if (this.#next >= this.#end && this.#queue.length === 0 && this.#waiting.size === 0) {
      this.#stop();
    }
  }

  #stop(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#controller.abort();
  }

  #close(): void {
    this.#stop();
    for (const slot of [...this.#queue, ...this.#waiting]) this.#giveUp(slot);
    this.#queue.length = 0;
    this.#releaseDelivered();
  }

  #releaseDelivered(): void {
    for (const item of this.#delivered.splice(0)) this.#options.release(item);
  }
}
