"""The worker process: what it answers, and that the server never imports its engine."""

import asyncio
import sys
from pathlib import Path

import pytest

from app.providers.stt.pocketsphinx.wire import BLOCK_BYTES
from app.providers.stt.pocketsphinx.worker import Decoders

pytest.importorskip("importlib.metadata").distribution("pocketsphinx")

BACKEND = Path(__file__).resolve().parents[4]


def test_requests_are_answered_for_each_decoder_by_its_own() -> None:
    decoders = Decoders()
    assert decoders.answer({"op": "warm", "decoder": 0}, b"")["decode_ms"] > 0
    for decoder in (0, 1):
        assert decoders.answer({"op": "begin", "decoder": decoder, "cmn": None}, b"") == {}
        assert decoders.answer({"op": "feed", "decoder": decoder}, bytes(BLOCK_BYTES)) == {"text": ""}
    for decoder in (1, 0):
        reply = decoders.answer({"op": "finish", "decoder": decoder}, bytes(100))
        assert (reply["text"], reply["words"]) == ("", [])
        assert set(reply) == {"text", "words", "cmn", "decode_ms"}


def test_an_unknown_request_is_an_error() -> None:
    with pytest.raises(ValueError, match="'sing'"):
        Decoders().answer({"op": "sing", "decoder": 0}, b"")


async def test_the_server_never_imports_the_engine() -> None:
    program = (
        "import asyncio, sys\n"
        "from app.core.config import Settings\n"
        "from app.providers.stt.pocketsphinx.provider import PocketSphinxProvider\n"
        "state = asyncio.run(PocketSphinxProvider(Settings(_env_file=None)).status()).state\n"
        "print(state, 'pocketsphinx' in sys.modules)"
    )
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=Path(__file__).parents[4], stdout=asyncio.subprocess.PIPE
    )
    output, _ = await run.communicate()
    assert output.split() == [b"ready", b"False"]
