/** WGSL spellings of types, constants and index expressions. */
import type { DType } from "../core/dtype.js";
import type { Idx } from "../ir/index-expr.js";

export type Width = 1 | 4;

const scalars = { float32: "f32", int32: "i32", uint32: "u32", bool: "bool" } as const;

/** The type of values of a dtype in registers. */
export const typeOf = (dtype: DType, width: Width): string => widen(scalars[dtype], width);

/** The type of a dtype in memory. */
export const storageType = (dtype: DType): "f32" | "i32" | "u32" =>
  dtype === "bool" ? "u32" : scalars[dtype];

export const widen = (scalar: string, width: Width): string =>
  width === 1 ? scalar : `vec4<${scalar}>`;

const hex = (bits: number): string => `0x${(bits >>> 0).toString(16).padStart(8, "0")}u`;

const smallestNormal = 2 ** -126;

function floatText(value: number): string {
  const x = Math.fround(value);
  if (x === 0) return Object.is(x, -0) ? "-0f" : "0f";
  if (Math.abs(x) < smallestNormal) {
    const bits = new Uint32Array(Float32Array.of(x).buffer)[0]!;
    return `bitcast<f32>(${hex(bits)})`;
  }
  return `${x}f`;
}

/** A finite scalar constant; null for those that WGSL cannot spell. */
export function constantText(value: number, dtype: DType): string | null {
  switch (dtype) {
    case "bool":
      return value !== 0 ? "true" : "false";
    case "uint32":
      return `${value >>> 0}u`;
    case "int32": {
      const x = value | 0;
      if (x === -(2 ** 31)) return `bitcast<i32>(${hex(x)})`;
      return x < 0 ? `(${x}i)` : `${x}i`;
    }
    case "float32": {
      if (!Number.isFinite(Math.fround(value))) return null;
      const text = floatText(value);
      return text.startsWith("-") ? `(${text})` : text;
    }
  }
}

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** The 32 bits that stand for a value in memory. */
export function wordOf(value: number, dtype: DType): number {
  switch (dtype) {
    case "float32":
      floats[0] = value;
      return words[0]!;
    case "bool":
      return value !== 0 ? 1 : 0;
    default:
      return value >>> 0;
  }
}

/** An index as u32 arithmetic; `atom` spells its atoms. Intermediate values may wrap around. */
export function indexText(e: Idx, atom: (key: Idx["terms"][number]["atom"]) => string): string {
  if (e.terms.length === 0) return `${e.constant >>> 0}u`;
  const plus: string[] = [];
  const minus: string[] = [];
  for (const { atom: a, coeff } of e.terms) {
    const size = Math.abs(coeff);
    (coeff > 0 ? plus : minus).push(size === 1 ? atom(a) : `${atom(a)} * ${size}u`);
  }
  if (e.constant > 0) plus.push(`${e.constant}u`);
  if (e.constant < 0) minus.push(`${-e.constant}u`);
  if (plus.length === 0) plus.push("0u");
  const text = [plus.join(" + "), ...minus].join(" - ");
  return plus.length + minus.length === 1 && !text.includes(" ") ? text : `(${text})`;
}
