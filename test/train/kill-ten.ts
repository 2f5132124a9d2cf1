/**
 * Ten kills at random moments: `npx tsx test/train/kill-ten.ts [kills] [options of npm run train]`.
 * Exits with 1 if the final checkpoint is not, byte for byte, that of a run left alone.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killAndResume } from "./kill.js";

const [kills = "10", ...more] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "dawngrad-kill-"));
const args = (
  more.length > 0
    ? more
    : "--model mlp --hidden 16 --optimizer cr-sam --batch 8 --epochs 60 --ema 0.9 --checkpoint-every 5".split(
        " ",
      )
) as readonly string[];
try {
  const outcome = await killAndResume({
    folder,
    kills: Number(kills),
    args,
    random: Math.random,
    say: (text) => console.log(text),
  });
  const same = outcome.uninterrupted.equals(outcome.interrupted);
  console.log(
    `${outcome.kills.length} kills; the final checkpoint is ${same ? "the same" : "ANOTHER"}: ` +
      `${outcome.interrupted.length} bytes`,
  );
  process.exitCode = same && outcome.kills.length === Number(kills) ? 0 : 1;
} finally {
  await rm(folder, { recursive: true });
}
