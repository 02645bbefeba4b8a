"""Splits off the thoughts that many local servers leave in the text, between tags at its head; no I/O."""

_TAGS = {
    "<think>": "</think>",
    "[THINK]": "[/THINK]",
    "<seed:think>": "</seed:think>",
    "◁think▷": "◁/think▷",
}
"""What models write around their thoughts: Qwen, DeepSeek and most others; Mistral; Seed; Kimi."""
_MAX_HELD_CHARS = 1000
"""White space that is held until it is known what follows (characters)."""


class ThinkSplitter:
    """Divides the pieces of one answer's text into content and thoughts.

    Tags count at the head of the text alone, and again directly after a closing tag: further on, a text may write of
    such tags. Thoughts that never close last to the end. White space around thoughts is dropped.
    """

    __slots__ = ("_close", "_held", "_is_after_thought", "_is_within_thought", "is_done")

    def __init__(self) -> None:
        self.is_done = False
        """Whether all that follows is content."""
        self._close = ""
        """The tag that ends the open thought; empty outside one."""
        self._is_within_thought = False
        """Whether a word of the open thought has been told."""
        self._is_after_thought = False
        self._held = ""
        """The end of the text so far, of which the next piece decides what it is."""

    def feed(self, piece: str) -> tuple[str, str]:
        """Return the content and the thoughts that a piece adds."""
        if self.is_done:
            return piece, ""
        text, self._held = self._held + piece, ""
        thoughts = ""
        while True:
            if self._close:
                end = text.find(self._close)
                if end < 0:
                    return "", thoughts + self._take_thought(text)
                thought = text[:end].rstrip()
                thoughts += thought if self._is_within_thought else thought.lstrip()
                text = text[end + len(self._close) :]
                self._close, self._is_within_thought, self._is_after_thought = "", False, True
            stripped = text.lstrip()
            if any(tag.startswith(stripped) for tag in _TAGS) and len(text) <= _MAX_HELD_CHARS:
                self._held = text  # white space, or the start of a tag
                return "", thoughts
            opened = next((tag for tag in _TAGS if stripped.startswith(tag)), None)
            if opened is None:
                self.is_done = True
                is_trimmed = self._is_after_thought and stripped
                return stripped if is_trimmed else text, thoughts
            self._close, text = _TAGS[opened], stripped[len(opened) :]

    def finish(self) -> tuple[str, str]:
        """Return what is left at the end of the text."""
        held, self._held = self._held, ""
        if self._close:
            rest = held.rstrip()
            return "", rest if self._is_within_thought else rest.lstrip()
        return held.lstrip() if self._is_after_thought else held, ""

    def _take_thought(self, text: str) -> str:
        """Return what can be told of an open thought; white space and the start of a tag at its end are held."""
        if not self._is_within_thought:
            text = text.lstrip()
        ready = text[: len(text) - _count_overlap(text, self._close)].rstrip()
        if len(text) - len(ready) > _MAX_HELD_CHARS:
            ready = text
        self._held = text[len(ready) :]
        self._is_within_thought = self._is_within_thought or bool(ready)
        return ready


def split_thoughts(text: str) -> tuple[str, str]:
    """Return the content and the thoughts of a whole text."""
    splitter = ThinkSplitter()
    (content, thoughts), (rest, more) = splitter.feed(text), splitter.finish()
    return content + rest, thoughts + more


def _count_overlap(text: str, tag: str) -> int:
    """How many characters at the end of the text begin the tag."""
    return next((size for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size])), 0)
