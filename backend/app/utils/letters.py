"""Places in a text, counted in characters that are no space: words and segments of one text agree on them; pure."""


def count_letters(text: str) -> int:
    """Number of characters that are no space."""
    return len("".join(text.split()))


def split_text(text: str, letters: int) -> tuple[str, str]:
    """The text up to so many characters that are no space, and the rest; both without space at their ends."""
    at = 0
    while at < len(text) and letters > 0:
        letters -= not text[at].isspace()
        at += 1
    return text[:at].strip(), text[at:].strip()
