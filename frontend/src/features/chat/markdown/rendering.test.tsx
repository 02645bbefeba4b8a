/** Formulas, diagrams, notes and copies of an answer, as components. */
import { fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeAll, describe, expect, it } from "vitest";

import { FormattedText, Markdown } from "./markdown";
import { readFormatted } from "./rich-text";

beforeAll(() => {
  HTMLElement.prototype.scrollIntoView = () => undefined; // jsdom has none
  return FormattedText.load();
});

const show = (text: string, isLive = false) =>
  render(
    <article>
      <Markdown text={text} isLive={isLive} />
    </article>,
  );

describe("formulas", () => {
  it("are typeset, and prices are not", async () => {
    const page = show("It costs $5 and $6, $x^2$.\n\n$$\n\\frac{1}{2}\n$$").container;
    await waitFor(() => expect(page.querySelectorAll("math")).toHaveLength(2));
    expect(page.querySelector("p")?.textContent).toContain("$5 and $6");
    const [inline, display] = page.querySelectorAll("math");
    expect(inline?.querySelector("msup")).not.toBeNull();
    expect(display?.closest("[tabindex='0']")).not.toBeNull();
    expect(display?.namespaceURI).toBe("http://www.w3.org/1998/Math/MathML");
  });

  it("that are wrong stay as they were written, and say so", async () => {
    const page = show("Wrong: $\\frac{1$ here").container;
    await waitFor(() => expect(page).toHaveTextContent("$\\frac{1$ (This formula has a mistake"));
    expect(page.querySelector("math")).toBeNull();
  });

  it("are shown as they are written until their end has come", async () => {
    const { container, rerender } = show("$$\n\\frac{1}{2", true);
    expect(container.querySelector("code")?.textContent).toContain("$$\n\\frac{1}{2");
    rerender(
      <article>
        <Markdown text={"$$\n\\frac{1}{2}\n$$"} isLive />
      </article>,
    );
    await waitFor(() => expect(container.querySelector("mfrac")).not.toBeNull());
  });
});

describe("footnotes", () => {
  const text = "One[^1] and two[^a] and one again[^1].\n\n[^1]: The first.\n[^a]: The other.";

  it("lead to the note and back, without an address", async () => {
    const user = userEvent.setup();
    show(text);
    const before = location.href;
    await user.click(screen.getAllByRole("doc-noteref", { name: "Footnote 1" })[0] as HTMLElement);
    const notes = screen.getByRole("region", { name: "Footnotes" });
    expect(within(notes).getAllByRole("listitem")[0]).toHaveFocus();
    await user.click(
      within(notes).getAllByRole("doc-backlink", { name: /Back to where footnote 1/ })[0] as HTMLElement,
    );
    expect(screen.getAllByRole("doc-noteref", { name: "Footnote 1" })[0]).toHaveFocus();
    expect(location.href).toBe(before);
  });

  it("have ids that no other text has", () => {
    const page = render(
      <>
        <Markdown text={text} />
        <Markdown text={text} />
      </>,
    ).container;
    const ids = [...page.querySelectorAll("[id]")].map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(8);
    expect(new Set(ids).size).toBe(ids.length);
    for (const link of page.querySelectorAll("[href]")) expect(link.getAttribute("href")).toBe("#/");
  });
});

describe("diagrams", () => {
  const CODE = "```mermaid\ngraph TD\n  A --> B\n```";

  it("are code until the block is closed", () => {
    const { container, rerender } = show(CODE.slice(0, -4), true);
    expect(container.querySelector("iframe")).toBeNull();
    expect(screen.getByRole("figure", { name: "Code, mermaid" })).toHaveTextContent("A --> B");
    rerender(
      <article>
        <Markdown text={`${CODE}\nMore`} isLive />
      </article>,
    );
    const frame = container.querySelector("iframe");
    expect(frame?.getAttribute("sandbox")).toBe("allow-scripts");
    expect(frame?.getAttribute("aria-label")).toBe("Diagram: graph TD\n  A --> B");
    rerender(
      <article>
        <Markdown text={`${CODE}\nMore and more`} isLive />
      </article>,
    );
    expect(container.querySelector("iframe")).toBe(frame);
  });

  it("show their code by choice, and again the diagram", async () => {
    const user = userEvent.setup();
    const { container } = show(CODE);
    await user.click(screen.getByRole("button", { name: "Show the code of the diagram" }));
    expect(container.querySelector("iframe")).toBeNull();
    await user.click(screen.getByRole("button", { name: "Show the diagram" }));
    expect(container.querySelector("iframe")).not.toBeNull();
  });

  it("listen to their own frame alone", () => {
    const { container } = show(CODE);
    const frame = container.querySelector("iframe") as HTMLIFrameElement;
    const say = (source: Window | null, origin: string) =>
      fireEvent(window, new MessageEvent("message", { data: { type: "broken" }, source, origin }));
    say(window, "null");
    say(frame.contentWindow, "https://evil.example");
    expect(container.querySelector("iframe")).not.toBeNull();
    say(frame.contentWindow, "null");
    expect(container.querySelector("iframe")).toBeNull();
    expect(container).toHaveTextContent("This is not a diagram that can be drawn. Its code:");
  });

  it("that are too large are code, and nothing is loaded", async () => {
    const { container } = show(`\`\`\`mermaid\n${"A --> B\n".repeat(3000)}\`\`\``);
    expect(await screen.findByText(/too large to be drawn/)).toBeInTheDocument();
    expect(container.querySelector("iframe")).toBeNull();
  });
});

it("is copied with its formatting, without buttons and classes", async () => {
  const text =
    "# Title\n\n**bold** $x$ [a](https://example.org)[^1]\n\n```js\nlet x;\n```\n\n| a |\n|---|\n| 1 |\n\n```mermaid\ngraph TD\n```\n\n[^1]: Note";
  const page = show(text).container;
  await waitFor(() => expect(page.querySelector("math")).not.toBeNull());
  const copied = readFormatted(page.querySelector("p") as Element);
  expect(copied).toContain("<h1>Title</h1>");
  expect(copied).toContain("<strong>bold</strong> <math");
  expect(copied).toContain('<a href="https://example.org">a</a>');
  expect(copied).toContain("<pre>graph TD</pre>");
  expect(copied).toMatch(/<pre[^>]*><code>let x;<\/code><\/pre>/);
  expect(copied).toContain("<table>");
  expect(copied).not.toMatch(/<button|class=|<iframe|<figure|tabindex/);
});
