/** Types of what loops and branches pass to the functions they are given. */
import type { Tensor, TensorLike } from "../../trace/tensor.js";

/** A tree with its numbers and booleans as tensors: what a function sees while it is traced. */
export type Traced<T> = T extends TensorLike
  ? Tensor
  : T extends object
    ? { [K in keyof T]: Traced<T[K]> }
    : T;

/** A tree of the same structure with tensors or numbers for leaves: what a function may return. */
export type Like<T> = T extends TensorLike
  ? TensorLike
  : T extends object
    ? { readonly [K in keyof T]: Like<T[K]> }
    : T;

/** A list of arguments as a function sees them. */
export type TracedArgs<A extends readonly unknown[]> = { -readonly [K in keyof A]: Traced<A[K]> };
