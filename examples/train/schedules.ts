/** Learning-rate schedules over a whole run, by name. */
import { less, mul, type TensorLike, where } from "dawngrad";
import { constant, cosine, exponential, linear, piecewise, type Schedule } from "dawngrad/optim";

type Make = (rate: number, steps: number) => Schedule;

export const schedules = {
  cosine: (rate, steps) => cosine(rate, steps),
  constant: (rate) => constant(rate),
  linear: (rate, steps) => linear(rate, 0, steps),
  /** A tenth from half, and again from three quarters of the run on. */
  step: (rate, steps) =>
    piecewise(rate, { [Math.round(steps / 2)]: 0.1, [Math.round((3 * steps) / 4)]: 0.1 }),
  /** To a hundredth at the end. */
  exponential: (rate, steps) => exponential(rate, steps, 0.01),
} as const satisfies Record<string, Make>;

export type ScheduleName = keyof typeof schedules;
export const scheduleNames = Object.keys(schedules) as ScheduleName[];

/** From 0 up over `warmup` steps, then the named schedule over the rest. */
export function scheduleFor(
  name: ScheduleName,
  rate: number,
  steps: number,
  warmup: number,
): Schedule {
  if (warmup === 0) return schedules[name](rate, steps);
  const after = schedules[name](rate, Math.max(1, steps - warmup));
  const rise = linear(0, rate, warmup);
  return (step: TensorLike) => {
    const since = mul(step, 1).sub(warmup);
    return where(less(since, 0), rise(step), after(since));
  };
}
