/** The same programs on SwiftShader, in a process of its own: a process has one device. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deviceInfo } from "dawngrad";
import type { Workload } from "../harness/context.js";
import { figure, withRange } from "../harness/format.js";
import { runProcess } from "../harness/process.js";
import type { Comparison, Section, Table } from "../harness/results.js";

const title = "SwiftShader";
const work = [
  "matmul A·B 512×512×512",
  "MLP 784-512-256-10 batch 128: SGD step",
  "the adapter's ceilings",
];

interface Saved {
  readonly sections: readonly Section[];
}

export const swiftshader: Workload = {
  name: "swiftshader",
  titles: () => [title],
  async run(context): Promise<Section> {
    const own = deviceInfo().driver === "swiftshader";
    const parts: Table[] = [];
    const notes: string[] = [];
    if (own) notes.push("This run is on SwiftShader already: see above.");
    else {
      context.log(`${title} …`);
      const folder = mkdtempSync(join(tmpdir(), "dawngrad-bench-"));
      const file = join(folder, "results.json");
      const args = ["--peers", "none", "--rounds", String(context.timing.rounds), "--json", file];
      for (const w of work) args.push("--only", w);
      try {
        await runProcess<object>("run.ts", args, { DAWNGRAD_ADAPTER: "swiftshader" });
        const { sections } = JSON.parse(readFileSync(file, "utf8")) as Saved;
        const found = sections
          .flatMap((s) => s.parts)
          .filter((p): p is Comparison => p.kind === "comparison");
        const rows = found.flatMap((c) =>
          c.rows.map((r) => {
            context.figures.set(`SwiftShader ${c.title}, ${r.name}: ms`, r.ms.median);
            return [c.title, r.name, withRange(r.ms), r.rate || "—", figure(r.ratio.median)];
          }),
        );
        // What a kernel there can reach at all.
        const limits = sections
          .flatMap((s) => s.parts)
          .filter((p): p is Table => p.kind === "table");
        for (const { rows: kernels } of limits) {
          for (const [kernel, ms, rate] of kernels) {
            rows.push([kernel!, "shader that does nothing else", ms!, rate!, "—"]);
          }
        }
        for (const r of rows) context.log(`  ${r.join(", ")}`);
        parts.push({
          kind: "table",
          title: "On SwiftShader",
          head: ["work", "contestant", "ms", "rate", "dawngrad / this"],
          rows,
          notes: [
            ...new Set(found.map((c) => `Checked: ${c.checked}.`)),
            "A tile of R×C numbers of a product loads R + C for R·C multiply-adds. Loads as slow as the streaming read (and not the arithmetic) set the pace here, and larger tiles are slower: 16×16 takes 1.3 times as long as 16×8.",
          ],
        });
      } catch (error) {
        notes.push(`Not measured: ${String(error).split("\n").slice(0, 2).join(" ")}`);
        context.log(`  ${notes.at(-1)}`);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
    return { title: "SwiftShader", ...(notes.length > 0 && { text: notes.join("\n") }), parts };
  },
};
