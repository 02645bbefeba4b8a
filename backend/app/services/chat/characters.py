"""Text as it can be stored and sent: characters that come in two halves are joined, halves alone replaced; pure."""

import re

from app.storage.types import storable

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class Characters:
    """The pieces of one text, in order: some upstreams cut within a character beyond the first 65,536."""

    def __init__(self) -> None:
        self._half = ""

    def whole(self, piece: str) -> str:
        """The piece, with what is left of the one before, without what has not arrived whole."""
        if piece.isascii() and not self._half and "\0" not in piece:
            return piece
        piece = self._half + piece
        self._half = piece[-1] if "\ud800" <= piece[-1:] <= "\udbff" else ""
        piece = piece.removesuffix(self._half) if self._half else piece
        return storable(_PAIR.sub(_joined, piece))


def _joined(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")
