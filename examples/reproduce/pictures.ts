/** Vega specifications as SVG and PNG files. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Resvg } from "@resvg/resvg-js";
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

export interface Picture {
  /** Without extension. */
  readonly name: string;
  readonly spec: TopLevelSpec | vega.Spec;
  /** What one sees, for who does not. */
  readonly alternative: string;
}

export const config = {
  background: "white",
  font: "sans-serif",
  title: {
    fontSize: 14,
    anchor: "start" as const,
    fontWeight: "bold" as const,
    subtitleFontSize: 12,
    subtitleColor: "#444",
    subtitlePadding: 6,
    offset: 12,
  },
  axis: {
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: "normal" as const,
    titlePadding: 8,
  },
  legend: { labelFontSize: 12, symbolStrokeWidth: 3, symbolSize: 300, labelLimit: 300 },
  view: { stroke: "#ccc" },
};

/** Okabe and Ito: colours that colour-blind readers can tell apart. */
export const palette = [
  "#555555",
  "#0072B2",
  "#56B4E9",
  "#D55E00",
  "#009E73",
  "#CC79A7",
  "#E69F00",
];

const isLite = (spec: Picture["spec"]): spec is TopLevelSpec =>
  !("$schema" in spec && String(spec.$schema).includes("/vega/"));

async function toSvg(spec: Picture["spec"]): Promise<string> {
  const parsed = vega.parse(isLite(spec) ? compile(spec).spec : spec);
  const view = new vega.View(parsed, { renderer: "none", logLevel: vega.Error });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** In every Linux distribution; elsewhere the nearest there is. */
const sansSerif = "DejaVu Sans";

/** Hundredths of a pixel are plenty, and a third of the bytes. */
const shorter = (svg: string): string =>
  svg.replace(/-?\d+\.\d{3,}(e-?\d+)?/g, (x) => String(Number(Number(x).toFixed(2))));

/** Writes NAME.svg and NAME.png; the Markdown that shows it. */
export async function draw(folder: string, { name, spec, alternative }: Picture): Promise<string> {
  await mkdir(join(folder, "figures"), { recursive: true });
  const svg = shorter(await toSvg(spec));
  const png = new Resvg(svg, {
    fitTo: { mode: "zoom", value: 2 },
    // Without a name resvg asks for Arial, and takes a serif font where that is absent.
    font: { loadSystemFonts: true, sansSerifFamily: sansSerif, defaultFontFamily: sansSerif },
  });
  await writeFile(join(folder, "figures", `${name}.svg`), svg);
  await writeFile(join(folder, "figures", `${name}.png`), png.render().asPng());
  return `![${alternative}](figures/${name}.png)\n\n*${alternative}* ([SVG](figures/${name}.svg))\n`;
}
