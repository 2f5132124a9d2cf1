/** What each scale trains. */
import { full } from "./full.js";
import type { Scale, ScaleName } from "./settings.js";
import { medium, small } from "./small.js";
import { smoke } from "./smoke.js";

export const scales: Readonly<Record<ScaleName, Scale>> = { smoke, small, medium, full };
