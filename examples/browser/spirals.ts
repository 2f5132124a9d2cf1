/** Two interleaved spirals, some of whose labels are wrong: points that can be drawn. */
import { array, random, type Tensor } from "dawngrad";

export interface Spirals {
  /** [n, 2], in the square from −1 to 1. */
  readonly x: Tensor;
  /** [n], int32: 0 or 1. */
  readonly y: Tensor;
  readonly points: readonly { readonly at: readonly [number, number]; readonly label: number }[];
}

export async function spirals(perArm: number, wrong: number, seed: number): Promise<Spirals> {
  const [ofNoise, ofLabels] = random.split(random.key(seed));
  const n = 2 * perArm;
  const noise = await random.normal(ofNoise!, [n, 2]).mul(0.02).data();
  const flipped = await random.bernoulli(ofLabels!, wrong, [n]).data();
  const points = Array.from({ length: n }, (_, i) => {
    const arm = i % 2;
    const t = Math.floor(i / 2) / perArm;
    const angle = 3 * Math.PI * t + Math.PI * arm;
    const radius = 0.1 + 0.8 * t;
    const at = [
      radius * Math.cos(angle) + noise[2 * i]!,
      radius * Math.sin(angle) + noise[2 * i + 1]!,
    ] as const;
    return { at, label: flipped[i] ? 1 - arm : arm };
  });
  return {
    x: array(points.map((p) => [...p.at])),
    y: array(
      points.map((p) => p.label),
      { dtype: "int32" },
    ),
    points,
  };
}
