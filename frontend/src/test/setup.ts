/** What every test of the page stands on: matchers of the DOM, English texts, and a clean page after each. */
import "@testing-library/jest-dom/vitest";
import { cleanup } from "@testing-library/react";
import { afterEach, beforeAll } from "vitest";

import { startI18n } from "@/i18n/i18n";

beforeAll(() => startI18n("en"));
afterEach(() => {
  cleanup();
  localStorage.clear();
});
