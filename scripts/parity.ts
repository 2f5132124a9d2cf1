/**
 * The parity table of docs/models.md: the largest relative error against PyTorch's float64 over five training
 * steps, of every family's reduced model.
 *
 *     npx tsx scripts/parity.ts
 */
import { deviceInfo, init } from "dawngrad";
import { families } from "../test/nn/parity.js";
import { deviceErrors, type Errors, referenceErrors } from "../test/nn/parity-errors.js";

await init();
const { description } = deviceInfo();
const show = (x: number) => x.toExponential(1);
const most = (errors: Errors) => Object.entries(errors).sort(([, a], [, b]) => b - a)[0]!;
console.log(`| family | f64 reference | ${description} | where | PyTorch in float32 |`);
console.log("|---|---|---|---|---|");
for (const family of families) {
  const [, exact] = most(await referenceErrors(family));
  const [where, single] = most(await deviceErrors(family));
  const { float32 } = family.record;
  console.log(
    `| ${family.name} | ${show(exact)} | ${show(single)} | ${where} | ${show(float32)} |`,
  );
}
process.exit(0);
