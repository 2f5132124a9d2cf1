/** From the command line and configuration files to options. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Command, CommanderError, type Option } from "commander";
import { Exit, type Output } from "../cr-sam-mnist/options.js";
import { entryOf } from "./data-sets.js";
import { notTaken } from "./models.js";
import { baseOf, notTakenBy } from "./optimizers.js";
import { contradiction, machine, type Options, program, replaceable } from "./options.js";

export const configFile = "config.json";

/** @throws Exit after --help, or with a one-line message for a mistake. */
export function parseOptions(args: readonly string[], output: Output): Options {
  const command = program()
    .exitOverride()
    .configureHelp({ helpWidth: 100 })
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .allowExcessArguments(false);
  try {
    command.parse(args, { from: "user" });
    const { config, resume } = command.opts<Options>();
    if (config !== undefined && resume !== undefined) {
      command.error("error: --resume takes the options of its run, and no --config.");
    }
    if (config !== undefined) applyFile(command, resolve(config));
    if (resume !== undefined) resumeFrom(command, resume);
    const options = command.opts<Options>();
    const complaint =
      contradiction(options, entryOf(options.data).dirOptional ?? false) ??
      foreign(command, options);
    if (complaint !== undefined) command.error(`error: ${complaint}`);
    return options;
  } catch (error) {
    if (error instanceof CommanderError) throw new Exit(error.exitCode === 0 ? 0 : 2);
    throw error;
  }
}

/** Options of the command line that other models or optimizers have. */
function foreign(command: Command, options: Options): string | undefined {
  const given = new Set(
    command.options
      .map((option) => option.attributeName())
      .filter((name) => command.getOptionValueSource(name) === "cli"),
  );
  const flagOf = (name: string) => command.options.find((o) => o.attributeName() === name)!.long;
  const { model, optimizer } = options;
  const ofModel = notTaken(model, given);
  if (ofModel !== undefined) return `${flagOf(ofModel)} is not an option of --model ${model}.`;
  const name = notTakenBy(options, given);
  if (name === undefined) return undefined;
  const base = name === "momentum" || name === "nesterov" ? ` on ${baseOf(options)}` : "";
  return `${flagOf(name)} is not an option of --optimizer ${optimizer}${optimizer === baseOf(options) ? "" : base}.`;
}

/** A run's options are those it began with. */
function resumeFrom(command: Command, folder: string): void {
  for (const option of command.options) {
    const name = option.attributeName() as keyof Options;
    if (command.getOptionValueSource(name) === "cli" && !replaceable.includes(name)) {
      command.error(
        `error: --resume goes on with the options of its run; ${option.long} cannot change.`,
      );
    }
  }
  applyFile(command, join(resolve(folder), configFile));
  command.setOptionValueWithSource("out", folder, "config");
}

/** Set what the command line did not, from a JSON object of options by their long names. */
function applyFile(command: Command, path: string): void {
  const fail = (message: string): never => command.error(`error: ${path}: ${message}`);
  const values = readObject(path, fail);
  for (const [key, value] of Object.entries(values)) {
    const option = command.options.find((o) => o.attributeName() === key || o.long === `--${key}`);
    if (option === undefined || key === "config" || key === "resume" || key === "help") {
      fail(`there is no option "${key}"`);
    } else if (command.getOptionValueSource(option.attributeName()) !== "cli") {
      const parsed = parsedValue(option, value, (why) => fail(`"${key}": ${why}`));
      command.setOptionValueWithSource(option.attributeName(), parsed, "config");
    }
  }
}

function readObject(path: string, fail: (message: string) => never): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return fail(`expected a JSON file of options: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return fail("expected a JSON object of options");
  }
  return value as Record<string, unknown>;
}

/** The value as if it stood on the command line, with the same checks. */
function parsedValue(option: Option, value: unknown, fail: (why: string) => never): unknown {
  if (option.isBoolean()) {
    return typeof value === "boolean" ? value : fail("expected true or false");
  }
  const list = Array.isArray(value) ? value : [value];
  if (list.some((x) => typeof x !== "string" && typeof x !== "number")) {
    return fail("expected text or a number");
  }
  const text = list.length === 0 ? "none" : list.join(",");
  try {
    return option.parseArg ? option.parseArg(text, undefined) : text;
  } catch (error) {
    return fail((error as Error).message);
  }
}

/** The options that make a run what it is, wherever it runs: what its checkpoints belong to. */
export const identityOf = (options: Options): Partial<Options> =>
  Object.fromEntries(
    Object.entries(options).filter(([name]) => !machine.includes(name as keyof Options)),
  );

/** Everything that the next call needs. */
export const savedOptions = (options: Options): Partial<Options> =>
  Object.fromEntries(
    Object.entries(options).filter(([name]) => !["config", "resume", "out"].includes(name)),
  );
