/** Counts what reaches the device, by watching Dawn's own objects: a check of explain(). */
import { globals } from "webgpu";

export interface Counts {
  readonly dispatches: number;
  readonly submits: number;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Replace a method by one that calls `seen` first; returns how to put it back. */
function watch(type: string, method: string, seen: () => void): () => void {
  const { prototype } = (
    globals as unknown as Record<string, { prototype: Record<string, Method> }>
  )[type]!;
  const original = prototype[method]!;
  prototype[method] = function (...args) {
    seen();
    return original.apply(this, args);
  };
  return () => {
    prototype[method] = original;
  };
}

/** Dispatches and submissions made while `work` runs (synchronously). */
export function countDevice(work: () => void): Counts {
  let dispatches = 0;
  let submits = 0;
  const dispatched = () => {
    dispatches++;
  };
  const restore = [
    watch("GPUComputePassEncoder", "dispatchWorkgroups", dispatched),
    watch("GPUComputePassEncoder", "dispatchWorkgroupsIndirect", dispatched),
    watch("GPUQueue", "submit", () => {
      submits++;
    }),
  ];
  try {
    work();
  } finally {
    for (const put of restore) put();
  }
  return { dispatches, submits };
}
