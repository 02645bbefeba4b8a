"""The command espeak-ng: its list of voices, a process that ends with its reader, and no secret in its environment."""

import os
import shutil
from contextlib import aclosing
from pathlib import Path

import pytest

from app.core.config import Settings
from app.core.errors import EngineFailed, ProviderNotReady
from app.providers.base import TtsRequest
from app.providers.tts.espeak import EspeakProvider, parse_voices

LISTING = """\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  af              --/M      Afrikaans          gmw/af
 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
 5  es-419          --/M      Spanish_(Latin_America) roa/es-419           (es-mx 6)(es 6)
 5  cmn-latn-pinyin --/M      Chinese_(Mandarin,_latin_as_Pinyin) sit/cmn-Latn-pinyin  (zh-cmn 5)(zh 5)
 garbage
"""


def test_the_list_of_voices() -> None:
    voices = {voice.id: voice for voice in parse_voices(LISTING)}
    assert list(voices) == ["en-gb", "af", "es-419", "cmn-latn-pinyin"]
    assert voices["es-419"].title == "Spanish (Latin America)"
    assert voices["es-419"].langs == ("es-419", "es-mx", "es")
    assert voices["cmn-latn-pinyin"].langs[-1] == "zh"


def use_script(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Let a script take the place of the command."""
    command = folder / "espeak-ng"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


async def listen(text: str) -> None:
    async with aclosing(EspeakProvider(Settings(_env_file=None)).speak(TtsRequest(text, "en"))) as pieces:
        async for _ in pieces:
            pass


async def test_it_ends_when_nobody_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_script(monkeypatch, tmp_path, f"echo $$ >{tmp_path}/pid; cat >/dev/null; exec cat /dev/zero")
    async with aclosing(EspeakProvider(Settings(_env_file=None)).speak(TtsRequest("Hi", "en"))) as pieces:
        await anext(pieces)
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_no_key_reaches_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    use_script(monkeypatch, tmp_path, f"env >{tmp_path}/environment; cat >/dev/null; head -c 100 /dev/zero")
    await listen("Hi")
    assert "sk-secret" not in (tmp_path / "environment").read_text()


@pytest.mark.parametrize("script", ["cat >/dev/null; exit 1", "exit 1"])
async def test_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    use_script(monkeypatch, tmp_path, script)
    with pytest.raises(EngineFailed):
        await listen("x" * 200_000)


async def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert shutil.which("espeak-ng") is None
    with pytest.raises(ProviderNotReady, match="apt install"):
        await anext(EspeakProvider(Settings(_env_file=None)).speak(TtsRequest("Hi", "en")))
