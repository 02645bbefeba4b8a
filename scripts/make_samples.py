"""Makes samples/: short recordings of synthesised dictation prompts, each with its transcript beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import soxr
from sentences import BY_KEY

Audio = npt.NDArray[np.float64]
Engine = Literal["flite", "espeak-ng"]

SAMPLES_DIR = Path(__file__).resolve().parent.parent / "samples"
LEAD_S = 0.2
TAIL_S = 0.4
GAP_S = 1.2
"""Pause between two sentences: as long as the slowest dictation endpointing, so they are two utterances."""
PEAK = 0.5
SPEAKING_RATE_WPM = 165
NOISE_RMS = 10 ** (-40 / 20)


@dataclass(frozen=True)
class Sample:
    """One recording: who says which sentences, and the sample rate of the file."""

    name: str
    rate_hz: int
    engine: Engine
    voice: str
    keys: tuple[str, ...]

    @property
    def text(self) -> str:
        """The transcript."""
        return " ".join(BY_KEY[key].text for key in self.keys)


SAMPLES: tuple[Sample, ...] = (
    Sample("en_reverse_list_16k", 16000, "flite", "kal16", ("reverse_list",)),
    Sample("en_summarize_document_44k", 44100, "flite", "rms", ("summarize_document",)),
    Sample("en_send_email_8k", 8000, "flite", "rms", ("send_email",)),
    Sample("en_weather_madrid_48k", 48000, "flite", "awb", ("weather_madrid",)),
    Sample("en_translate_letter_16k", 16000, "flite", "awb", ("translate_letter",)),
    Sample("en_two_requests_16k", 16000, "flite", "rms", ("run_tests", "error_message")),
    Sample("es_correo_jefe_16k", 16000, "espeak-ng", "es", ("correo_jefe",)),
    Sample("es_estado_pedido_16k", 16000, "espeak-ng", "es-419", ("estado_pedido",)),
    Sample("es_musica_tranquila_8k", 8000, "espeak-ng", "es+f2", ("musica_tranquila",)),
    Sample("es_sumar_numeros_44k", 44100, "espeak-ng", "es-419", ("sumar_numeros",)),
    Sample("es_traduce_texto_48k", 48000, "espeak-ng", "es", ("traduce_texto",)),
)
SILENCE = ("silence_16k", 16000, 3.0)
NOISE = ("noise_48k", 48000, 2.0)


class MissingSynthesiser(Exception):
    """A speech synthesiser that the samples need is not installed."""


def require_synthesisers() -> None:
    """Raises MissingSynthesiser, naming what to install, unless both synthesisers are on the path."""
    missing = [engine for engine in ("flite", "espeak-ng") if shutil.which(engine) is None]
    if missing:
        names = " ".join(missing)
        raise MissingSynthesiser(f"{' and '.join(missing)} not found: install with 'apt-get install {names}'")


def read_wav(path: Path) -> tuple[Audio, int]:
    """Reads a mono PCM16 WAV as samples within +-1 and its rate in Hz."""
    with wave.open(str(path), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return pcm.astype(np.float64) / 32768.0, file.getframerate()


def write_wav(path: Path, audio: Audio, rate_hz: int) -> None:
    """Writes samples within +-1 as a mono PCM16 WAV."""
    pcm = np.clip(np.round(audio * 32768.0), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm.tobytes())


def synthesise(engine: Engine, voice: str, spoken: str) -> tuple[Audio, int]:
    """Speaks one sentence; returns the samples and the synthesiser's own rate in Hz."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        if engine == "flite":
            command = ["flite", "-voice", voice, "-t", spoken, "-o", str(path)]
        else:
            command = ["espeak-ng", "-v", voice, "-s", str(SPEAKING_RATE_WPM), "-w", str(path), spoken]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return read_wav(path)


def render(sample: Sample) -> Audio:
    """Renders a sample at its own rate: lead, the sentences with pauses between, tail; one peak level."""
    parts: list[Audio] = []
    native_hz = 0
    for key in sample.keys:
        speech, native_hz = synthesise(sample.engine, sample.voice, BY_KEY[key].spoken)
        parts += [np.zeros(int(native_hz * (GAP_S if parts else LEAD_S))), speech]
    parts.append(np.zeros(int(native_hz * TAIL_S)))
    audio = np.concatenate(parts)
    # At the synthesiser's rate, so that the level does not depend on the resampler.
    audio *= PEAK / float(np.max(np.abs(audio)))
    return np.asarray(soxr.resample(audio, native_hz, sample.rate_hz), dtype=np.float64)


def make_silence() -> Audio:
    """Digital silence."""
    return np.zeros(int(SILENCE[1] * SILENCE[2]))


def make_noise() -> Audio:
    """White noise at -40 dBFS."""
    # RandomState, because its stream is frozen; that of a Generator may change with numpy's version.
    source = np.random.RandomState(7).standard_normal(int(NOISE[1] * NOISE[2]))
    return np.asarray(source * NOISE_RMS, dtype=np.float64)


def write_sample(name: str, audio: Audio, rate_hz: int, text: str) -> None:
    """Writes one recording and its transcript; no text, an empty file."""
    write_wav(SAMPLES_DIR / f"{name}.wav", audio, rate_hz)
    (SAMPLES_DIR / f"{name}.txt").write_text(f"{text}\n" if text else "", encoding="utf-8")
    print(f"{name}.wav  {len(audio) / rate_hz:.2f} s  {text}")


def main() -> int:
    """Makes every sample; returns the exit status."""
    try:
        require_synthesisers()
    except MissingSynthesiser as error:
        print(f"make_samples: {error}", file=sys.stderr)
        return 1
    SAMPLES_DIR.mkdir(exist_ok=True)
    for sample in SAMPLES:
        write_sample(sample.name, render(sample), sample.rate_hz, sample.text)
    write_sample(SILENCE[0], make_silence(), SILENCE[1], "")
    write_sample(NOISE[0], make_noise(), NOISE[1], "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
