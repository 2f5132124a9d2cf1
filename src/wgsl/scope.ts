/** Nested blocks of statements, and where in them a value belongs. */
export class Scope {
  readonly names: ReadonlySet<string>;
  /** A branch: values made within may not move out of it. */
  readonly branch: boolean;
  readonly lines: string[] = [];
  readonly memo = new Map<string, unknown>();

  constructor(names: ReadonlySet<string>, branch: boolean) {
    this.names = names;
    this.branch = branch;
  }
}

export class Scopes {
  readonly #stack: Scope[];
  #current = 0;

  constructor(names: Iterable<string>) {
    this.#stack = [new Scope(new Set(names), false)];
  }

  /** The block that statements go to now. */
  get lines(): string[] {
    return this.#stack[this.#current]!.lines;
  }

  /** How deep it is; 0 outside of all loops. */
  get depth(): number {
    return this.#current;
  }

  get root(): Scope {
    return this.#stack[0]!;
  }

  /** Run `f` in a new innermost block; its statements are returned. */
  nested<T>(names: Iterable<string>, branch: boolean, f: () => T): [T, string[]] {
    const before = this.#current;
    const scope = new Scope(new Set(names), branch);
    // A block is entered from where we are: whatever is deeper is not visible to it.
    const rest = this.#stack.splice(before + 1);
    this.#stack.push(scope);
    this.#current = before + 1;
    const value = f();
    this.#stack.pop();
    this.#stack.push(...rest);
    this.#current = before;
    return [value, scope.lines];
  }

  #depthOf(names: ReadonlySet<string>): number {
    const missing = new Set(names);
    let depth = 0;
    let floor = 0;
    this.#stack.forEach((scope, i) => {
      if (scope.branch) floor = i;
      let needed = false;
      for (const name of scope.names) if (missing.delete(name)) needed = true;
      if (needed) depth = i;
    });
    return Math.max(depth, floor);
  }

  /**
   * The value with this key, made at most once: in the outermost block in which `names` (the loop
   * variables it depends on) are known.
   */
  once<T>(key: string, names: ReadonlySet<string>, make: () => T): T {
    for (let i = this.#stack.length - 1; i >= 0; i--) {
      const { memo } = this.#stack[i]!;
      if (memo.has(key)) return memo.get(key) as T;
    }
    const before = this.#current;
    const depth = Math.min(this.#depthOf(names), this.#stack.length - 1);
    this.#current = depth;
    const value = make();
    this.#stack[depth]!.memo.set(key, value);
    this.#current = before;
    return value;
  }
}
