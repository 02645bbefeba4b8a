"""Formulas, diagrams, tables, code and notes in answers: drawn, harmless, and loaded only where there are some."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import FrameLocator, expect

from app.core.config import Settings
from tests.browser.conftest import BROWSER, IN_BOTH, OpenPage
from tests.browser.test_looks import PHONE, until
from tests.browser.web_app import WebApp
from tests.fakes.paced_upstream import ShowcaseUpstream
from tests.fakes.upstream import chat_reply
from tests.support.server import run_server

pytestmark = BROWSER

SHOWPIECE = r"""Inline $e^{i\pi} + 1 = 0$ and \(a_1\), for $5 and $6.

$$
\begin{aligned}
f(x) &= \int_0^x \frac{t^2}{\sqrt{1 + t}} \, dt \\
- g(x) &= \sum_{n=1}^{\infty} \frac{1}{n^2}
\end{aligned}
$$

\[ \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} \cdot \vec{v} = \boxed{0} \]

Wrong: $\frac{1$ and:

$$
\nocommand{x}
$$

```mermaid
graph TD
  A[Speech] --> B{Is it final?}
  B -->|yes| C[Send]
  B -->|no| A
```

| Engine | Languages | Price of a minute | A very wide column that goes on | And one more of them |
|---|--:|:-:|---|---|
| `whisper` | 99 | $0.006 | some words and some more words | **bold** |
| =SUM(A1) | 3 | $x^2$ | "quoted", and a comma | \| |

```python
def reverse(items: list[int]) -> list[int]:
    return items[::-1]  # a comment that is long enough to be wider than any narrow telephone screen could be
```

- [x] done
- [ ] to do

A claim.[^1] Another one.[^note]

[^1]: The source of it.
[^note]: More of it,

    in two paragraphs.
"""


COUNTS = """window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective))"""
CLIPBOARD = """async () => {
  const [item] = await navigator.clipboard.read();
  return Promise.all(["text/plain", "text/html"].map(async (kind) => (await item.getType(kind)).text()));
}"""


@pytest.fixture(scope="module")
def echo_url(built_page: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose model repeats what it is asked."""
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("rendering"),
        stt={"provider": "cloud_stub"},
        llm={"provider": "echo", "discover": False},
    )
    with run_server(settings) as server:
        yield server.url


@pytest_asyncio.fixture(loop_scope="session")
async def http(echo_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=echo_url, timeout=60) as client:
        yield client


async def tell(http: httpx2.AsyncClient, *texts: str) -> str:
    """Make a conversation in which each text is an answer; return its address on the page."""
    id_ = (await http.post("/api/conversations", json={"title": "Rendering"})).json()["id"]
    for text in texts:
        asked = {"conversation_id": id_, "message": text}
        assert (await http.post("/api/chat/stream", json=asked)).status_code == 200
    return f"/#/c/{id_}"


def frame_of(app: WebApp) -> FrameLocator:
    return app.answers.last.frame_locator("iframe")


async def open_answer(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient, text: str, **options: Any
) -> WebApp:
    path = await tell(http, text)
    app = await open_page(echo_url, script=f"{COUNTS}; {options.pop('script', '')}", **options)
    await app.page.goto(echo_url + path)
    return app


async def is_drawn(app: WebApp) -> None:
    drawing = app.page.locator("article").last.locator("figure[data-source]")
    await drawing.scroll_into_view_if_needed()
    await expect(drawing).to_have_attribute("aria-busy", "false")


@IN_BOTH
async def test_an_answer_shows_formulas_and_diagrams(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    app = await open_answer(open_page, echo_url, http, SHOWPIECE)
    answer = app.answers.last
    await expect(answer.locator("math")).to_have_count(5)
    fraction = answer.locator("math mfrac").first
    assert await fraction.evaluate("one => one.children[0].getBoundingClientRect().bottom") <= (
        await fraction.evaluate("one => one.children[1].getBoundingClientRect().top") + 2
    ), "the numerator stands above"
    await expect(answer).to_contain_text("for $5 and $6.")
    await is_drawn(app)
    await expect(frame_of(app).get_by_text("Is it final?")).to_be_visible()
    frame = await answer.locator("iframe").bounding_box()
    drawing = await frame_of(app).locator("svg").bounding_box()
    assert frame is not None
    assert drawing is not None
    assert frame["height"] >= drawing["height"] > 100, "the frame is as high as what it shows"
    assert await app.page.evaluate("window.violations") == []


async def test_what_draws_is_loaded_only_with_the_first_text_that_needs_it(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    asked: list[str] = []
    app = await open_page(echo_url)
    app.page.on("request", lambda request: asked.append(request.url.partition("/assets/")[2]))

    def count(name: str) -> int:
        return len([one for one in asked if one.startswith(name)])

    plain = await tell(http, "Costs $5 and $6, `$x$`.\n\n```python\nx\n```\n\n| a |\n|---|\n| b |")
    async with app.page.expect_request_finished(lambda request: "/assets/checkpoint-list-" in request.url):
        await app.page.goto(echo_url + plain)
        await app.page.reload()  # all that is loaded while idle, to the last part
    await expect(app.answers.last.get_by_role("table")).to_be_visible()
    assert (count("typeset-"), count("diagram.html")) == (0, 0)
    await app.page.goto(echo_url + await tell(http, "$x$ and $y$", "$$\nz\n$$"))
    await expect(app.page.locator("math")).to_have_count(3)
    assert (count("typeset-"), count("diagram.html")) == (2, 0)  # script and style
    await app.page.goto(echo_url + await tell(http, "```mermaid\ngraph TD\n  A --> B\n```"))
    await is_drawn(app)
    assert (count("typeset-"), count("diagram.html")) == (2, 1)


HOSTILE = r"""
$\href{javascript:document.title='owned'}{x}$ $\text{<img src=x onerror="document.title='owned'">}$
$\style{position:fixed;inset:0;background:url(https://evil.example/a.png)}{x}$ \(\includegraphics{https://evil.example/b.png}\)

<math><mtext><script>document.title='owned'</script></mtext></math>

[^1] <svg onload="document.title='owned'"> [x](javascript:document.title='owned')

```mermaid
graph TD
  A["<img src=x onerror=alert(1)><script>parent.document.title='owned'</script>"] --> B["<iframe src='https://evil.example/c'></iframe>"]
  click A "javascript:alert(2)"
  click B "https://evil.example/d" _top
```

```mermaid
graph TD
  A --> B
  style A fill:red,background:url(https://evil.example/e.png)
  classDef default fill:url(https://evil.example/f.png)
```

```mermaid
%%{init: {"securityLevel": "loose", "themeCSS": "* { background: url(https://evil.example/g.png) }"}}%%
graph TD
  A --> B
```

[^1]: <script>document.title='owned'</script> [y](javascript:document.title='owned')
"""


@IN_BOTH
async def test_hostile_text_does_nothing(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    away: list[str] = []
    app = await open_answer(open_page, echo_url, http, HOSTILE)
    app.expect_trouble(
        "event handler|inline|font|url|img-src|blocked"
    )  # the policy of the frame, not the page's
    app.page.on("request", lambda request: away.append(request.url) if "evil" in request.url else None)
    app.page.on("dialog", lambda dialog: away.append(dialog.message))
    await app.page.reload()
    answer = app.answers.last
    await expect(answer.get_by_role("region", name="Footnotes")).to_be_visible()
    await answer.get_by_role("figure").last.scroll_into_view_if_needed()
    await expect(answer.locator("figure[aria-busy=true]")).to_have_count(0)
    frame = answer.frame_locator("iframe").first
    for node in await frame.locator(".node").all():
        await node.click()
    assert await frame.locator("a[href], script, iframe, img, [onerror]").count() <= 1  # its own script
    assert await frame.locator("body").evaluate("() => origin") == "null"
    assert await app.page.title() != "owned"
    assert app.page.url.startswith(echo_url)
    assert await answer.locator("script, img, svg[onload], a[href^=javascript]").count() == 0
    assert away == []
    assert await app.page.evaluate("window.violations") == []


NO_DIAGRAM = "```mermaid\nthis is no diagram\n```"
HANGS = """<!doctype html><body><script>
parent.postMessage({type: "ready"}, "*");
addEventListener("message", () => { for (;;); });
</script></body>"""


async def test_what_is_no_diagram_shows_its_code(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    app = await open_answer(open_page, echo_url, http, NO_DIAGRAM)
    await expect(app.answers.last).to_contain_text("This is not a diagram that can be drawn.")
    await expect(app.answers.last.get_by_role("figure", name="Code, mermaid")).to_be_visible()
    await expect(app.page.locator("iframe")).to_have_count(0)


async def test_a_diagram_that_never_ends_is_ended_and_the_page_goes_on_meanwhile(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    """Chromium gives a frame without an origin a process of its own."""
    path = await tell(http, "```mermaid\ngraph TD\n  A --> B\n```")
    app = await open_page(echo_url)
    await app.page.route(
        "**/assets/diagram.html", lambda route: route.fulfill(body=HANGS, content_type="text/html")
    )
    await app.page.goto(echo_url + path)
    await expect(app.page.locator("iframe")).to_have_count(1)
    await app.write("The page goes on")
    await expect(app.answers.last).to_contain_text("Drawing this diagram took too long.")
    await expect(app.page.locator("iframe")).to_have_count(0)
    await app.page.unroute("**/assets/diagram.html")
    await app.button("Try again").click()
    await is_drawn(app)
    await expect(app.composer).to_have_value("The page goes on")


async def test_a_diagram_has_the_colours_of_the_page_and_is_kept_as_a_picture(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    app = await open_answer(open_page, echo_url, http, SHOWPIECE, settings={"theme": "dark"})
    await is_drawn(app)
    fill = "one => getComputedStyle(one).fill"
    text = frame_of(app).locator(".node text").first
    dark = await text.evaluate(fill)
    await app.page.evaluate("document.documentElement.classList.remove('dark')")
    await expect(text).not_to_have_css("fill", dark)
    small = await text.evaluate("one => Number.parseFloat(getComputedStyle(one).fontSize)")
    await app.page.evaluate("document.documentElement.style.fontSize = '200%'")
    await is_drawn(app)  # it may have moved far from the screen
    await expect(text).to_have_css("font-size", f"{2 * small:g}px")
    async with app.page.expect_download() as kept:
        await app.button("Download as an SVG picture").click()
    download = await kept.value
    assert download.suggested_filename == "diagram.svg"
    picture = await anyio.Path(await download.path()).read_text("utf-8")
    assert picture.startswith("<svg")
    assert "final?" in picture
    assert "<script" not in picture


FAR = (
    SHOWPIECE
    + "\n\n".join(f"Words {n} and more. " * 60 for n in range(30))
    + ("\n\n```mermaid\ngraph LR\n  P[Far away] --> Q\n```\n")
)


async def test_on_paper_diagrams_are_dark_on_light_and_far_ones_show_their_code(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    app = await open_answer(open_page, echo_url, http, FAR, settings={"theme": "dark"})
    drawings = app.answers.last.locator("figure[data-source]")
    near, far = drawings.first, drawings.last
    await near.scroll_into_view_if_needed()
    await expect(near).to_have_attribute("aria-busy", "false")
    source = far.locator("pre")
    await expect(source).to_be_hidden()
    await app.page.emulate_media(media="print")
    await expect(source).to_be_visible()
    await expect(source).to_contain_text("P[Far away] --> Q")
    await expect(near.locator("pre")).to_have_count(0)
    drawing = near.frame_locator("iframe").locator("svg")
    await expect(drawing).to_have_css("filter", "invert(1) hue-rotate(180deg)")
    assert await app.page.evaluate("window.violations") == []


async def test_a_diagram_has_the_colours_that_a_system_forces(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    """White on black there, although the theme is a light one."""
    forced = {"forced_colors": "active", "color_scheme": "dark"}
    app = await open_answer(open_page, echo_url, http, SHOWPIECE, settings={"theme": "light"}, **forced)
    await is_drawn(app)
    for words in ("Is it final?", "yes"):
        label = frame_of(app).locator("text", has_text=words).first
        await expect(label).to_have_css("fill", "rgb(255, 255, 255)")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("language", ["en", "es"])
async def test_axe_finds_nothing_and_nothing_is_out_of_reach_on_a_telephone(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient, theme: str, language: str
) -> None:
    """At twice the size of the text, too. `findings` looks at the other theme as well."""
    app = await open_answer(
        open_page,
        echo_url,
        http,
        SHOWPIECE,
        settings={"theme": theme, "uiLanguage": language},
        axe=True,
        **PHONE,
    )
    answer = app.page.locator("article").last
    await is_drawn(app)
    await expect(answer.locator("math")).to_have_count(5)
    header = await app.page.locator("header").bounding_box()
    assert header is not None
    assert header["height"] < 70, "title, model, sharing and export stand in one line"
    assert await app.findings() == []
    assert await app.small_targets() == []
    assert await app.sideways() == []
    await app.page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert await app.sideways() == []
    assert await app.overflow_px() == 0


async def test_code_breaks_its_lines_by_choice_and_is_kept_as_a_file(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    app = await open_answer(open_page, echo_url, http, SHOWPIECE, **PHONE)
    code = app.answers.last.get_by_role("figure", name="Code, python")
    wide = "one => one.scrollWidth > one.clientWidth"
    assert await code.locator("pre").evaluate(wide)
    wrap = code.get_by_role("button", name="Break long lines")
    await expect(wrap).to_have_attribute("aria-pressed", "false")
    await wrap.click()
    await expect(wrap).to_have_attribute("aria-pressed", "true")
    assert not await code.locator("pre").evaluate(wide)
    await app.page.reload()
    await expect(wrap).to_have_attribute("aria-pressed", "true")
    async with app.page.expect_download() as kept:
        await code.get_by_role("button", name="Download the code").click()
    download = await kept.value
    assert download.suggested_filename == "code.py"
    assert (await anyio.Path(await download.path()).read_text("utf-8")).startswith("def reverse(")


async def test_a_long_table_scrolls_within_itself_by_keyboard_and_keeps_its_head(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    rows = "".join(f"| row {n} | {'wide ' * 60} |\n" for n in range(60))
    app = await open_answer(open_page, echo_url, http, f"| name | much |\n|---|---|\n{rows}", **PHONE)
    cells = app.answers.last.get_by_role("group", name="Cells of the table")
    await cells.focus()
    await app.page.keyboard.press("End")
    await app.page.evaluate(until("document.querySelector('.markdown-table').scrollTop > 500"))
    top = "one => one.getBoundingClientRect().top"
    head = cells.get_by_role("columnheader", name="name")
    assert abs(await head.evaluate(top) - await cells.evaluate(top)) < 2
    assert await app.overflow_px() == 0


async def test_an_answer_is_copied_with_its_formatting(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    app = await open_answer(
        open_page, echo_url, http, SHOWPIECE, permissions=["clipboard-read", "clipboard-write"]
    )
    await is_drawn(app)
    await app.answers.last.get_by_role("button", name="Copy with formatting").click()
    await expect(app.answers.last.get_by_role("button", name="Copied")).to_be_visible()
    plain, html = await app.page.evaluate(CLIPBOARD)
    assert plain.strip() == SHOWPIECE.strip()
    assert "<table>" in html
    assert "<mfrac>" in html
    assert "Is it final?" in html
    assert "<button" not in html
    csv = app.answers.last.get_by_text("CSV", exact=True)
    await csv.click()
    await expect(csv).to_have_attribute("aria-label", "Copied")
    assert "'=SUM(A1)" in await app.page.evaluate("navigator.clipboard.readText()")
    assert await app.page.evaluate("window.violations") == []


PART = r"""
## Part {n}

Words of part {n} with $x_{{{n}}}^2$ and a price of $5, **bold** and `code`.

$$
\frac{{{n}}}{{2}} + \sum_{{i=1}}^{{{n}}} i
$$

| a | b | c |
|---|---|---|
| {n} | $y_{{{n}}}$ | some words |
| more | of | it |

```python
def part_{n}(items: list[int]) -> int:
    return sum(items) + {n}
```
"""
DRAWN_FIRST = "```mermaid\ngraph TD\n  A[First] --> B\n```\n"
LONG = DRAWN_FIRST + "".join(PART.format(n=n) for n in range(180))


async def test_a_long_answer_is_drawn_once_and_leaves_the_keys_alone(
    open_page: OpenPage, upstream: ShowcaseUpstream
) -> None:
    """What is closed stays the same elements to the end, and whoever writes meanwhile sees their letters."""
    assert len(LONG) > 50_000
    pieces = [LONG[at : at + 24] for at in range(0, len(LONG), 24)]
    upstream.script.append(chat_reply(*pieces, pause_s=0.004))
    app = await open_page(script=COUNTS)
    await app.ask("Please be long")
    answer = app.answers.last
    await expect(answer.locator("math").nth(5)).to_be_attached()
    await answer.evaluate(
        """one => [...one.querySelectorAll("iframe, math, table")].slice(0, 6).forEach((each) => (each.kept = true))"""
    )
    for n in range(10):
        await app.page.keyboard.type(f"{n} ")
        await expect(app.composer).to_have_value("".join(f"{m} " for m in range(n + 1)))
    await expect(answer).to_have_attribute("aria-busy", "true")
    await app.has_answered(answer)
    await expect(answer).to_contain_text("Part 179")
    kept = """one => [...one.querySelectorAll("iframe, math, table")].filter((each) => each.kept).length"""
    assert await answer.evaluate(kept) >= 5  # the frame may be far from the screen by now
    assert await app.page.evaluate("window.violations") == []
