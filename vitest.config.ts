import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^dawngrad$/, replacement: at("./src/index.ts") },
      { find: /^dawngrad\/testing$/, replacement: at("./src/testing/index.ts") },
      { find: /^dawngrad\/(nn|optim|data)$/, replacement: `${at("./")}$1/index.ts` },
    ],
  },
  test: {
    // Dawn has crashed in worker threads: every test file gets a process of its own.
    pool: "forks",
    // Tests neither measure kernels nor depend on what was measured; those of tuning say so.
    env: { DAWNGRAD_TUNE: "off" },
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
