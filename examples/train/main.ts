/** `npm run train`: trains any model of the library on any of its data sets. `--help` lists the options. */
import { DawngradError, hideDawnWarnings } from "dawngrad";
import { interrupts } from "../cr-sam-mnist/interrupt.js";
import { Exit } from "../cr-sam-mnist/options.js";
import type { Options } from "./options.js";
import { parseOptions } from "./parse.js";
import { percent } from "./progress.js";
import { train } from "./train.js";

const out = (text: string) => void process.stdout.write(text);
const err = (text: string) => void process.stderr.write(text);

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(process.argv.slice(2), { out, err });
  } catch (error) {
    if (error instanceof Exit) return error.code;
    throw error;
  }
  hideDawnWarnings();
  // Node ends without a word when all that is left is a promise that nothing will settle.
  const cutOff = () => err("The program ended before its work did: a promise never settled.\n");
  process.once("exit", cutOff);
  const interrupt = interrupts(() => process.off("exit", cutOff));
  try {
    const { last, checkpoint, interrupted } = await train(
      options,
      process.stdout,
      interrupt.signal,
    );
    if (last !== undefined) out(`test ${percent(last.test.top1)} after ${last.epoch + 1} epochs\n`);
    out(`checkpoint ${checkpoint}\n`);
    if (!interrupted) return 0;
    err(`Interrupted; go on by --resume ${options.resume ?? options.out}\n`);
    return 130;
  } catch (error) {
    if (!(error instanceof DawngradError)) throw error;
    err(`${error.name}: ${error.message}\n`);
    return 1;
  } finally {
    interrupt.stop();
    process.off("exit", cutOff);
  }
}

process.exitCode = await main();
