/** hostCall: hand values to a function on the host, once the program that computes them has run. */
import { DawngradError } from "../core/errors.js";
import { bind } from "../ir/builder.js";
import { type HostCall, perform } from "../ir/effects.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { addLane } from "./broadcast.js";

export interface HostCallParams {
  readonly call: HostCall;
  /** Leading axes that vmap has added: the call is made for each of their entries. */
  readonly lanes: number;
}

export const hostCallP: Primitive<HostCallParams> = {
  name: "hostCall",
  kind: "opaque",
  effects: true,
  aval: () => [],
  ref(inputs, params) {
    const values = inputs.map((_, i) => i);
    perform([{ kind: "call", values, ...params }], inputs);
    return [];
  },
  lower() {
    throw new DawngradError("internal: an effect was not harvested");
  },
  batch({ inputs, mapped, size, params }) {
    const lanes = inputs.map((x, i) => (mapped[i] ? x : addLane(x, size)));
    return bind(hostCallP, lanes, { ...params, lanes: params.lanes + 1 });
  },
  harvest: ({ inputs, params }) => ({
    eqn: null,
    values: inputs,
    effects: [{ kind: "call", values: inputs.map((_, i) => i), ...(params as HostCallParams) }],
  }),
  error: { ulp: 0 },
};

export const hostCall = (inputs: readonly Atom[], params: HostCallParams): void => {
  bind(hostCallP, inputs, params);
};
