/** The page: trains with the chosen method until its steps are done, and shows how it goes. */
import { deviceInfo, init, type Tensor } from "dawngrad";
import { drawLosses, drawRegions } from "./draw.js";
import { spirals } from "./spirals.js";
import { type Method, training } from "./train.js";

const steps = 600;
const stepsPerFrame = 10;
const side = 64;

const form = document.getElementById("controls") as HTMLFormElement;
const status = document.getElementById("status") as HTMLOutputElement;
let round = 0;

async function train(): Promise<void> {
  const mine = ++round;
  const fields = new FormData(form);
  const method = fields.get("method") as Method;
  const data = await spirals(100, 0.1, 0);
  const { step, regions } = training(method, Number(fields.get("rho")), data);
  const losses: number[] = [];
  const began = performance.now();
  while (losses.length < steps) {
    // Steps of a frame follow each other without waiting; their losses are read together.
    const frame: Tensor[] = Array.from({ length: stepsPerFrame }, step);
    const predicted = regions(side);
    losses.push(...(await Promise.all(frame.map((loss) => loss.item()))));
    const found = await predicted.data();
    if (mine !== round) return;
    for (const x of [...frame, predicted]) x.dispose();
    drawRegions(found, side, data.points);
    drawLosses(losses, steps);
    const ms = (performance.now() - began) / losses.length;
    status.textContent =
      `${deviceInfo().description || deviceInfo().vendor}\n` +
      `${method}: step ${losses.length} of ${steps}, loss ${losses.at(-1)!.toFixed(3)}, ${ms.toFixed(1)} ms a step`;
    document.body.dataset.losses = JSON.stringify(losses);
    await new Promise(requestAnimationFrame);
  }
}

const start = (): void => {
  train().catch((error: unknown) => {
    status.textContent = String(error);
    document.body.dataset.error = String(error);
  });
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});

try {
  await init();
  start();
} catch (error) {
  status.textContent = String(error);
  document.body.dataset.error = String(error);
}
