/** Code is kept under a name that its programs know. */
import { expect, it } from "vitest";

import { nameCodeFile } from "./code-files";

it.each([
  ["python", "code.py"],
  ["TypeScript", "code.ts"],
  ["c++", "code.cpp"],
  ["css", "code.css"],
  ["sql", "code.sql"],
  ["dockerfile", "Dockerfile"],
  ["mermaid", "code.mmd"],
  ["", "code.txt"],
  ["../../etc/passwd", "code.txt"],
  ["constructor", "code.txt"],
  ["a very long language", "code.txt"],
])("%s is kept as %s", (language, name) => {
  expect(nameCodeFile(language)).toBe(name);
});
