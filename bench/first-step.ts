/** One cold step in a process of its own: prints the milliseconds from trace to the known loss. */
import { init } from "dawngrad";
import { jittedStep, start, values } from "./mlp.js";

await init();
const { params, velocity, x, y } = start(values(128));
const from = performance.now();
const [loss] = jittedStep("sgd")(params, velocity, x, y);
await loss.item();
console.log(performance.now() - from);
process.exit(0);
