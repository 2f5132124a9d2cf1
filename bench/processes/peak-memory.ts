/** Many steps in a process of its own: how far its memory grew at the most. */
import { memoryStats } from "dawngrad";
import { cnn } from "../models/cnn.js";
import { mlp } from "../models/mlp.js";
import { opened } from "./trainer.js";

const [, , name, kind, steps] = process.argv as [string, string, string, "mlp" | "cnn", string];
const make = await opened(name);
const model = kind === "mlp" ? mlp(128) : cnn(128);
const before = process.memoryUsage().rss;
const trainer = make(model);
const losses = await trainer.losses(3);
await trainer.time(Number(steps));
const { peakBytes } = memoryStats();
// In KiB, of the whole process: on a software adapter the device's memory is the process's.
const most = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ grown: most - before, peakBytes, losses }));
process.exit(0);
