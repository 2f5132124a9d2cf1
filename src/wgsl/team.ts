/** Teams: the threads of a workgroup that share the terms of one reduction. */
import type { DType } from "../core/dtype.js";
import type { Primitive } from "../ir/primitive.js";
import { workgroupSize } from "../schedule/target.js";
import type { Composer } from "./compose.js";
import type { ModuleBuilder } from "./module.js";
import { typeOf } from "./text.js";

/**
 * What the threads of a workgroup have each (`text`), combined as the reduction `prim` does: an expression
 * of the value that all of them get. All threads must reach it, as there are barriers.
 */
export function togetherText(
  prim: Primitive,
  text: string,
  dtype: DType,
  composer: Composer,
  module: ModuleBuilder,
): string {
  const ctx = composer.context(1);
  const type = typeOf(dtype, 1);
  const shared = module.helper(
    `team_${type}`,
    1,
    (_, name) => `var<workgroup> ${name}: array<${type}, ${workgroupSize}>;`,
  );
  const both = prim.reduce!.combine(`${shared}[local]`, `${shared}[local + half]`, dtype, ctx);
  const together = module.helper(`team_${prim.name}_${type}`, 1, (_, name) =>
    [
      `fn ${name}(local: u32, x: ${type}) -> ${type} {`,
      `${shared}[local] = x;`,
      "workgroupBarrier();",
      `for (var half = ${workgroupSize / 2}u; half > 0u; half = half / 2u) {`,
      `if (local < half) { ${shared}[local] = ${both}; }`,
      "workgroupBarrier();",
      "}",
      `let all = ${shared}[0];`,
      "workgroupBarrier();",
      "return all;",
      "}",
    ].join("\n"),
  );
  return `${together}(local, ${text})`;
}
