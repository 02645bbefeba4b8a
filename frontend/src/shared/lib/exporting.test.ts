/** The addresses of exports. */
import { expect, test, vi } from "vitest";

import { makeExportPath } from "./exporting";

const read = (path: string) => {
  const [route, query] = path.split("?");
  return { route, ...Object.fromEntries(new URLSearchParams(query)) };
};

function inZone(timeZone: string): void {
  const options = { timeZone } as Intl.ResolvedDateTimeFormatOptions;
  vi.spyOn(Intl.DateTimeFormat.prototype, "resolvedOptions").mockReturnValue(options);
}

test("one, several or all are named, in the zone and the language of the reader", () => {
  inZone("Europe/Madrid");
  const common = { timezone: "Europe/Madrid", language: "es" };
  expect(read(makeExportPath({ id: "a" }, "pdf", "es-MX"))).toEqual({
    route: "/api/conversations/a/export",
    format: "pdf",
    ...common,
  });
  expect(read(makeExportPath({ ids: ["a", "b"] }, "zip", "es"))).toEqual({
    route: "/api/export",
    format: "zip",
    ids: "a,b",
    ...common,
  });
  expect(read(makeExportPath("all", "json", "es"))).toEqual({
    route: "/api/export",
    format: "json",
    ...common,
  });
});

test("a zone that the browser does not know is UTC, and another language is English", () => {
  inZone("Etc/Unknown");
  expect(read(makeExportPath("all", "json", "fr"))).toMatchObject({ timezone: "UTC", language: "en" });
});
