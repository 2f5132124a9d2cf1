/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Names that our declarations use and that a consumer's configuration may lack: WebGPU's without the
 * DOM library, AbortSignal without either DOM or Node's types. Interfaces merge, so that these add
 * nothing where the real ones are declared, and no second copy of WebGPU's types meets the DOM's.
 */
declare global {
  interface AbortSignal {}
  interface GPU {}
  interface GPUAdapter {}
  interface GPUAdapterInfo {}
  interface GPUBindGroup {}
  interface GPUBindGroupLayout {}
  interface GPUBuffer {}
  interface GPUBufferBinding {}
  interface GPUCommandBuffer {}
  interface GPUCommandEncoder {}
  interface GPUComputePassEncoder {}
  interface GPUComputePipeline {}
  interface GPUDevice {}
  interface GPUQueue {}
}

export {};
