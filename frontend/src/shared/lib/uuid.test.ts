/** Random ids: of the form that the server expects, and never the same. */
import { expect, it } from "vitest";

import { createUuid } from "./uuid";

it("creates ids of version 4 that differ", () => {
  const made = new Set(Array.from({ length: 200 }, createUuid));
  expect(made.size).toBe(200);
  for (const id of made) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});
