/** The intermediate representation: a list of equations in single-assignment form. */
import type { Aval } from "../core/aval.js";
import type { Origin } from "./origin.js";
import type { Primitive } from "./primitive.js";
import { showGraph } from "./print.js";

/** A value that an equation or the graph's caller defines. Identity is the object. */
export class Var {
  readonly aval: Aval;
  constructor(aval: Aval) {
    this.aval = aval;
  }
}

/**
 * A scalar known at trace time. Its value is data, not structure: it reaches the device in a uniform
 * buffer, so programs that differ only in such values (a learning rate) share their shaders.
 */
export class Lit {
  readonly aval: Aval;
  readonly value: number;
  constructor(aval: Aval, value: number) {
    this.aval = aval;
    this.value = value;
  }
}

export type Atom = Var | Lit;

export interface Eqn {
  readonly prim: Primitive;
  readonly inputs: readonly Atom[];
  readonly params: object;
  readonly outputs: readonly Var[];
  /** Where it comes from, while that is recorded. */
  readonly origin?: Origin;
}

/** A pure function of its inputs. It is closed: every Var is an input or an equation's output. */
export class Graph {
  readonly inputs: readonly Var[];
  readonly eqns: readonly Eqn[];
  readonly outputs: readonly Atom[];
  constructor(inputs: readonly Var[], eqns: readonly Eqn[], outputs: readonly Atom[]) {
    this.inputs = inputs;
    this.eqns = eqns;
    this.outputs = outputs;
  }
  toString(): string {
    return showGraph(this);
  }
  get inputAvals(): Aval[] {
    return this.inputs.map((v) => v.aval);
  }
  get outputAvals(): Aval[] {
    return this.outputs.map((v) => v.aval);
  }
}
