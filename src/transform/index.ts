/** The transforms: Graph -> Graph. */
export { type BatchedGraph, batchGraph } from "./batch.js";
export { gradGraph } from "./grad.js";
export { type JvpGraph, jvpGraph } from "./jvp.js";
export { type TransposedGraph, transposeGraph } from "./transpose.js";
export { copyGraph, type Split, splitGraph, type UnzippedGraph, unzipGraph } from "./unzip.js";
export { type LinearizedGraph, linearizeGraph, type VjpGraph, vjpGraph } from "./vjp.js";
export { filled, zeros } from "./zeros.js";
