/** Every family's reduced model against PyTorch's float64: five steps of SGD, in f64 and on the device. */
import { init } from "dawngrad";
import { describe, expect, test } from "vitest";
import { families } from "./parity.js";
import { deviceErrors, referenceErrors } from "./parity-errors.js";

await init();

const compared = [
  ...["logits", "gradients", "statistics after 1", "parameters after 5", "statistics after 5"],
  ...["loss 1", "loss 2", "loss 3", "loss 4", "loss 5", "evaluated after 5"],
].sort();

for (const family of families) {
  describe(family.name, () => {
    test("the configuration is one that single precision can follow", () => {
      expect(family.record.float32).toBeLessThan(6e-5);
    });
    test("in f64", async () => {
      const errors = await referenceErrors(family);
      expect(Object.keys(errors).sort()).toEqual(compared);
      for (const [what, error] of Object.entries(errors)) expect(error, what).toBeLessThan(1e-9);
    });
    test("on the device", async () => {
      const errors = await deviceErrors(family);
      expect(Object.keys(errors).sort()).toEqual(compared);
      for (const [what, error] of Object.entries(errors)) expect(error, what).toBeLessThan(1e-4);
    });
  });
}
