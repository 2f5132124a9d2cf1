/** One first step in a process of its own: the milliseconds from trace to the known loss. */
import { mlp } from "../models/mlp.js";
import { opened } from "./trainer.js";

const make = await opened(process.argv[2]!);
const model = mlp(128);
const from = performance.now();
const [loss] = await make(model).losses(1);
console.log(JSON.stringify({ ms: performance.now() - from, loss }));
process.exit(0);
