import { spawn } from "node:child_process";
import { expect, test } from "vitest";

/** Runs a module text in a process of its own; gives its exit code and output. */
function run(source: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", source],
    { cwd: new URL("../..", import.meta.url), stdio: ["ignore", "pipe", "pipe"], timeout: 30_000 },
  );
  let output = "";
  child.stdout.on("data", (text) => {
    output += text;
  });
  child.stderr.on("data", (text) => {
    output += text;
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, output })));
}

const setUp = `
  import { Dataset } from "./data/dataset.ts";
  import { hostLoader } from "./data/host-loader.ts";
  const size = 100;
  const dataset = new Dataset({ name: "d", images: new Uint8Array(size), labels: new Uint8Array(size),
    inputShape: [1], classes: ["c"] });
  const load = (options) => hostLoader(dataset, { batchSize: 1, ...options }, (b) => b, () => {});
`;

test("a process ends by itself after leaving a loop, whatever is under way", async () => {
  const { code, output } = await run(`${setUp}
    const hang = (b, { batch }) => (batch === 0 ? b : new Promise(() => {}));
    for await (const b of load({ prefetch: 8, transform: hang })) break;
    const fail = (b, { batch }) => { if (batch > 0) throw new Error("seen by nobody"); return b; };
    for await (const b of load({ prefetch: 8, transform: fail, signal: new AbortController().signal })) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      break;
    }
    console.log("left");
  `);
  expect(output).toBe("left\n");
  expect(code).toBe(0);
});
