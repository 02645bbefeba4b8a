"""Measures whether `lang: auto` finds the language of each utterance where two languages alternate.

python scripts/measure/languages.py run DIR [DIR …] --model FOLDER [--langs es,en] [--count 20] [--lead 0 1]
python scripts/measure/languages.py words SOUNDS OUT

A DIR holds recordings and their transcripts, as for `prompter bench run`. Those of each language are taken in a seeded
order and alternate, all in one dictation over the socket, with pauses between; `--lead` is silence put before each
(s). An utterance is right if its final has its language; the words that are right are counted beside. `run` exits with
1 if fewer than `--least` are right. `words` makes such a folder of single words from Asterisk's prompts (the Debian
packages asterisk-core-sounds-en-g722, asterisk-core-sounds-es-g722, asterisk-prompt-es-co).
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.bench.clips import RATE_HZ, Clip, find_clips, load_samples  # noqa: E402  # the path above comes first
from app.bench.target import Target, run_own_server  # noqa: E402
from app.bench.words import count_missing, normalize_words  # noqa: E402
from app.client.prompt_client import PromptClient  # noqa: E402

PAUSE_S = 1.6
NOISE_RMS = 6
"""Of the pauses: about -75 dBFS."""
LONGEST_S = 12.0
CHUNK = RATE_HZ // 5 * 2

# -- a dictation in two languages


@dataclass(frozen=True, slots=True)
class Line:
    """One clip and its place in the dictation (ms)."""

    clip: Clip
    start_ms: int
    end_ms: int


@dataclass(slots=True)
class Heard:
    """What was told of one line."""

    line: Line
    langs: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return bool(self.langs) and set(self.langs) == {self.line.clip.lang}

    @property
    def missing(self) -> int:
        lang = self.line.clip.lang
        said, heard = normalize_words(self.line.clip.text, lang), normalize_words(" ".join(self.texts), lang)
        return count_missing(said, heard)


def choose_lines(clips: Sequence[Clip], count: int, seed: int) -> list[Clip]:
    """`count` clips whose languages take turns."""
    langs = sorted({clip.lang for clip in clips})
    dice = random.Random(seed)
    by_lang = {lang: [clip for clip in clips if clip.lang == lang] for lang in langs}
    for found in by_lang.values():
        dice.shuffle(found)
    return [
        by_lang[lang][turn % len(by_lang[lang])]
        for turn, lang in ((number // len(langs), langs[number % len(langs)]) for number in range(count))
    ]


def build_dictation(clips: Sequence[Clip], lead_s: float) -> tuple[NDArray[np.int16], list[Line]]:
    """The audio of a dictation, and what is said where."""
    dice = np.random.default_rng(1)

    def make_pause(seconds: float) -> NDArray[np.int16]:
        return dice.normal(0, NOISE_RMS, int(seconds * RATE_HZ)).astype(np.int16)

    parts, lines = [make_pause(0.3 + lead_s)], []
    for clip in clips:
        samples = load_samples(clip)
        start_ms = sum(map(len, parts)) * 1000 // RATE_HZ
        lines.append(Line(clip, start_ms, start_ms + len(samples) * 1000 // RATE_HZ))
        parts += [samples, make_pause(PAUSE_S + lead_s)]
    return np.concatenate(parts), lines


async def hear(
    url: str, audio: NDArray[np.int16], lines: Sequence[Line], langs: Sequence[str]
) -> list[Heard]:
    """Send the dictation as fast as the server takes it; every final belongs to the line that it overlaps most."""
    heard = [Heard(line) for line in lines]
    pcm = audio.astype("<i2").tobytes()

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(pcm), CHUNK):
            yield pcm[at : at + CHUNK]

    async with PromptClient(url) as client:
        async for event in client.dictate(chunks(), sample_rate=RATE_HZ, langs=langs, partials=False):
            if event.type == "final" and event.text:
                start, end = event.data["start_ms"], event.data["end_ms"]
                told = max(heard, key=lambda one: min(end, one.line.end_ms) - max(start, one.line.start_ms))
                told.langs.append(event.data["lang"])
                told.texts.append(event.text)
    return heard


def report(heard: Sequence[Heard], title: str) -> int:
    """Print every line that is not right, and the count; the number of those that are right."""
    right = sum(one.is_right for one in heard)
    words = sum(len(normalize_words(one.line.clip.text, one.line.clip.lang)) for one in heard)
    missing = sum(one.missing for one in heard)
    print(f"{title}: {right} of {len(heard)} in their language, {words - missing} of {words} words")
    for one in heard:
        if not one.is_right or one.missing:
            told = " / ".join(f"[{lang}] {text}" for lang, text in zip(one.langs, one.texts, strict=True))
            print(
                f"  {'ok ' if one.is_right else 'BAD'} {one.line.clip.lang} {one.line.clip.text[:70]!r}: {told}"
            )
    return right


def run(options: argparse.Namespace) -> bool:
    """Measure; whether enough were right."""
    clips = [
        clip
        for folder in options.folders
        for clip in find_clips(folder)
        if clip.speech and clip.kind == "speech" and len(load_samples(clip)) <= LONGEST_S * RATE_HZ
    ]
    langs = [lang for lang in options.langs.split(",") if lang]
    chosen = choose_lines(clips, options.count, options.seed)
    enough = True
    with tempfile.TemporaryDirectory(prefix="prompter-languages-") as folder:
        environment = {
            "PROMPTER_DATA_DIR": folder,
            "PROMPTER_STT__PROVIDER": "whisper_local",
            "PROMPTER_STT__WHISPER_LOCAL__MODEL": str(options.model),
            "PROMPTER_SCHEDULER__ADMIT_LOAD": "0",
        }
        with nullcontext(Target(options.url)) if options.url else run_own_server(environment) as server:
            for lead_s in options.lead:
                audio, lines = build_dictation(chosen, lead_s)
                heard = asyncio.run(hear(server.url, audio, lines, langs))
                right = report(
                    heard, f"langs {options.langs or 'not given'}, {lead_s:g} s of silence before each"
                )
                enough &= right >= options.least
            if (cpu_s := server.read_cpu_s()) is not None:
                print(f"CPU of the server: {cpu_s:.0f} s")
    return enough


# -- words from Asterisk's prompts

VOICES = {
    "en-US": ("en_US_f_Allison", "g722", "en"),
    "es-MX": ("es_MX_f_Allison", "g722", "es"),
    "es-CO": ("es", "gsm", "es"),
}
"""Name of the voice: folder of its prompts, their format, their language."""
PROMPTS = {
    "auth-thankyou": "thank you|gracias", "digits/day-0": "Sunday|domingo", "digits/day-1": "Monday|lunes",
    "digits/day-2": "Tuesday|martes", "digits/day-3": "Wednesday|miércoles", "digits/day-4": "Thursday|jueves",
    "digits/day-5": "Friday|viernes", "digits/day-6": "Saturday|sábado", "digits/today": "today|hoy",
    "digits/tomorrow": "tomorrow|mañana", "digits/yesterday": "yesterday|ayer", "digits/mon-0": "January|enero",
    "digits/mon-1": "February|febrero", "digits/mon-2": "March|marzo", "digits/mon-3": "April|abril",
    "digits/mon-4": "May|mayo", "digits/mon-5": "June|junio", "digits/mon-6": "July|julio",
    "digits/mon-7": "August|agosto", "digits/1": "one|uno", "digits/2": "two|dos", "digits/3": "three|tres",
    "digits/4": "four|cuatro", "digits/5": "five|cinco", "digits/6": "six|seis", "digits/7": "seven|siete",
    "digits/8": "eight|ocho", "digits/9": "nine|nueve", "digits/10": "ten|diez", "digits/20": "twenty|veinte",
    "digits/30": "thirty|treinta", "digits/minus": "minus|menos", "hours": "hours|horas",
    "minutes": "minutes|minutos", "seconds": "seconds|segundos", "vm-message": "message|mensaje",
    "vm-messages": "messages|mensajes", "vm-last": "last|último", "vm-Family": "family|familia",
    "vm-Friends": "friends|amigos", "vm-Work": "work|trabajo", "vm-no": "no|no", "vm-press": "press|presione",
    "digits/thousand": "thousand|mil", "digits/million": "million|millón", "vm-first": "first|primer",
    "hello": "hello|", "im-sorry": "I'm sorry|", "goodbye": "goodbye|", "digits/15": "fifteen|quince",
}  # fmt: skip
"""What is said in the prompts of a name, in English and in Spanish."""
WORD_S = 1.0


def make_words(options: argparse.Namespace) -> bool:
    """Write a folder of the words that last at most WORD_S."""
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for voice, (folder, suffix, lang) in VOICES.items():
        for name, texts in PROMPTS.items():
            path = options.sounds / folder / f"{name}.{suffix}"
            text = texts.split("|")[lang == "es"]
            if not text or not path.is_file():
                continue
            samples = decode(path, suffix)
            if len(samples) <= WORD_S * RATE_HZ:
                file = f"{voice}_{name.replace('/', '-')}.wav"
                write_wav(options.out / file, samples)
                rows.append({"file": file, "text": text, "lang": lang, "kind": "speech", "speaker": voice})
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (options.out / "manifest.jsonl").write_text(lines, encoding="utf-8")
    print(f"{len(rows)} words in {options.out}")
    return bool(rows)


def decode(path: Path, form: str) -> NDArray[np.int16]:
    """The samples of a file (16 kHz, mono)."""
    resampler = av.AudioResampler("s16", "mono", RATE_HZ)
    with av.open(str(path), format=form) as file:
        frames = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray().ravel() for frame in (*frames, *resampler.resample(None))])


def write_wav(path: Path, samples: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())


def main() -> int:
    """Run a command; 1 where too few were right."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    measure = commands.add_parser("run")
    measure.add_argument("folders", type=Path, nargs="+")
    measure.add_argument("--model", type=Path, required=True, help="folder of a Whisper checkpoint")
    measure.add_argument("--url", help="a server that runs already")
    measure.add_argument("--langs", default="", help="comma-separated; any if left out")
    measure.add_argument("--count", type=int, default=20)
    measure.add_argument("--lead", type=float, nargs="+", default=[0.0])
    measure.add_argument("--seed", type=int, default=1)
    measure.add_argument("--least", type=int, default=0)
    measure.set_defaults(command=run)
    words = commands.add_parser("words")
    words.add_argument("sounds", type=Path, help="folder of Asterisk's sounds")
    words.add_argument("out", type=Path)
    words.set_defaults(command=make_words)
    options = parser.parse_args()
    return 0 if options.command(options) else 1


if __name__ == "__main__":
    sys.exit(main())
