/** What the linter holds: types used soundly, the rules of hooks, and which folder may import which. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import js from "@eslint/js";
import importX, { createNodeResolver } from "eslint-plugin-import-x";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import typescript from "typescript-eslint";

const SRC = fileURLToPath(new URL("./src", import.meta.url));
const features = readdirSync(`${SRC}/features`);

/** Features never import each other, `app` joins them, and `shared` knows neither. */
const BOUNDARIES = [
  ...features.map((feature) => ({
    target: `./src/features/${feature}`,
    from: "./src/features",
    except: [`./${feature}`],
    message: "A feature imports no other feature: app/pages.tsx joins them, or the code belongs in shared/.",
  })),
  {
    target: "./src/features",
    from: "./src/app",
    message: "A feature does not know the app around it.",
  },
  {
    target: ["./src/shared", "./src/i18n"],
    from: ["./src/app", "./src/features"],
    message: "What is shared knows neither features nor the app.",
  },
];

/** What an input method takes does nothing else: these two look at every sign of it. */
const KEYS = ["Enter", "Escape"].map((key) => ({
  selector: `BinaryExpression[operator=/^[!=]==$/][right.value="${key}"]`,
  message: `Use is${key} of shared/lib/keyboard.ts: an input method may have taken the key.`,
}));
const COMPOSING = {
  selector: "MemberExpression[property.type='Identifier'][property.name='isComposing']",
  message: "Use isComposing of shared/lib/keyboard.ts: Safari does not tell it of the event.",
};

export default defineConfig(
  globalIgnores(["src/shared/api/schema.d.ts", "public"]), // generated; served as it is
  { ...js.configs.recommended, languageOptions: { globals: { URL: "readonly" } } },
  {
    files: ["**/*.{ts,tsx}"],
    extends: [typescript.configs.recommendedTypeChecked, hooks.configs.flat.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { "import-x": importX },
    settings: {
      "import-x/resolver-next": [
        createNodeResolver({ extensions: [".ts", ".tsx", ".d.ts", ".js"], alias: { "@": [SRC] } }),
      ],
      "import-x/extensions": [".ts", ".tsx"],
      "import-x/parsers": { "@typescript-eslint/parser": [".ts", ".tsx"] },
    },
    rules: {
      // These three serve the React Compiler, which this app does not use: hooks change the refs that they get on
      // purpose, and some state follows an outside fact.
      "react-hooks/immutability": "off",
      "react-hooks/preserve-manual-memoization": "off",
      "react-hooks/set-state-in-effect": "off",
      "import-x/no-restricted-paths": ["error", { basePath: import.meta.dirname, zones: BOUNDARIES }],
      "import-x/no-cycle": ["error", { ignoreExternal: true }],
      "import-x/no-duplicates": ["error", { "prefer-inline": true }],
      "import-x/order": [
        "error",
        {
          groups: [["builtin", "external"], "internal", ["parent", "sibling", "index"]],
          pathGroups: [{ pattern: "@/**", group: "internal" }],
          alphabetize: { order: "asc", caseInsensitive: true },
          "newlines-between": "always",
        },
      ],
      "no-restricted-syntax": ["error", ...KEYS, COMPOSING],
      "@typescript-eslint/no-import-type-side-effects": "error",
      "@typescript-eslint/method-signature-style": "error",
      // Prettier breaks code, but neither comments nor strings.
      "max-len": [
        "error",
        { code: 110, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true },
      ],
      "sort-imports": ["error", { ignoreDeclarationSort: true, ignoreCase: true }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    },
  },
  { files: ["src/shared/lib/keyboard.ts"], rules: { "no-restricted-syntax": "off" } },
);
