/**
 * `npm run bench [-- --write]`: dawngrad against jax-js on the same adapter, in one run, alternating.
 * Prints a Markdown report; --write puts it into docs/benchmarks.md.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { deviceInfo, explain, hideDawnWarnings, init, memoryStats } from "dawngrad";
import { jittedStep, type Method, start, stepOf, values } from "./mlp.js";
import { installPeers, jaxRunner, loadJax, type Runner } from "./peers.js";
import { alternate } from "./timing.js";

const { values: flags } = parseArgs({
  options: {
    write: { type: "boolean", default: false },
    rounds: { type: "string", default: "7" },
    "no-peers": { type: "boolean", default: false },
  },
});

hideDawnWarnings();
await init();
const rounds = Number(flags.rounds);
const lines: string[] = [];
const say = (text = ""): void => {
  lines.push(text);
  console.log(text);
};

/** dawngrad's step, never awaited inside a block. */
function runner(method: Method, batch: number): Runner {
  const v = values(batch);
  const step = jittedStep(method);
  let { params, velocity, x, y } = start(v);
  return {
    name: `dawngrad ${method}`,
    async run(steps) {
      let last: { item(): Promise<number>; dispose(): void } | undefined;
      for (let i = 0; i < steps; i++) {
        last?.dispose();
        [last, params, velocity] = step(params, velocity, x, y);
      }
      return last!.item();
    },
  };
}

const fixed = (x: number, digits = 2): string => x.toFixed(digits);
const packageVersion = (path: string): string =>
  (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
const root = fileURLToPath(new URL("..", import.meta.url));

say("# Benchmarks");
say();
say(
  "Made by `npm run bench -- --write`: medians of alternating blocks of ten steps in one process,",
);
say("with the fastest and slowest block. Compare ratios within one run, not times between runs.");
say();
say(`- machine: ${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}`);
say(`- adapter: ${deviceInfo().description} (${deviceInfo().driver})`);
const jaxVersion = "0.1.25";
say(`- dawngrad ${packageVersion(`${root}package.json`)}, jax-js ${jaxVersion}`);

if (!flags["no-peers"]) {
  installPeers();
  const jax = await loadJax("webgpu");
  say();
  say("## MLP 784-512-256-10, one training step (SGD with momentum)");
  say();
  say("| batch | dawngrad ms | jax-js webgpu ms | dawngrad / jax-js |");
  say("|---|---|---|---|");
  for (const batch of [128, 16]) {
    const ours = runner("sgd", batch);
    const theirs = jaxRunner(jax, "jax-js webgpu", values(batch));
    // A figure counts only if both compute the same: the loss after the same five steps.
    const [a, b] = [await ours.run(5), await theirs.run(5)];
    if (!(Math.abs(a - b) < 1e-3 * Math.abs(b))) {
      throw new Error(`the losses after five steps differ: ${a} and ${b}`);
    }
    const { timings, ratios } = await alternate([theirs, ours], { rounds });
    const show = (k: number): string => {
      const t = timings[k]!;
      return `${fixed(t.median)} (${fixed(t.min)}–${fixed(t.max)})`;
    };
    say(`| ${batch} | ${show(1)} | ${show(0)} | ${fixed(ratios[1]!, 3)} |`);
  }
}

say();
say("## The sharpness family's steps");
say();
say("| step | batch | dispatches | submissions | ms | relative to SGD |");
say("|---|---|---|---|---|---|");
const methods: readonly Method[] = ["sgd", "sam", "cr-sam", "cr-sam-sequential"];
for (const batch of [128, 16]) {
  const { timings, ratios } = await alternate(
    methods.map((m) => runner(m, batch)),
    { rounds },
  );
  for (const [k, method] of methods.entries()) {
    const { params, velocity, x, y } = start(values(batch));
    const plan = explain(stepOf(method), { donateArgnums: [0, 1] })(params, velocity, x, y);
    const t = timings[k]!;
    say(
      `| ${method} | ${batch} | ${plan.dispatches} | ${plan.submits} | ${fixed(t.median)} (${fixed(t.min)}–${fixed(t.max)}) | ${fixed(ratios[k]!)} |`,
    );
  }
}

say();
say("## Memory: 1,000 steps, state donated, no await between steps");
say();
{
  const ours = runner("sgd", 16);
  await ours.run(10);
  const early = memoryStats();
  await ours.run(990);
  const late = memoryStats();
  say("| | step 10 | step 1000 |");
  say("|---|---|---|");
  say(`| live tensors | ${early.liveTensors} | ${late.liveTensors} |`);
  say(`| live bytes | ${early.liveBytes} | ${late.liveBytes} |`);
  say(`| peak bytes | ${early.peakBytes} | ${late.peakBytes} |`);
}

say();
say("## The first step, in a new process");
say();
say("Import, adapter, trace, compile and one step at batch 128, until the loss is known.");
say();
say("| shader caches | seconds in all | of these the step itself |");
say("|---|---|---|");
for (const cache of ["cold", "warm"]) {
  const folder = mkdtempSync(join(tmpdir(), "dawngrad-bench-"));
  const env = { ...process.env, MESA_SHADER_CACHE_DIR: folder };
  const once = () => {
    const from = performance.now();
    const out = spawnSync(
      process.execPath,
      ["--import", "tsx", fileURLToPath(new URL("./first-step.ts", import.meta.url))],
      { env, cwd: root, encoding: "utf8" },
    );
    if (out.status !== 0) throw new Error(out.stderr);
    return { all: (performance.now() - from) / 1000, step: Number(out.stdout.trim()) / 1000 };
  };
  if (cache === "warm") once();
  const { all, step } = once();
  say(`| ${cache} | ${fixed(all)} | ${fixed(step)} |`);
  rmSync(folder, { recursive: true, force: true });
}

if (flags.write) writeFileSync(`${root}docs/benchmarks.md`, `${lines.join("\n")}\n`);
process.exit(0);
