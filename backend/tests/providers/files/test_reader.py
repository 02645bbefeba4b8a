"""The reader process: bounded in number, ended with its request, and without the server's environment."""

import tempfile

import anyio
import pytest

from app.core.errors import FileNotReadable
from app.providers.files.reader import FileReader
from app.providers.files.sniffing import FileType
from tests.support.files import read_bytes


async def test_a_refusal_names_what_is_expected_and_nothing_of_the_file() -> None:
    with pytest.raises(FileNotReadable) as refused:
        await read_bytes(b"%PDF-1.4 secret", "secret.pdf")
    assert "expected a picture" in refused.value.message
    assert "secret" not in refused.value.message


async def test_readers_wait_for_each_other_and_end_when_they_are_cancelled() -> None:
    reader, kind = FileReader(1, 1000), FileType("text", "text/plain", "text")
    with tempfile.TemporaryFile() as file:
        file.write(b"hello")
        file.flush()
        with anyio.move_on_after(0) as scope:
            await reader.read(file, kind)
        assert scope.cancelled_caught
        with anyio.fail_after(60):
            read = await reader.read(file, kind)
    assert read.text == b"hello"


async def test_a_format_that_nothing_reads_is_refused() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"hello")
        file.flush()
        with pytest.raises(FileNotReadable):
            await FileReader(1, 1000).read(file, FileType("image", "image/x", "NONE"))
