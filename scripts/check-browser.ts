/**
 * Builds the browser example from the built package, opens it in Chromium, and checks that it trains:
 * `npm run build && npm run check:browser [-- screenshot.png]`. CHROMIUM names another browser.
 */
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { build, preview } from "vite";

const configFile = fileURLToPath(new URL("../examples/browser/vite.config.ts", import.meta.url));
const steps = 600;

async function check(url: string, screenshot: string | undefined): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      "--disable-background-networking",
    ],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 800, height: 720 } });
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (m) => {
      if (m.type() === "error" && !/favicon/.test(m.location().url)) problems.push(m.text());
    });
    await page.goto(url);
    await page.waitForFunction(
      (n) => {
        const { losses, error } = document.body.dataset;
        return error !== undefined || (JSON.parse(losses ?? "[]") as number[]).length >= n;
      },
      steps,
      { timeout: 240_000 },
    );
    if (screenshot) await page.screenshot({ path: screenshot });
    const { losses, error } = await page.evaluate(() => ({ ...document.body.dataset }));
    if (error) problems.push(error);
    if (problems.length > 0) throw new Error(problems.join("\n"));
    const values = JSON.parse(losses!) as number[];
    const [first, last] = [values[0]!, values.at(-1)!];
    // A constant guess has ln 2 = 0.69; a network that learns the spirals goes far below.
    if (!(last < 0.55 && last < first)) throw new Error(`the loss went from ${first} to ${last}`);
    console.log(await page.textContent("#status"));
  } finally {
    await browser.close();
  }
}

await build({ configFile, logLevel: "warn" });
const server = await preview({ configFile, preview: { host: "127.0.0.1", port: 0 } });
try {
  await check(server.resolvedUrls!.local[0]!, process.argv[2]);
} finally {
  await server.close();
}
