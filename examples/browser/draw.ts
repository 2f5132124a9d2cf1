/** The two pictures: predicted regions with the points, and the curve of losses. */
const colours = [
  [216, 98, 0],
  [0, 114, 178],
] as const;

const canvas = (id: string): CanvasRenderingContext2D =>
  (document.getElementById(id) as HTMLCanvasElement).getContext("2d")!;

export interface Point {
  readonly at: readonly [number, number];
  readonly label: number;
}

export function drawRegions(predicted: ArrayLike<number>, side: number, points: readonly Point[]) {
  const context = canvas("regions");
  const small = new OffscreenCanvas(side, side);
  const pixels = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    pixels.data.set([...colours[predicted[i]! as 0 | 1], 90], 4 * i);
  }
  small.getContext("2d")!.putImageData(pixels, 0, 0);
  const size = 640;
  context.canvas.width = size;
  context.canvas.height = size;
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, size, size);
  for (const { at, label } of points) {
    context.fillStyle = `rgb(${colours[label as 0 | 1].join(" ")})`;
    context.beginPath();
    context.arc(((at[0] + 1) / 2) * size, ((1 - at[1]) / 2) * size, 6, 0, 2 * Math.PI);
    context.fill();
  }
}

export function drawLosses(losses: readonly number[], steps: number) {
  const context = canvas("losses");
  const { width, height } = context.canvas;
  context.clearRect(0, 0, width, height);
  context.strokeStyle = "#888";
  context.lineWidth = 4;
  context.beginPath();
  losses.forEach((loss, i) => {
    context.lineTo((i / steps) * width, height * (1 - Math.min(loss, 1)));
  });
  context.stroke();
}
