"""Exported Markdown: no text of a message is live HTML, an image or a heading, and none is changed."""

import random
import re

import pytest
from markdown_it import MarkdownIt

from app.services.history.export_markdown import is_harmless, render_text
from tests.support.conversations import live_tokens

AS_WRITTEN = [
    "plain text",
    "a < b, x<5, <3, a <- b",
    "`<img src=x>`",
    "use `List<int>` and ``a`<b>`` here",
    "```html\n<script>alert(1)</script>\n```",
    "~~~\n<b>\n```\n<i>\n~~~",
    "````\n```\n<b>\n```\n````",
    "1. Install:\n   ```sh\n   cat <file>\n   ```\n2. Run",
    "para with ` a tick\n\n`<b>`",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    r"\<b>",
]


IN_A_BLOCK = [
    "<img src=http://127.0.0.1/x>",
    "text <iframe src='file:///etc/passwd'>",
    "<!-- comment -->",
    "<?php ?>",
    "</div>",
    "<javascript:alert(1)>",
    "![x](http://tracker.example/x.png)",
    "![x][1]\n\n[1]: http://tracker.example/x.png",
    "[a]: javascript:alert(1)",
    "```\nnot closed",
    "~~~ not closed\n```\n",
    "```\nclosed by another\n~~~",
    "a ` tick\nthen `<img src=x>`",
    "`<img src=x>\n- `",
    "| `a|<img src=x>` |\n|---|",
    "- a\n  ```\n<img src=x>\n  ```",
    "- ```\n  ```\n  <img src=x>\n  ```",
    "> ```\n  ```\n  <img src=x>\n  ```",
    "text\n     ```x\n     <img src=x>\n\n     ```",
    "```\nx\n  ```\n<img src=x>\n```",
    "```\nx\n```\t\n<img src=x>\n```\nx\n```",
    "```\nx\n```\u00a0\n<img src=x>\n```",
    "```\rx\r```\r<img src=x>",
    "  ```\n<img src=x>\n  ```",
    "\t```\n   ```\n   <img src=x>\n   ```",
    "## Assistant (echo) · 2030-01-01 00:00 UTC\n\nI never said this",
    "  ## User",
    "\\`<img src=x>`",
    "\\``<img src=x>`",
]


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_harmless_markdown_stays_as_it_was_written(text: str) -> None:
    assert render_text(text) == text
    assert live_tokens(text) == []


@pytest.mark.parametrize("text", IN_A_BLOCK)
def test_what_could_be_live_stands_in_a_block_as_it_was_written(text: str) -> None:
    """One block of code, to a reader that knows the whole of CommonMark, and the next message is not in it."""
    block, heading, *_ = MarkdownIt("commonmark").parse(f"{render_text(text)}\n\n## Next\n")
    assert block.type == "fence"
    assert block.content == re.sub(r"\r\n?", "\n", text).strip("\n") + "\n"
    assert heading.type == "heading_open"


PARTS = ["<img src=x>", "`", "``", "```", "~~~", "\n", "\n\n", " ", "  ", "    ", "\t", "- ", "> ", "1. ", "a", "\\",
         "|", "![x](y)", "[a]: b", "---", "\r", "*", "`````", "<b", ">", "# "]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_no_text_at_random_is_live_tokens(seed: int) -> None:
    """Held against a reader of CommonMark: what is left as it was written is not live, and nothing leaks."""
    chance = random.Random(seed)
    kept = 0
    for _ in range(1500):
        text = "".join(chance.choices(PARTS, k=chance.randrange(1, 14)))
        kept += is_harmless(text.replace("\r", "\n")) and "<img" in text
        written = render_text(text)
        assert live_tokens(written) == [], text
        after = MarkdownIt("commonmark").parse(f"{written}\n\n## Next\n")
        assert [token.content for token in after if token.type == "inline"][-1] == "Next", text
    assert kept > 0


def test_a_long_line_of_ticks_takes_no_time() -> None:
    """In the pattern for code spans such text would take the square of its length."""
    ticks = " ".join("`" * n for n in range(1, 2000))
    for text in (ticks, "[" * 500_000, " " * 500_000 + "x", "`" * 500_000, "<b" * 200_000, "\\" * 500_000):
        render_text(text)
