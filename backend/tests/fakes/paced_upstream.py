"""Fake chat services with answers known beforehand: at a pace that the prompt names, or of every form of Markdown."""

from dataclasses import dataclass

from tests.fakes.chat_upstream import get_text
from tests.fakes.upstream import FakeUpstream, Reply, Request, chat_reply


@dataclass(frozen=True)
class Pace:
    pieces: int
    piece_chars: int
    pause_s: float


PACES = {
    "short": Pace(8, 16, 0.01),  # over before most of what a test does to its server
    "brisk": Pace(80, 40, 0.01),
    "slow": Pace(400, 12, 0.04),  # 300 characters a second
    "fast": Pace(400, 80, 0.02),  # 4000 characters a second
}


def get_pace(prompt: str) -> Pace:
    """The pace that the prompt's last word names."""
    return PACES.get(prompt.rpartition(" ")[2], PACES["short"])


def make_pieces(prompt: str) -> list[str]:
    """The pieces of the answer to a prompt; each piece has a number, so that no two are equal."""
    pace = get_pace(prompt)
    return [f"{prompt} «{n}» ".ljust(pace.piece_chars, "ñ")[-pace.piece_chars :] for n in range(pace.pieces)]


class PacedUpstream(FakeUpstream):
    """Answers the last message of a conversation with `make_pieces`."""

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.models
        prompt = get_text(request.json["messages"][-1]).rpartition("\n\n")[2]
        return chat_reply(*make_pieces(prompt), pause_s=get_pace(prompt).pause_s)


SHOWCASE = """## A list, reversed

Some *emphasis*, `inline code`, and a [link](https://example.com/page).

1. First
2. Second

- [x] done
- [ ] not done

> What was said.

```python
def reverse(items: list[int]) -> list[int]:
    \"\"\"The items, last one first.\"\"\"
    return items[::-1]  # a comment that is long enough to be wider than any narrow telephone screen could be
```

| engine | languages | where |
| --- | --- | --- |
| whisper_local | about a hundred | on this machine, and nowhere else at all |
| pocketsphinx | English | on this machine |
"""
"""The answer to a prompt that ends in `showpiece`."""


class ShowcaseUpstream(PacedUpstream):
    """Sends scripted replies first, then the showcase for its prompt, else the paced answer."""

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.models
        if self.script:
            return self.script.popleft()
        if get_text(request.json["messages"][-1]).endswith("showpiece"):
            return chat_reply(*SHOWCASE.splitlines(keepends=True), pause_s=0.005)
        return super()._reply_to(request)
