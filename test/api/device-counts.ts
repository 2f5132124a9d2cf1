/** What reaches the device, counted there and not where the runtime says so. */
import { currentGpu } from "../../src/device/index.js";

export interface DeviceCounts {
  dispatches: number;
  submits: number;
  /** Buffers taken to be read by the host. */
  readbacks: number;
}

/** Counts from now on, on the device of `init()`. */
export function countDevice(): Readonly<DeviceCounts> {
  const counted: DeviceCounts = { dispatches: 0, submits: 0, readbacks: 0 };
  const { device, staging } = currentGpu("test");
  const createEncoder = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = createEncoder(descriptor);
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (d) => {
      const pass = begin(d);
      const dispatch = pass.dispatchWorkgroups.bind(pass);
      pass.dispatchWorkgroups = (...groups) => {
        counted.dispatches += 1;
        return dispatch(...groups);
      };
      return pass;
    };
    return encoder;
  };
  const submit = device.queue.submit.bind(device.queue);
  device.queue.submit = (buffers) => {
    counted.submits += 1;
    return submit(buffers);
  };
  const acquire = staging.acquire.bind(staging);
  staging.acquire = (bytes) => {
    counted.readbacks += 1;
    return acquire(bytes);
  };
  return counted;
}

/** What happens from now until it is called. */
export function since(counted: Readonly<DeviceCounts>): () => DeviceCounts {
  const before = { ...counted };
  return () => ({
    dispatches: counted.dispatches - before.dispatches,
    submits: counted.submits - before.submits,
    readbacks: counted.readbacks - before.readbacks,
  });
}
