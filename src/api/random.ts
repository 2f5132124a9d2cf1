/**
 * Random numbers by threefry2x32 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011):
 * the same key gives the numbers that jax.random gives (JAX >= 0.5, partitionable threefry). Bits,
 * uniform numbers, integers and permutations are equal bit for bit; what goes through a logarithm or an
 * inverse error function, within that function's rounding.
 *
 * Keys are values: everything here works under jit and vmap (over keys, too).
 */
export {
  cauchy,
  exponential,
  gumbel,
  laplace,
  logistic,
  normal,
  truncatedNormal,
  type UniformOptions,
  uniform,
} from "./random/continuous.js";
export { geometric, lognormal, maxwell, pareto, rayleigh, weibullMin } from "./random/derived.js";
export {
  bernoulli,
  type CategoricalOptions,
  type ChoiceOptions,
  categorical,
  choice,
  type PermutationOptions,
  permutation,
  type RandintOptions,
  rademacher,
  randint,
} from "./random/discrete.js";
export { bits, foldIn, key, split } from "./random/key.js";
