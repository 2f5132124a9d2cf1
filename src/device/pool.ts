/**
 * Storage buffers that are used again. Fresh memory costs about 3 ms a MB on a software driver, so
 * a training loop must not ask for any once it is warm.
 */
import { DeviceError } from "../core/errors.js";
import { BufferUsage } from "./constants.js";
import type { Faults } from "./faults.js";
import { formatBytes } from "./format.js";

/** The smallest buffer: a size-0 tensor cannot be bound, and small sizes share one class. */
const smallest = 256;

/** What every pooled buffer can be used as: a tensor, a uniform block, either end of a copy. */
export const pooledUsage =
  BufferUsage.STORAGE | BufferUsage.UNIFORM | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;

/**
 * The size that `bytes` is rounded up to: four classes to an octave (256, 320, 384, 448, 512, …),
 * so that at most a fifth of a buffer (25% of what was asked for) goes unused.
 */
export function sizeClass(bytes: number): number {
  if (bytes <= smallest) return smallest;
  const octave = 2 ** Math.floor(Math.log2(bytes - 1));
  const step = Math.max(octave / 4, 64);
  return Math.ceil(bytes / step) * step;
}

export interface PoolStats {
  /** Bytes of the buffers that are in use, as allocated. */
  readonly liveBytes: number;
  /** Bytes of the idle buffers that are kept for reuse. */
  readonly pooledBytes: number;
  /** The most that live and idle buffers have taken together. */
  readonly peakBytes: number;
  readonly liveBuffers: number;
  readonly pooledBuffers: number;
  /** Buffers made since the start; it stands still in a warm loop. */
  readonly created: number;
}

export interface PoolOptions {
  readonly maxBufferSize: number;
  /** Idle bytes beyond which the least recently released buffers are destroyed; 1 GiB. */
  readonly maxIdleBytes?: number;
  /**
   * Bytes that live and idle buffers may take together. Software drivers allocate on first use and
   * never refuse: without a limit the system kills the process instead of an error being thrown.
   */
  readonly budget?: number | undefined;
  /** How to do something once all that was submitted so far has reached the queue; at once if not given. */
  readonly later?: (action: () => void) => void;
}

export class BufferPool {
  readonly #device: GPUDevice;
  readonly #faults: Faults;
  readonly #maxBufferSize: number;
  readonly #budget: number;
  readonly #later: (action: () => void) => void;
  #maxIdleBytes: number;
  readonly #idle = new Map<number, GPUBuffer[]>();
  /** Idle buffers, least recently released first. */
  readonly #order = new Set<GPUBuffer>();
  readonly #live = new Set<GPUBuffer>();
  readonly #ids = new WeakMap<GPUBuffer, number>();
  readonly #watchers: ((id: number) => void)[] = [];
  #nextId = 1;
  #liveBytes = 0;
  #pooledBytes = 0;
  #peakBytes = 0;
  #created = 0;

  constructor(device: GPUDevice, faults: Faults, options: PoolOptions) {
    this.#device = device;
    this.#faults = faults;
    // Sizes are whole words; lavapipe says 2**32 - 1.
    this.#maxBufferSize = options.maxBufferSize - (options.maxBufferSize % 4);
    this.#later = options.later ?? ((action) => action());
    this.#budget = options.budget ?? Number.POSITIVE_INFINITY;
    this.#maxIdleBytes = options.maxIdleBytes ?? Math.min(2 ** 30, this.#budget / 4);
  }

  /**
   * A buffer of at least `bytes` (storage, uniform and both ends of a copy), with undefined contents.
   * It may be larger than asked for: bind it with an explicit `size`.
   * Throws a DeviceError that names `label` if there is no memory for it.
   */
  acquire(bytes: number, label: string): GPUBuffer {
    if (!(bytes >= 0)) throw new DeviceError(`${label}: cannot allocate ${bytes} bytes.`);
    this.#faults.checkLost(label);
    if (bytes > this.#maxBufferSize) {
      throw new DeviceError(
        `${label}: needs a buffer of ${formatBytes(bytes)} (${bytes} bytes), but this adapter's ` +
          `largest is ${formatBytes(this.#maxBufferSize)}. Split the array, use smaller batches, ` +
          "or another adapter.",
      );
    }
    const size = Math.min(sizeClass(bytes), this.#maxBufferSize);
    let buffer = this.#idle.get(size)?.pop();
    if (buffer === undefined) {
      buffer = this.#create(size, bytes, label);
    } else {
      this.#order.delete(buffer);
      this.#pooledBytes -= size;
    }
    this.#live.add(buffer);
    this.#liveBytes += size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes + this.#pooledBytes);
    return buffer;
  }

  /**
   * Gives a buffer back. Call it when the commands that use the buffer have been submitted (they
   * need not have finished: the queue runs in order). Throws if the buffer is not in use.
   */
  release(buffer: GPUBuffer): void {
    if (!this.#live.delete(buffer)) {
      throw new DeviceError(
        `release: buffer ${buffer.label || "(unlabelled)"} is not in use: it was released before, ` +
          "or never came from this pool.",
      );
    }
    this.#liveBytes -= buffer.size;
    const list = this.#idle.get(buffer.size);
    if (list === undefined) this.#idle.set(buffer.size, [buffer]);
    else list.push(buffer);
    this.#order.add(buffer);
    this.#pooledBytes += buffer.size;
    if (this.#pooledBytes > this.#maxIdleBytes) this.trim(this.#maxIdleBytes);
  }

  /** A number that stands for the buffer as long as it exists: keys of bind group caches. */
  idOf(buffer: GPUBuffer): number {
    const id = this.#ids.get(buffer);
    if (id === undefined) throw new DeviceError("idOf: the buffer never came from this pool.");
    return id;
  }

  /** Calls `watcher` with the id of every buffer that is destroyed, so that caches can forget it. */
  onDestroy(watcher: (id: number) => void): void {
    this.#watchers.push(watcher);
  }

  /** Destroys idle buffers, least recently released first, until at most `bytes` of them are left. */
  trim(bytes = 0): void {
    for (const buffer of this.#order) {
      if (this.#pooledBytes <= bytes) break;
      this.#order.delete(buffer);
      const list = this.#idle.get(buffer.size)!;
      list.splice(list.indexOf(buffer), 1);
      this.#pooledBytes -= buffer.size;
      const id = this.idOf(buffer);
      this.#later(() => buffer.destroy());
      for (const watcher of this.#watchers) watcher(id);
    }
  }

  /** The cap on idle bytes; lowering it trims at once. */
  get maxIdleBytes(): number {
    return this.#maxIdleBytes;
  }

  set maxIdleBytes(bytes: number) {
    this.#maxIdleBytes = bytes;
    this.trim(bytes);
  }

  stats(): PoolStats {
    return {
      liveBytes: this.#liveBytes,
      pooledBytes: this.#pooledBytes,
      peakBytes: this.#peakBytes,
      liveBuffers: this.#live.size,
      pooledBuffers: this.#order.size,
      created: this.#created,
    };
  }

  /** Starts the peak again from what is held now. */
  resetPeak(): void {
    this.#peakBytes = this.#liveBytes + this.#pooledBytes;
  }

  #create(size: number, bytes: number, label: string): GPUBuffer {
    const over = this.#liveBytes + this.#pooledBytes + size - this.#budget;
    if (over > 0) this.trim(Math.max(0, this.#pooledBytes - over));
    if (this.#liveBytes + size > this.#budget) {
      throw this.#outOfMemory(bytes, label, ` of ${formatBytes(this.#budget)} at most`, undefined);
    }
    let [buffer, error] = this.#tryCreate(size, label);
    if (error !== undefined && this.#pooledBytes > 0) {
      // Idle memory is what we can spare: give it back and try once more.
      this.trim(0);
      [buffer, error] = this.#tryCreate(size, label);
    }
    if (error !== undefined) throw this.#outOfMemory(bytes, label, "", error);
    this.#ids.set(buffer, this.#nextId);
    this.#nextId += 1;
    this.#created += 1;
    return buffer;
  }

  #outOfMemory(bytes: number, label: string, limit: string, cause: unknown): DeviceError {
    return new DeviceError(
      `${label}: could not allocate ${formatBytes(bytes)} (${bytes} bytes) on the device, which ` +
        `holds ${formatBytes(this.#liveBytes)} in ${this.#live.size} live buffers${limit}. Dispose ` +
        "of tensors that are no longer needed, use smaller batches or checkpoint().",
      { cause },
    );
  }

  #tryCreate(size: number, label: string): [GPUBuffer, DeviceError | undefined] {
    return this.#faults.attempt(label, () =>
      this.#device.createBuffer({ label, size, usage: pooledUsage }),
    );
  }
}
