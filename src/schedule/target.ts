/** What scheduling and code generation need to know of an adapter. */
export interface Target {
  /** Runs on the CPU: no workgroup memory, no barriers, several vectors a thread. */
  readonly software: boolean;
  /** Lanes of a subgroup, 0 where shaders cannot use subgroups. */
  readonly subgroupSize: number;
  readonly maxStorageBuffers: number;
  /** Bytes that one binding may cover: of larger buffers kernels see windows. */
  readonly maxBindingBytes: number;
  /** Bytes of the largest buffer. */
  readonly maxBufferBytes: number;
  /** Where in a buffer a binding may begin: at multiples of so many bytes. */
  readonly bindingAlignment: number;
  readonly maxWorkgroups: number;
}

/** The least that WebGPU promises: what `explain` assumes without an adapter. */
export const minimalTarget: Target = {
  software: false,
  subgroupSize: 0,
  maxStorageBuffers: 8,
  maxBindingBytes: 128 * 2 ** 20,
  maxBufferBytes: 256 * 2 ** 20,
  bindingAlignment: 256,
  maxWorkgroups: 65535,
};

/** Threads of a workgroup of a loop kernel. */
export const workgroupSize = 64;

/**
 * Results at once that keep the adapter busy: reductions to fewer are split. A workgroup computes up to 256
 * (64 threads, four each), and CPU drivers give each of their threads whole workgroups.
 */
export const wantedResults = (target: Target): number => (target.software ? 2048 : 65536);
