/**
 * Prints the table of docs/numerics.md for one adapter: the declared and the measured error of every
 * elementwise primitive. `npx tsx scripts/elementwise-accuracy.ts`; DAWNGRAD_ADAPTER chooses.
 */
import { deviceInfo, init } from "../src/device/index.js";
import { elementwisePrimitives } from "../src/prims/elementwise-table.js";
import { measure } from "../test/device/elementwise-measure.js";

await init();
const { description, driver } = deviceInfo();
console.log(`${driver}: ${description}\n`);
console.log("| primitive | declared | measured ulp | of the bound | values |");
console.log("|---|---|---|---|---|");
let failures = 0;
const only = process.argv.slice(2);
for (const prim of elementwisePrimitives) {
  if (only.length > 0 && !only.includes(prim.name)) continue;
  const m = await measure(prim);
  const { ulp, abs } = prim.error;
  const declared = `${ulp} ulp${abs === undefined ? "" : ` + ${abs.toExponential(0)}`}`;
  const share = m.share === Number.POSITIVE_INFINITY ? "WRONG" : `${Math.round(100 * m.share)}%`;
  console.log(`| ${prim.name} | ${declared} | ${m.ulp.toFixed(2)} | ${share} | ${m.compared} |`);
  if (m.failure !== undefined) {
    failures++;
    console.log(`  ${m.failure}`);
  }
}
process.exit(failures === 0 ? 0 : 1);
