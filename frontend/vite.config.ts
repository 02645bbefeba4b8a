/** How the page is built, served while it is worked on, and tested. */
import react from "@vitejs/plugin-react";
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Plugin, type Rolldown } from "vite";
import { defineConfig } from "vitest/config";

// make dev says where the server is; with changeOrigin false the server sees one origin, the page's.
const server = process.env.PROMPTER_DEV_SERVER ?? "http://127.0.0.1:8000";
const doors = ["/api", "/providers", "/llm", "/v1", "/health", "/docs", "/openapi.json", "/metrics"];

/** Lays a .gz beside every text file, for the server to send as it is. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir }) {
      const folder = join(dir ?? "", "assets");
      for (const name of readdirSync(folder).filter((file) => /\.(js|css|svg|html)$/.test(file))) {
        writeFileSync(join(folder, `${name}.gz`), gzipSync(readFileSync(join(folder, name)), { level: 9 }));
      }
    },
  };
}

const LICENSES = "licenses.md";

/** What the style sheet is made of: its base and its fonts. */
const STYLES = [
  ["tailwindcss", "MIT"],
  ["@fontsource-variable/geist", "OFL-1.1"],
  ["@fontsource-variable/geist-mono", "OFL-1.1"],
] as const;

/** Adds the licences of what the style sheet is made of to those of the scripts, which Vite lists. */
function licensed(): Plugin {
  return {
    name: "licensed",
    apply: "build",
    writeBundle({ dir }) {
      for (const [name, licence] of STYLES) {
        const path = fileURLToPath(new URL(`./node_modules/${name}/LICENSE`, import.meta.url));
        appendFileSync(
          join(dir ?? "", LICENSES),
          `\n## ${name} (${licence})\n\n${readFileSync(path, "utf8")}`,
        );
      }
    },
  };
}

const LANGUAGES = ["en", "es"];

/** Tells the first script where the texts of each language are: it asks for those of the page's language. */
function textsEarly(): Plugin {
  return {
    name: "texts-early",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        const found = LANGUAGES.map((language) => {
          const chunk = Object.values(bundle ?? {}).find(
            (one) => one.type === "chunk" && one.facadeModuleId?.endsWith(`/i18n/${language}.ts`),
          );
          if (chunk === undefined) throw new Error(`the build has no texts of their own for ${language}`);
          return `data-${language}="/${chunk.fileName}"`;
        });
        return html.replace('src="/assets/theme.js"', `$& ${found.join(" ")}`);
      },
    },
  };
}

const DIAGRAMS = fileURLToPath(new URL("./src/features/chat/diagrams/diagram-frame", import.meta.url));
const DIAGRAM_LICENSES = "diagram-licenses.md";

/**
 * Builds the page that draws diagrams: one file with its script in it, because a frame without an origin can
 * load none. The server gives the file its own policy, which names the script by its hash.
 */
function diagramFrame(): Plugin {
  let source = "";
  let licenses = "";
  return {
    name: "diagram-frame",
    apply: "build",
    // Before the page is built: one build within another never ends.
    async configResolved() {
      const { output } = await buildAlone(`${DIAGRAMS}.ts`);
      const script = output.find((file) => file.type === "chunk")?.code ?? "";
      const list = output.find((file) => file.type === "asset" && file.fileName === DIAGRAM_LICENSES);
      licenses = list?.type === "asset" ? String(list.source) : "";
      // In HTML these three would end the script, or begin another one.
      const safe = script.replace(/<(?=!--|script|\/script)/gi, "\\x3c");
      source = readFileSync(`${DIAGRAMS}.html`, "utf8").replace(
        "</body>",
        () => `<script>${safe}</script></body>`,
      );
    },
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "assets/diagram.html", source });
    },
    writeBundle({ dir }) {
      appendFileSync(join(dir ?? "", LICENSES), `\n${licenses}`);
    },
  };
}

async function buildAlone(entry: string): Promise<Rolldown.RolldownOutput> {
  const built = await build({
    configFile: false,
    publicDir: false,
    logLevel: "error",
    build: {
      write: false,
      target: "es2022",
      license: { fileName: DIAGRAM_LICENSES },
      modulePreload: false,
      rolldownOptions: { input: entry, output: { format: "iife", codeSplitting: false } },
    },
    resolve: {
      // Its formulas are of no use without the HTML that the strict level forbids.
      alias: { katex: `${DIAGRAMS}-katex.ts` },
    },
  });
  if (Array.isArray(built) || !("output" in built)) throw new Error("one page has one output");
  return built;
}

export default defineConfig({
  plugins: [react(), diagramFrame(), compressed(), licensed(), textsEarly()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    // Inside the Python package: one place for checkout and wheel.
    outDir: "../backend/app/web",
    emptyOutDir: true,
    assetsInlineLimit: 0, // data: addresses are not 'self'
    license: { fileName: LICENSES }, // of every package in the bundle; it travels with the bundle
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: {
    host: "127.0.0.1",
    port: 5173,
    strictPort: true,
    proxy: {
      ...Object.fromEntries(doors.map((door) => [door, { target: server, changeOrigin: false }])),
      "/assets/diagram.html": { target: server, changeOrigin: false }, // as it was built, with its policy
      "/ws": { target: server, ws: true, changeOrigin: false },
    },
  },
  test: {
    environment: "jsdom",
    setupFiles: ["src/test/setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    // A busy machine is many times slower than a free one; what waits for ever fails all the same.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    css: false,
  },
});
