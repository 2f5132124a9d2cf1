/** Small helpers on atoms that the operations share. */
import { isFloat } from "../../core/dtype.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";

export { like } from "../../prims/define.js";

export const isBool = (a: Atom): boolean => a.aval.dtype === "bool";
export const asFloat = (a: Atom): Atom => (isFloat(a.aval.dtype) ? a : prims.convert(a, "float32"));
/** Booleans count. */
export const asNumber = (a: Atom): Atom => (isBool(a) ? prims.convert(a, "int32") : a);
export const asBool = (a: Atom): Atom => prims.convert(a, "bool");
