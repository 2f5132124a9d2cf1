/** Figure 4: loss landscapes as contours and as surfaces. */
import type { Spec } from "vega";
import type { Landscape } from "./measuring.js";
import { config, type Picture } from "./pictures.js";

export interface Named {
  readonly label: string;
  readonly landscape: Landscape;
}

const size = 210;
const gap = 50;
/** Points that contours get between two of the grid's. */
const between = 8;

/** The mean rise of the loss over the plane, from its middle. */
export function flatness({ loss }: Landscape): number {
  const middle = Math.floor(loss.length / 2);
  const all = loss.flat().filter(Number.isFinite);
  return all.reduce((s, x) => s + x / all.length, 0) - loss[middle]![middle]!;
}

/** Loss above that of the lowest point shown, so that colours compare methods; capped at `most`. */
const capped = (x: number, most: number): number => Math.min(Number.isFinite(x) ? x : most, most);

/** The same colours for all: up to the median over methods of the largest loss. */
function ceiling(all: readonly Named[]): number {
  const tops = all.map(({ landscape }) =>
    Math.max(...landscape.loss.flat().filter(Number.isFinite)),
  );
  return tops.sort((a, b) => a - b)[Math.floor(tops.length / 2)]!;
}

/** Corners of a surface's quadrilaterals in the plane of the paper, farthest first. */
function surface({ axis, loss }: Landscape, most: number, least: number) {
  const reach = Math.max(...axis.map(Math.abs));
  const [cos, sin] = [Math.cos(0.65), Math.sin(0.65)];
  const project = (x: number, y: number, z: number): [number, number] => {
    const [u, v] = [x * cos - y * sin, x * sin + y * cos];
    const height = (capped(z, most) - least) / (most - least || 1);
    return [size * (0.5 + (0.34 * u) / reach), size * (0.66 + (0.17 * v) / reach - 0.5 * height)];
  };
  const quads: { path: string; loss: number; depth: number }[] = [];
  for (let i = 0; i + 1 < axis.length; i++) {
    for (let j = 0; j + 1 < axis.length; j++) {
      const corners = [
        [i, j],
        [i, j + 1],
        [i + 1, j + 1],
        [i + 1, j],
      ] as const;
      const points = corners.map(([r, c]) => project(axis[c]!, axis[r]!, loss[r]![c]!));
      quads.push({
        path: `M${points.map((p) => p.map((x) => x.toFixed(1)).join(",")).join("L")}Z`,
        loss: corners.reduce((s, [r, c]) => s + capped(loss[r]![c]!, most) / 4, 0),
        depth: axis[j]! * sin + axis[i]! * cos,
      });
    }
  }
  return quads.sort((a, b) => a.depth - b.depth);
}

/** Bilinear values between the grid's points: contours end at the frame, and without corners. */
function finer(loss: readonly (readonly number[])[], times: number): number[][] {
  const last = loss.length - 1;
  const at = (i: number) => {
    const low = Math.min(last - 1, Math.floor(i / times));
    return [low, i / times - low] as const;
  };
  return Array.from({ length: last * times + 1 }, (_, i) => {
    const [r, v] = at(i);
    return Array.from({ length: last * times + 1 }, (_, j) => {
      const [c, u] = at(j);
      const across = (row: readonly number[]) => (1 - u) * row[c]! + u * row[c + 1]!;
      return (1 - v) * across(loss[r]!) + v * across(loss[r + 1]!);
    });
  });
}

/** Contours above, surfaces below, a column for each method. */
export function figure4(all: readonly Named[], title: string): Picture {
  const most = ceiling(all);
  const least = Math.min(
    ...all.flatMap(({ landscape }) => landscape.loss.flat().filter(Number.isFinite)),
  );
  const n = (all[0]!.landscape.axis.length - 1) * between + 1;
  const reach = Math.max(...all[0]!.landscape.axis);
  const thresholds = Array.from({ length: 12 }, (_, i) =>
    i === 0 ? least - 1 : least + (i / 12) * (most - least),
  );
  const color = { scale: "loss", field: "loss" };
  const column = (k: number) => ({ value: k * (size + gap) });
  const spec: Spec = {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    ...{
      config,
      width: all.length * (size + gap) - gap + 20,
      height: 2 * size + 70,
      padding: { left: 55, top: 60, right: 75, bottom: 5 },
      autosize: "none",
    },
    title: {
      text: `Figure 4: ${title}`,
      subtitle:
        "loss in the plane of two random, filter-normalised directions, the same for all; seed 0",
    },
    data: all.flatMap(({ landscape }, k) => [
      {
        name: `grid${k}`,
        values: [
          {
            width: n,
            height: n, // Rows from the top down, as pictures have them.
            values: finer(
              landscape.loss.map((row) => row.map((x) => capped(x, most))).toReversed(),
              between,
            ).flat(),
          },
        ],
      },
      {
        name: `contours${k}`,
        source: `grid${k}`,
        transform: [
          {
            type: "isocontour" as const,
            field: { expr: "datum" } as never,
            thresholds,
            as: "contour" as never,
          },
        ],
      },
      { name: `surface${k}`, values: surface(landscape, most, least) },
    ]),
    projections: [
      {
        name: "projection",
        type: "identity",
        scale: { signal: `${size / n}` },
        translate: [0, 0],
      } as never,
    ],
    scales: [
      {
        name: "loss",
        type: "linear",
        domain: [least, most],
        range: { scheme: "viridis" },
        clamp: true,
      },
      { name: "axis", type: "linear", domain: [-reach, reach], range: [0, size] },
      { name: "upwards", type: "linear", domain: [-reach, reach], range: [size, 0] },
    ],
    legends: [{ fill: "loss", title: "loss", orient: "right" }],
    marks: all.flatMap(({ label }, k) => [
      {
        type: "group" as const,
        encode: {
          enter: {
            x: column(k),
            y: { value: 20 },
            width: { value: size },
            height: { value: size },
            stroke: { value: "#ccc" },
          },
        },
        title: { text: label, anchor: "middle" as const, fontSize: 12 },
        axes: [
          {
            scale: "axis",
            orient: "bottom" as const,
            values: [-reach, 0, reach],
            format: "~g",
            title: "first direction",
            titlePadding: 3,
          },
          {
            scale: "upwards",
            orient: "left" as const,
            values: [-reach, 0, reach],
            format: "~g",
            ...(k === 0 ? { title: "second direction", titlePadding: 0 } : {}),
          },
        ],
        marks: [
          {
            type: "path" as const,
            clip: true,
            from: { data: `contours${k}` },
            encode: {
              enter: {
                stroke: { value: "white" },
                strokeOpacity: { value: 0.7 },
                fill: { scale: "loss", field: "contour.value" },
              },
            },
            transform: [
              {
                type: "geopath" as const,
                field: "datum.contour",
                projection: "projection",
              } as never,
            ],
          },
        ],
      },
      {
        type: "group" as const,
        encode: {
          enter: {
            x: column(k),
            y: { value: size + 80 },
            width: { value: size },
            height: { value: size },
          },
        },
        marks: [
          {
            type: "path" as const,
            from: { data: `surface${k}` },
            encode: {
              enter: {
                path: { field: "path" },
                fill: color,
                stroke: { value: "#0003" },
                strokeWidth: { value: 0.4 },
              },
            },
          },
        ],
      },
    ]),
  };
  const at = (l: Landscape) => {
    const middle = Math.floor(l.axis.length / 2);
    const edge = [l.loss[0]!, l.loss.at(-1)!].flatMap((r) => [r[0]!, r.at(-1)!]);
    return `${l.loss[middle]![middle]!.toFixed(2)} in the middle, ${(edge.reduce((a, b) => a + b) / 4).toFixed(2)} in the corners`;
  };
  return {
    name: `figure4-${title
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .slice(0, 24)}`,
    spec,
    alternative: `Contours (above) and surfaces (below) of the loss around the trained networks. Loss on test images: ${all.map(({ label, landscape }) => `${label} ${at(landscape)}`).join("; ")}.`,
  };
}
