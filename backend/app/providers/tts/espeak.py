"""The engine `espeak_ng`: the command of that name speaks about 130 languages, in a process for each text."""

import os
import re
import shutil
from collections.abc import AsyncGenerator, Sequence
from subprocess import DEVNULL, PIPE

import anyio
import anyio.abc

from app.core.config import Settings
from app.core.errors import EngineFailed, ProviderNotReady
from app.core.notes import Note, NoteCode
from app.providers.base import ProviderStatus, TtsRequest, TtsVoice
from app.schemas.providers import ProviderState

COMMAND = "espeak-ng"
WORDS_A_MINUTE = 165
SLOWEST, FASTEST = 80, 450
"""What the command can do (words a minute)."""
LIST_S = 2.5
_HEADER_BYTES = 44
_RATE_AT = slice(24, 28)
_ENVIRONMENT = ("PATH", "SYSTEMROOT", "ESPEAK_DATA_PATH")
"""No key and no setting reaches the process."""
_OTHER_LANGS = re.compile(r"\(([a-z0-9-]+) \d+\)")


class EspeakProvider:
    """Small, quick and robotic. It is a program of its own, under its own licence (GPL-3), and never a part of ours."""

    name = "espeak_ng"
    type = "local"

    def __init__(self, settings: Settings) -> None:
        del settings  # it has none of its own
        self._voices: tuple[TtsVoice, ...] = ()

    async def status(self) -> ProviderStatus:
        if shutil.which(COMMAND) is None:
            return ProviderStatus(
                state=ProviderState.NOT_INSTALLED, description=_MISSING, note=Note(NoteCode.PACKAGE_MISSING)
            )
        return ProviderStatus(
            state=ProviderState.READY, description="eSpeak NG: about 130 languages, robotic"
        )

    async def voices(self) -> Sequence[TtsVoice]:
        if not self._voices and (path := shutil.which(COMMAND)) is not None:
            with anyio.move_on_after(LIST_S):
                done = await anyio.run_process([path, "--voices"], check=False, env=_environment())
                self._voices = tuple(parse_voices(done.stdout.decode("utf-8", "replace")))
        return self._voices

    async def speak(self, request: TtsRequest) -> AsyncGenerator[tuple[bytes, int], None]:
        path = shutil.which(COMMAND)
        if path is None:
            raise ProviderNotReady(_MISSING, note=Note(NoteCode.PACKAGE_MISSING))
        words = min(max(round(WORDS_A_MINUTE * request.speed), SLOWEST), FASTEST)
        arguments = ["-v", request.voice, "-s", str(words), "-b", "1", "--stdin", "--stdout"]
        process = await anyio.open_process(
            [path, *arguments], stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=_environment()
        )
        try:
            await _send(process, request.text)
            async for piece in _read(process):
                yield piece
            if await process.wait():
                raise EngineFailed(f"{self.name!r} failed; try another voice or a shorter text")
        finally:
            with anyio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                await process.aclose()

    async def aclose(self) -> None:
        """Nothing to free: each process ends with its text."""


_MISSING = "the program espeak-ng is not installed; on Debian: apt install espeak-ng"


async def _send(process: anyio.abc.Process, text: str) -> None:
    """The whole text: the command reads all of it before it speaks."""
    assert process.stdin is not None
    try:
        # "[[" begins phonemes in the command's own notation.
        await process.stdin.send(text.replace("[[", "[ [").encode() + b"\n")
        await process.stdin.aclose()
    except anyio.BrokenResourceError:
        raise EngineFailed("'espeak_ng' did not take the text; try another voice") from None


async def _read(process: anyio.abc.Process) -> AsyncGenerator[tuple[bytes, int], None]:
    """The samples behind the header of the WAV that the command writes; the header has no true length."""
    assert process.stdout is not None
    held, rate_hz = b"", 0
    async for data in process.stdout:
        held += data
        if not rate_hz:
            if len(held) < _HEADER_BYTES:
                continue
            rate_hz = int.from_bytes(held[_RATE_AT], "little")
            held = held[_HEADER_BYTES:]
        whole = len(held) // 2 * 2
        if whole:
            yield held[:whole], rate_hz
        held = held[whole:]


def parse_voices(listing: str) -> list[TtsVoice]:
    """The voices of `espeak-ng --voices`: of each language the one of the lowest priority number first."""
    found: list[tuple[int, TtsVoice]] = []
    for line in listing.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 5 or not fields[0].isdecimal():
            continue
        lang = fields[1].lower()
        others = [other for other in _OTHER_LANGS.findall(line) if other != lang]
        title = fields[3].replace("_", " ")
        found.append((int(fields[0]), TtsVoice(id=fields[1], title=title, langs=(lang, *others))))
    by_id: dict[str, TtsVoice] = {}
    for _, voice in sorted(found, key=lambda each: each[0]):
        by_id.setdefault(voice.id, voice)  # the command takes the first of a name, too
    return list(by_id.values())


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
