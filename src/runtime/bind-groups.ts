/**
 * Bind groups by the buffers that they bind. Making one costs as much as a dispatch; in a training
 * loop the same few sets of buffers come again and again, so whole sets are looked up first.
 */
import type { Gpu } from "../device/index.js";

/** A step, as far as its bindings go. */
export interface BoundStep {
  readonly label: string;
  readonly layout: GPUBindGroupLayout;
  /** Slot of each binding; -1 is the uniform buffer. */
  readonly slots: readonly number[];
  /** Bytes of each binding. */
  readonly sizes: readonly number[];
  /** Where in its slot each begins: of large buffers a part is bound. */
  readonly starts: readonly number[];
  /** Byte offset of the step's words in the uniform buffer. */
  readonly words: number;
}

interface Buffers {
  readonly buffers: readonly (GPUBuffer | undefined)[];
  readonly offsets: readonly number[];
}

interface Known {
  readonly buffers: readonly (GPUBuffer | undefined)[];
  readonly offsets: readonly number[];
  readonly groups: readonly GPUBindGroup[];
}

const maxSets = 8;
const maxGroups = 64;

export class BindGroups {
  readonly #gpu: Gpu;
  readonly #steps: readonly BoundStep[];
  /** The slots that any step binds. */
  readonly #slots: readonly number[];
  /** Sets of buffers that were bound, the latest first. */
  readonly #known: Known[] = [];
  readonly #groups: readonly Map<string, GPUBindGroup>[];

  constructor(gpu: Gpu, steps: readonly BoundStep[]) {
    this.#gpu = gpu;
    this.#steps = steps;
    this.#slots = [...new Set(steps.flatMap((s) => s.slots))].filter((slot) => slot >= 0);
    this.#groups = steps.map(() => new Map());
  }

  /** The bind group of each step for these buffers; the uniform buffer is always the same one. */
  of(frame: Buffers, uniform: GPUBuffer | undefined): readonly GPUBindGroup[] {
    const at = this.#known.findIndex((k) => this.#same(k, frame));
    const [found] = at < 0 ? [] : at === 0 ? this.#known : this.#known.splice(at, 1);
    if (found) {
      if (at > 0) this.#known.unshift(found);
      return found.groups;
    }
    const made: Known = {
      buffers: this.#slots.map((slot) => frame.buffers[slot]),
      offsets: this.#slots.map((slot) => frame.offsets[slot]!),
      groups: this.#steps.map((step, i) => this.#group(step, this.#groups[i]!, frame, uniform)),
    };
    this.#known.unshift(made);
    if (this.#known.length > maxSets) this.#known.pop();
    return made.groups;
  }

  #same({ buffers, offsets }: Known, frame: Buffers): boolean {
    const slots = this.#slots;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      if (frame.buffers[slot] !== buffers[i] || frame.offsets[slot] !== offsets[i]) return false;
    }
    return true;
  }

  #group(
    step: BoundStep,
    groups: Map<string, GPUBindGroup>,
    frame: Buffers,
    uniform: GPUBuffer | undefined,
  ): GPUBindGroup {
    const { pool, device } = this.#gpu;
    const bufferAt = (slot: number): GPUBuffer => (slot < 0 ? uniform! : frame.buffers[slot]!);
    const key = step.slots
      .map((slot) => `${pool.idOf(bufferAt(slot))}+${slot < 0 ? 0 : frame.offsets[slot]!}`)
      .join(",");
    const have = groups.get(key);
    if (have) return have;
    const group = device.createBindGroup({
      label: step.label,
      layout: step.layout,
      entries: step.slots.map((slot, binding) => ({
        binding,
        resource: {
          buffer: bufferAt(slot),
          offset: slot < 0 ? step.words : frame.offsets[slot]! + step.starts[binding]!,
          size: step.sizes[binding]!,
        },
      })),
    });
    if (groups.size >= maxGroups) groups.delete(groups.keys().next().value!);
    groups.set(key, group);
    return group;
  }
}
