"""Names of attached files: one line, without folders, with the right ending."""

import pytest

from app.utils.attached_names import MOST_CHARS, make_name


@pytest.mark.parametrize(
    ("sent", "media_type", "kept"),
    [
        ("notes.md", "text/markdown", "notes.md"),
        ("../../etc/passwd", "text/plain", "passwd"),
        ("C:\\Users\\x\\plan.pdf", "application/pdf", "plan.pdf"),
        ("IMG_1.HEIC", "image/jpeg", "IMG_1.jpg"),
        ("photo.JPEG", "image/jpeg", "photo.JPEG"),
        ("loop.gif", "image/png", "loop.png"),
        ("a\r\nSet-Cookie: x.txt", "text/plain", "a Set-Cookie: x.txt"),
        ("abc\u202egpj.exe", "text/plain", "abcgpj.exe"),
        ("", "text/plain", "file"),
        ("...", "image/png", "file.png"),
        ("año 👩‍👩‍👧.txt", "text/plain", "año 👩👩👧.txt"),
        ("half \ud83d.txt", "text/plain", "half ?.txt"),
    ],
)
def test_names_are_made_safe(sent: str, media_type: str, kept: str) -> None:
    assert make_name(sent, media_type) == kept


def test_names_are_bounded_and_keep_their_ending() -> None:
    name = make_name("x" * 1000 + ".png", "image/png")
    assert (len(name), name[-4:]) == (MOST_CHARS, ".png")
    assert len(make_name("x." + "y" * 1000, "text/plain")) <= MOST_CHARS + 1
