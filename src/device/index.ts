/** Everything that touches the GPU: the adapter, its buffers, pipelines, transfers and errors. */
export type { AdapterChoice, Candidate, Driver } from "./adapter.js";
export { BufferUsage, MapMode, ShaderStage } from "./constants.js";
export { formatBytes } from "./format.js";
export { Gpu, type GpuLimits } from "./gpu.js";
export { currentGpu, type DeviceInfo, deviceInfo, type InitOptions, init } from "./init.js";
export type { Binding, Pipeline, PipelineCache, PipelineSpec } from "./pipelines.js";
export { type BufferPool, type PoolStats, sizeClass } from "./pool.js";
export { hideDawnWarnings } from "./quiet.js";
