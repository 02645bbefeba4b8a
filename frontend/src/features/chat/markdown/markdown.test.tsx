/** Markdown of strangers: readable, and harmless. */
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeAll, describe, expect, it } from "vitest";

import { FormattedText, Markdown } from "./markdown";

beforeAll(() => FormattedText.load());

function html(text: string): HTMLElement {
  return render(<Markdown text={text} />).container;
}

describe("Markdown", () => {
  it("shows written HTML as text and runs none of it", () => {
    const page = html(
      'Use <b onclick="alert(1)">this</b>.\n\n<script>alert(2)</script>\n\n<img src=x onerror=alert(3)>',
    );
    const said = [...page.querySelectorAll("p")].map((paragraph) => paragraph.textContent);
    expect(said).toEqual([
      'Use <b onclick="alert(1)">this</b>.',
      "<script>alert(2)</script>",
      "<img src=x onerror=alert(3)>",
    ]);
    expect(page.querySelector("b, script, img, [onclick]")).toBeNull();
  });

  it("loads no image, and says where it would come from", () => {
    const page = html("![a map](https://evil.example/p.png?q=secret) ![x](data:image/png;base64,AA)");
    expect(page.querySelector("img")).toBeNull();
    expect(screen.getByRole("link")).toHaveTextContent("Image: a map (evil.example)");
    expect(page).toHaveTextContent("Image not shown: x");
  });

  it("leaves no brackets of an image that is not shown, and nothing of one without a name", () => {
    const page = html(
      "![data](data:image/png;base64,AA) and ![rel](/x.png), ![](data:image/png;base64,AA)end",
    );
    expect(page.textContent).toBe("Image not shown: data and Image not shown: rel, end");
  });

  it.each([
    "javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "/api/auth/logout",
    "#/settings",
    "//evil.example",
  ])("makes no link of %s", (href) => {
    html(`[here](${href})`);
    expect(screen.queryByRole("link")).toBeNull();
    expect(screen.getByText("here")).toBeInTheDocument();
  });

  it("opens links elsewhere, and tells nobody where from", () => {
    html("[docs](https://example.org/a)");
    expect(screen.getByRole("link", { name: "docs" })).toHaveAttribute("rel", "noopener noreferrer nofollow");
  });

  it("copies code as it was written, and colours it", async () => {
    const user = userEvent.setup();
    const page = html("```py\nif a < b:\n    print('<b>')\n```");
    await user.click(screen.getByRole("button", { name: "Copy the code" }));
    expect(await navigator.clipboard.readText()).toBe("if a < b:\n    print('<b>')");
    await expect.poll(() => page.querySelector(".hljs-keyword")?.textContent, { timeout: 15_000 }).toBe("if");
    expect(page.querySelector("code")?.textContent).toBe("if a < b:\n    print('<b>')");
  });

  it("lets each block run as its words do, and code always from the left", () => {
    const page = html(
      "`x` שלום עולם\n\nHello\n\n- אחת\n\n- two\n\n> مرحبا\n\n| א |\n|--|\n| b |\n\n```\nשלום\n```",
    );
    const directions = [...page.querySelectorAll("p, ul, li, blockquote, table, pre")].map(
      (block) => `${block.tagName} ${block.closest("[dir]")?.getAttribute("dir") ?? "ltr"}`,
    );
    expect(directions).toEqual([
      "P rtl",
      "P ltr",
      ...["UL rtl", "LI rtl", "P rtl", "LI ltr", "P ltr"],
      ...["BLOCKQUOTE rtl", "P rtl"],
      "TABLE rtl",
      "PRE ltr",
    ]);
  });

  it("shows a table, a list of tasks and code in an unknown language", () => {
    const page = html("| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done\n\n```klingon\nqapla'\n```");
    expect(screen.getByRole("table")).toBeInTheDocument();
    expect(screen.getByRole("checkbox", { name: "Done" })).toBeDisabled();
    expect(page).toHaveTextContent("qapla'");
  });
});

describe("a long text", { timeout: 60_000 }, () => {
  /** Turns take their time on a busy machine. */
  const PATIENCE = { timeout: 30_000 };
  const paragraphs = Array.from({ length: 400 }, (_, index) => `Paragraph ${index} of **many**.`);
  const text = paragraphs.join("\n\n");

  it("is shown in turns, each of some dozens of blocks, and whole in the end", async () => {
    const page = html(text);
    const counts = [page.querySelectorAll("p").length];
    const observer = new MutationObserver(() => counts.push(page.querySelectorAll("p").length));
    observer.observe(page, { childList: true, subtree: true });
    await waitFor(() => expect(page.querySelectorAll("p")).toHaveLength(400), PATIENCE);
    await waitFor(() => expect(counts.at(-1)).toBe(400), PATIENCE);
    observer.disconnect();
    const added = counts.map((count, index) => count - (counts[index - 1] ?? 0));
    expect(Math.max(...added)).toBeLessThan(100);
    const shown = [...page.querySelectorAll("p")].map(({ textContent }) => textContent);
    expect(shown).toEqual(paragraphs.map((paragraph) => paragraph.replaceAll("*", "")));
  });

  it("stands in parts, of which the last are laid out always", async () => {
    const page = html(text);
    await waitFor(() => expect(page.querySelectorAll("p")).toHaveLength(400), PATIENCE);
    const groups = [...page.querySelectorAll(".markdown > div")];
    expect(groups.map(({ className }) => className)).toEqual([
      ...Array<string>(6).fill("markdown-part"),
      "contents",
      "contents",
    ]);
    expect(page.querySelectorAll(".markdown > div > p")).toHaveLength(400);
  });
});
