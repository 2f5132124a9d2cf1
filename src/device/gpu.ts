/**
 * The handle on the one device that everything runs on: what it is, what it can do, its buffers,
 * pipelines, submissions and errors.
 */
import { adapterName, isSoftware, type OpenedDevice } from "./adapter.js";
import { KernelChoices } from "./choices.js";
import { Faults } from "./faults.js";
import { plainWait, tamedWait, type Wait } from "./idle.js";
import { Order } from "./order.js";
import { PipelineCache } from "./pipelines.js";
import { BufferPool } from "./pool.js";
import { readback, Staging, write } from "./transfer.js";

const limitNames = [
  "maxStorageBuffersPerShaderStage",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupsPerDimension",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "minStorageBufferOffsetAlignment",
  "minUniformBufferOffsetAlignment",
  "maxUniformBufferBindingSize",
  "maxDynamicStorageBuffersPerPipelineLayout",
  "maxDynamicUniformBuffersPerPipelineLayout",
] as const;

/** The limits that planning and code generation ask about, as plain numbers. */
export type GpuLimits = Readonly<Record<(typeof limitNames)[number], number>>;

export class Gpu {
  readonly device: GPUDevice;
  readonly queue: GPUQueue;
  /** How the device was come by: the adapter, its driver, and what else was considered. */
  readonly opened: OpenedDevice;
  /** The adapter's name for itself, on one line. */
  readonly name: string;
  /** True for a driver that computes on the CPU. */
  readonly software: boolean;
  readonly limits: GpuLimits;
  readonly features: ReadonlySet<string>;
  /** Lanes of a subgroup (the smallest it may be), 0 where shaders cannot use subgroups. */
  readonly subgroupSize: number;
  /** May subgroups have different sizes? */
  readonly subgroupsVary: boolean;
  readonly faults: Faults;
  readonly pool: BufferPool;
  readonly pipelines: PipelineCache;
  readonly staging: Staging;
  /** What goes to the queue waits here while a loop of unknown length is under way. */
  readonly order = new Order((error) => this.faults.note("what waited for a loop", error));
  /** Which variants of kernels programs use. */
  readonly choices: KernelChoices;
  /** Awaits a promise of the device's; every wait of ours goes through here (see idle.ts). */
  readonly wait: Wait;
  #submitted = 0;
  #completed = 0;
  #fenced = 0;

  constructor(opened: OpenedDevice) {
    const { device, adapter } = opened;
    this.opened = opened;
    this.device = device;
    this.queue = device.queue;
    this.name = adapterName(adapter.info);
    this.software = isSoftware(adapter.info);
    this.limits = Object.fromEntries(
      limitNames.map((name) => [name, device.limits[name] ?? 0]),
    ) as GpuLimits;
    this.features = new Set<string>([...device.features]);
    this.subgroupSize = this.features.has("subgroups") ? (adapter.info.subgroupMinSize ?? 0) : 0;
    this.subgroupsVary = adapter.info.subgroupMinSize !== adapter.info.subgroupMaxSize;
    this.faults = new Faults(device);
    this.wait = opened.polled && this.software ? tamedWait() : plainWait;
    this.pool = new BufferPool(device, this.faults, {
      maxBufferSize: this.limits.maxBufferSize,
      budget: opened.budget,
      later: (action) => this.order.run(action),
    });
    this.pipelines = new PipelineCache(device, this.faults, this.wait);
    this.staging = new Staging(device);
    this.choices = opened.choices ?? new KernelChoices("full");
  }

  /** Submissions so far; the number of the last one. */
  get submitted(): number {
    return this.#submitted;
  }

  /** The last submission that is known to have finished (known only after an await). */
  get completed(): number {
    return this.#completed;
  }

  /** Submissions that are not known to have finished. */
  get inFlight(): number {
    return this.#submitted - this.#completed;
  }

  /**
   * Submits commands. Errors are recorded under `label` and reject the next await. Every few
   * submissions a fence is set, so that `completed` moves on in loops that never read anything.
   * @returns the number of this submission, to compare with `completed`
   */
  submit(commands: readonly GPUCommandBuffer[], label: string): number {
    this.faults.checkLost(label);
    this.#submitted += 1;
    this.order.run(() => this.submitNow(commands, label));
    if (this.#submitted - Math.max(this.#fenced, this.#completed) >= 16) void this.#fence();
    return this.#submitted;
  }

  /** Submits commands of what holds the queue, past those that wait for it. */
  submitNow(commands: readonly GPUCommandBuffer[], label: string): void {
    this.faults.during(label, () => this.queue.submit(commands));
  }

  /** Notes that submission number `serial`, and so all before it, has finished. */
  finished(serial: number): void {
    this.#completed = Math.max(this.#completed, serial);
  }

  /** Waits until all that was submitted has finished; rejects with what went wrong meanwhile. */
  async waitDone(label = "waitDone"): Promise<void> {
    this.check(label);
    await this.#fence();
    this.check(label);
  }

  /** Waits until at most `limit` submissions are in flight. */
  async throttle(limit = 64, label = "throttle"): Promise<void> {
    if (this.inFlight > limit) await this.waitDone(label);
  }

  /** Copies host data into a buffer from the pool. */
  upload(data: ArrayBufferView, label: string): GPUBuffer {
    const buffer = this.pool.acquire(data.byteLength, label);
    write(this, buffer, 0, data);
    return buffer;
  }

  /** Overwrites part of a buffer; `offset` in bytes, a multiple of 4. */
  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView): void {
    write(this, buffer, offset, data);
  }

  /** Copies a range of a buffer to the host, after all that was submitted before. */
  readback(
    buffer: GPUBuffer,
    byteOffset: number,
    byteLength: number,
    label = "readback",
  ): Promise<ArrayBuffer> {
    return readback(this, buffer, byteOffset, byteLength, label);
  }

  /** Throws the errors recorded so far as one DeviceError, or the device's loss. */
  check(label: string): void {
    this.faults.check(label);
  }

  get lost(): boolean {
    return this.faults.isLost;
  }

  /** Gives the device back. Every later use throws. */
  destroy(): void {
    this.faults.markLost("it was destroyed (reason: destroyed)");
    this.device.destroy();
  }

  async #fence(): Promise<void> {
    const serial = this.#submitted;
    this.#fenced = serial;
    await this.order.reached();
    try {
      await this.wait(() => this.queue.onSubmittedWorkDone());
      this.finished(serial);
    } catch {
      // A lost device rejects; check() tells.
    }
  }
}
