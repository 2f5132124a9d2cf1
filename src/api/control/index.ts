/** Control flow on the device: loops and branches over trees, in JAX's signatures. */
export { type AssociativeScanOptions, associativeScan } from "./associative.js";
export { cond, switchCase } from "./cond.js";
export { type MapOptions, map } from "./map.js";
export { type ScanOptions, scan } from "./scan.js";
export { type ForiLoopOptions, foriLoop, whileLoop } from "./while.js";
