/** A lowered graph with its definitions and uses at hand, and a number for every variable. */
import { type Atom, type Eqn, type Graph, Lit, Var } from "../ir/graph.js";

export interface Definition {
  readonly eqn: Eqn;
  /** Which output of the equation. */
  readonly output: number;
  /** Position of the equation in the graph. */
  readonly at: number;
}

/**
 * A graph ready for scheduling: no opaque equations. Its inputs are the program's inputs followed by
 * one scalar for each of the program's constants, whose values only a run knows.
 */
export class Defs {
  readonly graph: Graph;
  /** Number of inputs that are the program's own; the rest are constants. */
  readonly inputCount: number;
  readonly #definitions = new Map<Var, Definition>();
  readonly #ids = new Map<Atom, number>();
  readonly #atoms: Atom[] = [];
  readonly #inputs = new Map<Var, number>();

  constructor(graph: Graph, inputCount: number) {
    this.graph = graph;
    this.inputCount = inputCount;
    graph.inputs.forEach((v, i) => {
      this.#number(v);
      this.#inputs.set(v, i);
    });
    graph.eqns.forEach((eqn, at) => {
      eqn.outputs.forEach((v, output) => {
        this.#number(v);
        this.#definitions.set(v, { eqn, output, at });
      });
    });
  }

  #number(x: Atom): number {
    const id = this.#atoms.length;
    this.#ids.set(x, id);
    this.#atoms.push(x);
    return id;
  }

  id(x: Atom): number {
    return this.#ids.get(x) ?? this.#number(x);
  }

  byId(id: number): Atom {
    return this.#atoms[id]!;
  }

  /** The equation that defines a variable; undefined for inputs. */
  of(v: Var): Definition | undefined {
    return this.#definitions.get(v);
  }

  kind(x: Atom): "lit" | "input" | Eqn["prim"]["kind"] {
    if (x instanceof Lit) return "lit";
    return this.#definitions.get(x)?.eqn.prim.kind ?? "input";
  }

  /** Position among the inputs, or undefined. */
  inputIndex(v: Var): number | undefined {
    return this.#inputs.get(v);
  }

  /** The variables that the graph returns, without duplicates. */
  returned(): Set<Var> {
    return new Set(this.graph.outputs.filter((x): x is Var => x instanceof Var));
  }
}
