/**
 * Where equations come from: the user's operation and source line, recorded while something asks for it
 * (checkFinite), and handed on by the passes to what they make of an equation.
 */
export interface Origin {
  readonly op: string;
  /** `file:line:column` of the caller outside the library, where the stack tells. */
  readonly line: string | undefined;
}

let recorder: (() => Origin) | undefined;
let inherited: Origin | undefined;

/** The origin of an equation that is made now. */
export const originNow = (): Origin | undefined => inherited ?? recorder?.();

/** Run `f` with every new equation's origin taken from `record`. */
export function recordingOrigins<T>(record: () => Origin, f: () => T): T {
  const before = recorder;
  recorder = record;
  try {
    return f();
  } finally {
    recorder = before;
  }
}

/** Run a rule: what it makes comes from where its equation came from. */
export function withOriginOf<T>(eqn: { readonly origin?: Origin }, f: () => T): T {
  if (!eqn.origin) return f();
  const before = inherited;
  inherited = eqn.origin;
  try {
    return f();
  } finally {
    inherited = before;
  }
}
