/**
 * The policies that AutoAugment found (E. Cubuk et al., "AutoAugment: learning augmentation
 * strategies from data", 2019, appendix A, in the authors' order): 25 pairs of an operation, its
 * probability, and its magnitude as a level from 0 to 9.
 */
export type OperationName =
  | "shearX"
  | "shearY"
  | "translateX"
  | "translateY"
  | "rotate"
  | "autoContrast"
  | "invert"
  | "equalize"
  | "solarize"
  | "posterize"
  | "contrast"
  | "color"
  | "brightness"
  | "sharpness";

/** Operations without a magnitude have no level. */
export type Choice = readonly [operation: OperationName, probability: number, level?: number];

export type SubPolicy = readonly [Choice, Choice];

export const cifar10: readonly SubPolicy[] = [
  [
    ["invert", 0.1],
    ["contrast", 0.2, 6],
  ],
  [
    ["rotate", 0.7, 2],
    ["translateX", 0.3, 9],
  ],
  [
    ["sharpness", 0.8, 1],
    ["sharpness", 0.9, 3],
  ],
  [
    ["shearY", 0.5, 8],
    ["translateY", 0.7, 9],
  ],
  [
    ["autoContrast", 0.5],
    ["equalize", 0.9],
  ],
  [
    ["shearY", 0.2, 7],
    ["posterize", 0.3, 7],
  ],
  [
    ["color", 0.4, 3],
    ["brightness", 0.6, 7],
  ],
  [
    ["sharpness", 0.3, 9],
    ["brightness", 0.7, 9],
  ],
  [
    ["equalize", 0.6],
    ["equalize", 0.5],
  ],
  [
    ["contrast", 0.6, 7],
    ["sharpness", 0.6, 5],
  ],
  [
    ["color", 0.7, 7],
    ["translateX", 0.5, 8],
  ],
  [
    ["equalize", 0.3],
    ["autoContrast", 0.4],
  ],
  [
    ["translateY", 0.4, 3],
    ["sharpness", 0.2, 6],
  ],
  [
    ["brightness", 0.9, 6],
    ["color", 0.2, 8],
  ],
  [
    ["solarize", 0.5, 2],
    ["invert", 0],
  ],
  [
    ["equalize", 0.2],
    ["autoContrast", 0.6],
  ],
  [
    ["equalize", 0.2],
    ["equalize", 0.6],
  ],
  [
    ["color", 0.9, 9],
    ["equalize", 0.6],
  ],
  [
    ["autoContrast", 0.8],
    ["solarize", 0.2, 8],
  ],
  [
    ["brightness", 0.1, 3],
    ["color", 0.7, 0],
  ],
  [
    ["solarize", 0.4, 5],
    ["autoContrast", 0.9],
  ],
  [
    ["translateY", 0.9, 9],
    ["translateY", 0.7, 9],
  ],
  [
    ["autoContrast", 0.9],
    ["solarize", 0.8, 3],
  ],
  [
    ["equalize", 0.8],
    ["invert", 0.1],
  ],
  [
    ["translateY", 0.7, 9],
    ["autoContrast", 0.9],
  ],
];

export const imagenet: readonly SubPolicy[] = [
  [
    ["posterize", 0.4, 8],
    ["rotate", 0.6, 9],
  ],
  [
    ["solarize", 0.6, 5],
    ["autoContrast", 0.6],
  ],
  [
    ["equalize", 0.8],
    ["equalize", 0.6],
  ],
  [
    ["posterize", 0.6, 7],
    ["posterize", 0.6, 6],
  ],
  [
    ["equalize", 0.4],
    ["solarize", 0.2, 4],
  ],
  [
    ["equalize", 0.4],
    ["rotate", 0.8, 8],
  ],
  [
    ["solarize", 0.6, 3],
    ["equalize", 0.6],
  ],
  [
    ["posterize", 0.8, 5],
    ["equalize", 1],
  ],
  [
    ["rotate", 0.2, 3],
    ["solarize", 0.6, 8],
  ],
  [
    ["equalize", 0.6],
    ["posterize", 0.4, 6],
  ],
  [
    ["rotate", 0.8, 8],
    ["color", 0.4, 0],
  ],
  [
    ["rotate", 0.4, 9],
    ["equalize", 0.6],
  ],
  [
    ["equalize", 0],
    ["equalize", 0.8],
  ],
  [
    ["invert", 0.6],
    ["equalize", 1],
  ],
  [
    ["color", 0.6, 4],
    ["contrast", 1, 8],
  ],
  [
    ["rotate", 0.8, 8],
    ["color", 1, 2],
  ],
  [
    ["color", 0.8, 8],
    ["solarize", 0.8, 7],
  ],
  [
    ["sharpness", 0.4, 7],
    ["invert", 0.6],
  ],
  [
    ["shearX", 0.6, 5],
    ["equalize", 1],
  ],
  [
    ["color", 0.4, 0],
    ["equalize", 0.6],
  ],
  [
    ["equalize", 0.4],
    ["solarize", 0.2, 4],
  ],
  [
    ["solarize", 0.6, 5],
    ["autoContrast", 0.6],
  ],
  [
    ["invert", 0.6],
    ["equalize", 1],
  ],
  [
    ["color", 0.6, 4],
    ["contrast", 1, 8],
  ],
  [
    ["equalize", 0.8],
    ["equalize", 0.6],
  ],
];
