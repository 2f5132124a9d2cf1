/** What a model costs, told from its programs without running them. */
import { deviceInfo, explain, tree } from "dawngrad";
import type { Entry } from "./catalogue.js";
import { imageShapes, type Method, methods, stateShapes, stepOf } from "./step.js";

export interface MethodPlan {
  readonly dispatches: number;
  /** Different texts among the kernels: layers that repeat share theirs. */
  readonly shaders: number;
  readonly flops: number;
  readonly peakBytes: number;
  readonly traceMs: number;
  readonly scheduleMs: number;
  readonly textMs: number;
}

export interface Plan {
  readonly device: string;
  readonly batch: number;
  readonly parameters: number;
  /** Of the forward pass on one image, a multiplication and an addition counted as two. */
  readonly forwardFlops: number;
  readonly methods: Readonly<Record<Method, MethodPlan>>;
}

export function planOf(entry: Entry, batch: number): Plan {
  const at = stateShapes(entry);
  const { model } = entry;
  const forward = explain(
    (params: unknown, state: unknown, x: ReturnType<typeof imageShapes>["x"]) =>
      model.apply(params, state, x)[0],
  )(at.params, at.state, imageShapes(entry, 1).x);
  const total = (list: readonly { readonly flops: number }[]) =>
    list.reduce((sum, k) => sum + k.flops, 0);
  const plan = (method: Method): MethodPlan => {
    const e = explain(stepOf(entry, method), { donateArgnums: 0 })(at, imageShapes(entry, batch));
    const { dispatches, peakBytes, traceMs, scheduleMs, textMs } = e;
    const shaders = new Set(e.kernels.map((k) => k.wgsl)).size;
    const flops = total(e.kernels);
    return { dispatches, shaders, peakBytes, traceMs, scheduleMs, textMs, flops };
  };
  const device = deviceInfo();
  return {
    device: device.description || device.vendor,
    batch,
    parameters: tree.size(at.params as never),
    forwardFlops: total(forward.kernels),
    methods: Object.fromEntries(methods.map((m) => [m, plan(m)])) as Plan["methods"],
  };
}
