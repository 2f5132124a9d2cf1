/** Host data to the device and back. */
import { DeviceError } from "../core/errors.js";
import { BufferUsage, MapMode } from "./constants.js";
import { formatBytes } from "./format.js";
import type { Gpu } from "./gpu.js";
import { sizeClass } from "./pool.js";

/** Writes host data into a buffer; the queue orders it before whatever is submitted later. */
export function write(gpu: Gpu, buffer: GPUBuffer, offset: number, data: ArrayBufferView): void {
  const { byteLength } = data;
  if (byteLength === 0) return;
  let bytes = new Uint8Array(data.buffer, data.byteOffset, byteLength);
  if (byteLength % 4 !== 0) {
    // A write covers whole words.
    const padded = new Uint8Array(Math.ceil(byteLength / 4) * 4);
    padded.set(bytes);
    bytes = padded;
  }
  // The caller may change the data as soon as we return.
  const kept = gpu.order.held ? bytes.slice() : bytes;
  gpu.order.run(() =>
    gpu.faults.during(`upload to ${buffer.label}`, () =>
      gpu.queue.writeBuffer(buffer, offset, kept as Uint8Array<ArrayBuffer>),
    ),
  );
}

/** Buffers that the host can read, kept for the next time by size. */
export class Staging {
  readonly #device: GPUDevice;
  readonly #idle = new Map<number, GPUBuffer[]>();
  #idleBytes = 0;
  readonly #maxIdleBytes = 2 ** 26;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  acquire(bytes: number): GPUBuffer {
    const size = sizeClass(bytes);
    const known = this.#idle.get(size)?.pop();
    if (known !== undefined) {
      this.#idleBytes -= size;
      return known;
    }
    return this.#device.createBuffer({
      label: `readback of ${formatBytes(size)}`,
      size,
      usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST,
    });
  }

  release(buffer: GPUBuffer): void {
    if (this.#idleBytes + buffer.size > this.#maxIdleBytes) {
      buffer.destroy();
      return;
    }
    this.#idleBytes += buffer.size;
    const list = this.#idle.get(buffer.size);
    if (list === undefined) this.#idle.set(buffer.size, [buffer]);
    else list.push(buffer);
  }
}

/**
 * Copies a range of a buffer to the host. What was submitted before is in it; several may be under
 * way at once.
 */
export async function readback(
  gpu: Gpu,
  buffer: GPUBuffer,
  byteOffset: number,
  byteLength: number,
  label: string,
): Promise<ArrayBuffer> {
  gpu.faults.check(label);
  if (byteLength === 0) return new ArrayBuffer(0);
  // Copies cover whole words.
  const start = byteOffset - (byteOffset % 4);
  const end = Math.ceil((byteOffset + byteLength) / 4) * 4;
  if (byteOffset < 0 || end > buffer.size) {
    throw new DeviceError(
      `${label}: bytes ${byteOffset} to ${byteOffset + byteLength} are outside of a buffer of ` +
        `${buffer.size} bytes.`,
    );
  }
  const staging = gpu.faults.during(label, () => gpu.staging.acquire(end - start));
  try {
    const encoder = gpu.device.createCommandEncoder({ label });
    encoder.copyBufferToBuffer(buffer, start, staging, 0, end - start);
    const serial = gpu.submit([encoder.finish()], label);
    gpu.faults.check(label);
    await gpu.order.reached();
    await gpu.wait(() => staging.mapAsync(MapMode.READ, 0, end - start));
    gpu.finished(serial);
    const from = byteOffset - start;
    const copy = staging.getMappedRange(0, end - start).slice(from, from + byteLength);
    staging.unmap();
    gpu.staging.release(staging);
    gpu.faults.check(label);
    return copy;
  } catch (error) {
    staging.destroy();
    if (error instanceof DeviceError) throw error;
    gpu.faults.check(label);
    throw new DeviceError(`${label}: reading ${formatBytes(byteLength)} back failed: ${error}`, {
      cause: error,
    });
  }
}
