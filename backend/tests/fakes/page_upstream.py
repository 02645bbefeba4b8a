"""A fake chat service for the web app: paced answers, one with everything that Markdown has, and scripted ones."""

from tests.fakes.chat_habits import text_of
from tests.fakes.paced_upstream import PacedUpstream
from tests.fakes.upstream import Reply, Request, chat

SHOWPIECE = """## A list, reversed

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
"""What a prompt that ends in `showpiece` is answered with."""


class PageUpstream(PacedUpstream):
    """Scripted replies first, then the showpiece where it is asked for, else `answer_to`."""

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.models
        if self.script:
            return self.script.popleft()
        if text_of(request.json["messages"][-1]).endswith("showpiece"):
            return chat(*SHOWPIECE.splitlines(keepends=True), pause_s=0.005)
        return super()._reply_to(request)
