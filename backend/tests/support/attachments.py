"""Attached files in tests: pictures, documents, and a client that sends them."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.conversations import ChatClient
from tests.support.server import RunningServer


def make_picture(format_: str = "JPEG", size: tuple[int, int] = (640, 480), **options: Any) -> bytes:
    """A picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(buffer, format_, **options)
    return buffer.getvalue()


def attach(talk: ChatClient, data: bytes, name: str, **headers: str) -> dict[str, Any]:
    """Send a file; what the server says of it."""
    sent = talk.http.post("/api/attachments", files={"file": (name, data)}, headers=headers)
    assert sent.status_code == 201, sent.text
    found: dict[str, Any] = sent.json()
    return found


def list_contents(served: RunningServer) -> list[Path]:
    """The folders of all contents that a server keeps."""
    folder = served.resources.settings.data_dir / "attachments"
    return [path for path in folder.glob("*/*") if len(path.name) == 64]


def wait_for(is_true: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait until the server has done something in the background."""
    until_s = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.05)
