"""Formulas, diagrams, tables, code and notes in answers: drawn, harmless, and loaded only where there are some."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import FrameLocator, expect

from app.core.config import Settings
from tests.browser.conftest import BROWSER, IN_BOTH, OpenPage
from tests.browser.web_app import WebApp
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


async def is_drawn(app: WebApp) -> None:
    await expect(app.answers.last.get_by_role("figure", name="Diagram")).to_have_attribute(
        "aria-busy", "false"
    )


@IN_BOTH
async def test_an_answer_shows_formulas_and_diagrams(
    open_page: OpenPage, echo_url: str, http: httpx2.AsyncClient
) -> None:
    path = await tell(http, SHOWPIECE)
    app = await open_page(echo_url)
    await app.page.goto(echo_url + path)
    answer = app.answers.last
    await expect(answer.locator("math")).to_have_count(5)
    await expect(answer.locator("math mfrac").first).to_be_visible()
    await expect(answer).to_contain_text("for $5 and $6.")
    await is_drawn(app)
    await expect(frame_of(app).get_by_text("Is it final?")).to_be_visible()
