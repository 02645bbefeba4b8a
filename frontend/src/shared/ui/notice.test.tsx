/** Hints of the server show apart what the reader has to type. */
import { render } from "@testing-library/react";
import { expect, test } from "vitest";

import { WithCode } from "./notice";

test("commands and names of settings are code, the rest is prose", () => {
  const { container } = render(
    <WithCode text="run `make web`, or set OPENAI_BASE_URL and __API_KEY of an OpenAI server" />,
  );
  expect([...container.querySelectorAll("code")].map((code) => code.textContent)).toEqual([
    "make web",
    "OPENAI_BASE_URL",
    "__API_KEY",
  ]);
  expect(container).toHaveTextContent(
    "run make web, or set OPENAI_BASE_URL and __API_KEY of an OpenAI server",
  );
});
