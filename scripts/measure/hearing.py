"""Measures what a server hears: words kept of damaged speech, and words made of sounds without speech.

python scripts/measure/hearing.py words DIR --model FOLDER [--conditions "telephone,-60 dBFS"] [--path upload]
python scripts/measure/hearing.py phantoms DIR --model FOLDER [--music DIR]

DIR holds recordings and their transcripts, as for `prompter bench run`. FOLDER holds a Whisper checkpoint, which a
server of this checkout and the control use; `--url` measures a server that runs already, and needs its `--label`.
`words` compares with faster-whisper on the same audio, behind its own speech gate (`vad_filter`) and without one, and
exits with 1 where the server keeps fewer words. `phantoms` exits with 1 if anything was heard.

Texts are kept in `--out`, by label and audio: a run that was stopped goes on, and a subset adds to it. The control's
texts are kept in the user's cache folder.
"""

import argparse
import asyncio
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import wave
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args

import httpx2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.bench.clips import RATE_HZ, Clip, find_clips, load_samples  # noqa: E402  # the path above comes first
from app.bench.damage import Sound, list_conditions, make_dice, to_samples, to_sound  # noqa: E402
from app.bench.figures import BenchError  # noqa: E402
from app.bench.kept import (  # noqa: E402
    ClipWords,
    count_kept,
    format_rows,
    has_fewer_in_sum,
    split_words,
    sum_rows,
)
from app.bench.sounds import make_sounds  # noqa: E402
from app.bench.target import normalize_server_url, run_own_server  # noqa: E402
from app.client.errors import ClientError  # noqa: E402
from app.client.prompt_client import PromptClient  # noqa: E402
from app.core.endpointing_profiles import EndpointingProfile  # noqa: E402

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "prompter" / "hearing"
PATHS = ("socket", "upload")
CHUNK = RATE_HZ // 5 * 2
CONTROLS: dict[str, dict[str, Any]] = {
    "gated": {"beam_size": 5, "vad_filter": True},
    "ungated": {"beam_size": 5},
}
EVENTS = ("utterance_discarded",)
KEPT_FIELDS = ("text", "start_ms", "end_ms", "lang", "joined", "uncovered", "reason", "dbfs")
MUSIC_S = 60
UPLOAD_S = 900


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of audio to send."""

    name: str
    """`clip/condition` of speech, the name of a sound."""
    samples: np.ndarray
    lang: str

    @property
    def wav(self) -> bytes:
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(self.samples.astype("<i2").tobytes())
        return out.getvalue()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.samples.astype("<i2").tobytes()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Heard:
    """What one way of sending gave."""

    label: str
    name: str
    digest: str
    lang: str
    path: str
    text: str
    finals: list[dict[str, Any]] = field(default_factory=list)
    """Those with text: text, times, and what else is told about them."""
    discarded: list[dict[str, Any]] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, ...]:
        return (self.label, self.digest, self.lang, self.path)


class Store:
    """Texts in a file of one JSON object a line, by label, audio, language and path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        rows = (Heard(**json.loads(line)) for line in lines)
        self._found = {row.key: row for row in rows}

    def get(self, *key: str) -> Heard | None:
        return self._found.get(key)

    def add(self, heard: Heard) -> None:
        self._found[heard.key] = heard
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(heard), ensure_ascii=False) + "\n")


# -- the server


async def hear(pieces: Iterator[Piece], options: argparse.Namespace, url: str, store: Store) -> int:
    """Send what is not in the store yet; the number of failures, which are printed."""
    failures, label = 0, options.label
    free = asyncio.Semaphore(options.at_once)

    async def send(piece: Piece, path: str) -> None:
        nonlocal failures
        try:
            if path == "socket":
                answer = await dictate(url, piece, options.endpointing)
            else:
                answer = await upload(url, piece)
            store.add(Heard(label, piece.name, piece.digest, piece.lang, path, **answer))
        except (ClientError, httpx2.HTTPError) as error:
            failures += 1
            print(f"{piece.name} by {path} failed: {error!r}", file=sys.stderr)
        finally:
            free.release()

    async with asyncio.TaskGroup() as group:
        for piece in pieces:
            for path in options.paths:
                if store.get(label, piece.digest, piece.lang, path) is None:
                    await free.acquire()
                    group.create_task(send(piece, path))
    return failures


async def dictate(url: str, piece: Piece, endpointing: EndpointingProfile | None) -> dict[str, Any]:
    """Send a piece over the socket as fast as the server takes it."""
    pcm = piece.samples.astype("<i2").tobytes()

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(pcm), CHUNK):
            yield pcm[at : at + CHUNK]

    finals, discarded = [], []
    async with PromptClient(url) as client:
        async for event in client.dictate(
            chunks(),
            sample_rate=RATE_HZ,
            lang=piece.lang,
            partials=False,
            endpointing=endpointing,
            events=EVENTS,
        ):
            kept = {name: event.data[name] for name in KEPT_FIELDS if event.data.get(name)}
            if event.type == "final" and event.text:
                finals.append(kept)
            elif event.type in ("final", "utterance_discarded"):
                discarded.append(kept)
    return {"text": " ".join(final["text"] for final in finals), "finals": finals, "discarded": discarded}


async def upload(url: str, piece: Piece) -> dict[str, Any]:
    """Send a piece to `/v1/audio/transcriptions`."""
    form = {"model": "whisper-1", "response_format": "verbose_json"}
    if piece.lang != "auto":
        form["language"] = piece.lang
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=UPLOAD_S) as http:
        files = {"file": ("speech.wav", piece.wav)}
        answer = await http.post("/v1/audio/transcriptions", data=form, files=files)
    answer.raise_for_status()
    body = answer.json()
    finals = [
        {"text": part["text"], "start_ms": round(part["start"] * 1000), "end_ms": round(part["end"] * 1000)}
        for part in body.get("segments", [])
    ]
    return {"text": body["text"], "finals": finals, "discarded": body.get("discarded") or []}


@contextmanager
def find_server(options: argparse.Namespace) -> Iterator[str]:
    """The server at `--url`, or one of this checkout with a data folder of its own."""
    if options.url:
        yield normalize_server_url(options.url)
        return
    with tempfile.TemporaryDirectory(prefix="prompter-hearing-") as folder:
        environment = {
            "PROMPTER_DATA_DIR": folder,
            "PROMPTER_STT__PROVIDER": "whisper_local",
            "PROMPTER_STT__WHISPER_LOCAL__MODEL": str(options.model),
            "PROMPTER_SCHEDULER__ADMIT_LOAD": "0",
        }
        with run_own_server(environment) as server:
            yield server.url


def read_label() -> str:
    """The commit of this checkout, with a mark if it was changed."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=9"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


# -- the control


class Control:
    """faster-whisper on whole pieces; a text never changes, so it is decoded once."""

    def __init__(self, model: Path, threads: int) -> None:
        import faster_whisper

        self._model = model
        self._threads = threads
        size = (model / "model.bin").stat().st_size
        self._name = f"{faster_whisper.__version__} {model.name} {size} int8"
        self._engine: Any = None

    def read(self, kind: str, piece: Piece) -> str | None:
        """The text, if it is known."""
        path = self._find(kind, piece)
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def decode_all(self, pieces: Iterator[Piece], kinds: Sequence[str]) -> None:
        """Decode what is not known yet."""
        with ThreadPoolExecutor(self._threads) as pool:
            waiting = []
            for piece in pieces:
                waiting += [
                    pool.submit(self._decode, kind, piece) for kind in kinds if self.read(kind, piece) is None
                ]
                while len(waiting) > 4 * self._threads:
                    waiting.pop(0).result()
            for job in waiting:
                job.result()

    def _decode(self, kind: str, piece: Piece) -> None:
        import faster_whisper

        if self._engine is None:
            self._engine = faster_whisper.WhisperModel(
                str(self._model), device="cpu", compute_type="int8", cpu_threads=1, num_workers=self._threads
            )
        found, _ = self._engine.transcribe(io.BytesIO(piece.wav), language=piece.lang, **CONTROLS[kind])
        text = " ".join(part.text.strip() for part in found)
        path = self._find(kind, piece)
        path.parent.mkdir(parents=True, exist_ok=True)
        partly = path.with_suffix(f".{os.getpid()}")
        partly.write_text(text, encoding="utf-8")
        partly.rename(path)

    def _find(self, kind: str, piece: Piece) -> Path:
        name = f"{self._name} {CONTROLS[kind]} {piece.lang} {piece.digest}"
        digest = hashlib.sha256(name.encode()).hexdigest()
        return CACHE / digest[:2] / f"{digest}.txt"


# -- words


def run_words(options: argparse.Namespace) -> bool:
    """Print the table and the worst clips; whether words are missing or anything failed."""
    clips = find_speech(options)
    pieces = partial(make_pieces, options, clips)
    control = Control(options.model, options.threads)
    kinds = [kind for kind in CONTROLS if kind in options.control]
    store, failures = Store(options.out), 0
    if not options.report:
        control.decode_all(pieces(), kinds)
        if options.paths:
            with find_server(options) as url:
                failures = asyncio.run(hear(pieces(), options, url, store))
    truths = {clip.id: clip.text for clip in clips}
    found, texts, unknown = [], {}, 0
    for path in options.paths:
        for piece in pieces():
            clip, _, condition = piece.name.partition("/")
            heard = store.get(options.label, piece.digest, piece.lang, path)
            gated = control.read("gated", piece)
            if heard is None or gated is None:
                unknown += 1
                continue
            said = {"truth": truths[clip], "ours": heard.text, "control": gated}
            if (ungated := control.read("ungated", piece)) is not None:
                said["ungated"] = ungated
            words = {name: split_words(text, piece.lang) for name, text in said.items()}
            found.append(ClipWords(clip=clip, condition=condition, lang=piece.lang, path=path, **words))
            texts[clip, condition, path] = said
    rows = sorted(sum_rows(found), key=lambda row: (list_names(options).index(row.condition), row.lang))
    print(f"{options.label}, seed {options.seed}, {len(clips)} clips\n\n{format_rows(rows)}")
    if unknown:
        print(f"\n{unknown} texts are not known yet: theirs are left out.")
    total = [sum(getattr(row, name) for row in rows) for name in ("words", "kept", "control", "ungated")]
    print("\nIn all rows: {} words, {} kept, {} by the control, {} without a gate.".format(*total))
    print_worst(found, texts, options.worst)
    fewer = [f"{row.condition} {row.lang} {row.path}" for row in rows if row.has_fewer]
    if fewer:
        print(f"\nToo few words: {'; '.join(fewer)}")
    return bool(fewer) or has_fewer_in_sum(rows) or failures > 0


def print_worst(
    found: Sequence[ClipWords], texts: dict[tuple[str, str, str], dict[str, str]], count: int
) -> None:
    """The pieces that lose most words against the control, then those that lose most at all."""
    by_loss = sorted(found, key=lambda one: (-one.lost, count_kept(one.truth, one.ours) - len(one.truth)))
    for one in by_loss[:count]:
        said = texts[one.clip, one.condition, one.path]
        print(f"\n{one.clip}, {one.condition}, {one.path}: {one.lost} words fewer than the control")
        for name, text in said.items():
            print(f"  {name:8} {text}")


def find_speech(options: argparse.Namespace) -> list[Clip]:
    langs = [options.lang] if options.lang else []
    wanted = [clip for clip in find_clips(options.folder, langs) if clip.speech]
    if options.longest:
        wanted = [clip for clip in wanted if len(load_samples(clip)) <= options.longest * RATE_HZ]
    chosen = set(filter(None, options.clips.split(",")))
    if unknown := chosen - {clip.id for clip in wanted}:
        raise BenchError(f"no clips {', '.join(sorted(unknown))} in {str(options.folder)!r}")
    return [clip for clip in wanted if not chosen or clip.id in chosen]


def list_names(options: argparse.Namespace) -> list[str]:
    """The conditions that were asked for, in the order of the table."""
    known = list(list_conditions(np.zeros(1)))
    wanted = [name.strip() for name in options.conditions.split(";") if name.strip()]
    if unknown := set(wanted) - set(known):
        raise BenchError(f"no condition {', '.join(sorted(unknown))}; known: {'; '.join(known)}")
    return [name for name in known if not wanted or name in wanted]


def make_pieces(options: argparse.Namespace, clips: Sequence[Clip]) -> Iterator[Piece]:
    """Every clip under every condition; the music is the folder's, where it has a clip of that name."""
    names = list_names(options)
    music = next(
        (clip for clip in find_clips(options.folder) if not clip.speech and options.under in clip.id), None
    )
    if music is None and any(name.startswith("music") for name in names):
        raise BenchError(f"no clip without speech whose id has {options.under!r}; name one with --under")
    conditions = list_conditions(to_sound(load_samples(music)) if music else np.zeros(1))
    for clip in clips:
        sound = to_sound(load_samples(clip))
        for name in names:
            damaged = conditions[name](sound, make_dice(options.seed, clip.id, name))
            yield Piece(f"{clip.id}/{name}", to_samples(damaged), clip.lang)


# -- phantoms


def run_phantoms(options: argparse.Namespace) -> bool:
    """Print every final with text; whether there is one, or anything failed."""
    store = Store(options.out)
    pieces = partial(list_sounds, options)
    failures = 0
    if not options.report:
        with find_server(options) as url:
            failures = asyncio.run(hear(pieces(), options, url, store))
    runs, phantoms, inputs, seconds = 0, [], set(), 0.0
    for piece in pieces():
        if piece.name not in inputs:
            inputs.add(piece.name)
            seconds += len(piece.samples) / RATE_HZ
        for path in options.paths:
            heard = store.get(options.label, piece.digest, piece.lang, path)
            runs += heard is not None
            if heard and heard.text.strip():
                phantoms.append(f"| {piece.name} | {piece.lang} | {path} | {heard.text} |")
    print(
        f"{options.label}: {len(phantoms)} of {runs} runs have text; {len(inputs)} inputs, {seconds:.0f} s\n"
    )
    print("\n".join(["| input | language | path | text |", "|---|---|---|---|", *phantoms]))
    return bool(phantoms) or failures > 0


def list_sounds(options: argparse.Namespace) -> Iterator[Piece]:
    """The sounds that are made, those of the folder, and pieces of music, in each language."""
    for name, sound in _list_sounds(options):
        wanted = [part.strip() for part in options.sounds.split(";") if part.strip()]
        if wanted and not any(part in name for part in wanted):
            continue
        for lang in options.langs.split(","):
            yield Piece(name, to_samples(sound), lang)


def _list_sounds(options: argparse.Namespace) -> Iterator[tuple[str, Sound]]:
    if not options.music_alone:
        yield from make_sounds(options.seed)
        for clip in find_clips(options.folder):
            if not clip.speech:
                yield clip.id, to_sound(load_samples(clip))
    for folder in options.music:
        for path in sorted(folder.iterdir()):
            samples = load_samples(Clip(path.stem, path, "", "none", "non-speech"))
            # From the first third on: what begins softly is music by then.
            begin = max(0, min(len(samples) // 3, len(samples) - MUSIC_S * RATE_HZ))
            yield f"music {path.stem}", to_sound(samples[begin : begin + MUSIC_S * RATE_HZ])


# -- the command


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("words", "phantoms"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="folder of the Whisper checkpoint")
    parser.add_argument("--url", help="a server that runs already")
    parser.add_argument("--label", help="what is measured; the commit of this checkout if absent")
    parser.add_argument("--out", type=Path, default=Path("hearing.jsonl"), help="file of texts")
    parser.add_argument("--report", action="store_true", help="only print what is known")
    parser.add_argument("--path", choices=PATHS, action="append", dest="paths", help="both if absent")
    parser.add_argument("--endpointing", choices=get_args(EndpointingProfile), help="profile of the socket")
    parser.add_argument("--at-once", type=int, default=3, help="requests at a time")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.add_argument_group("words")
    words.add_argument("--conditions", default="", help="separated by semicolons; all if absent")
    words.add_argument("--clips", default="", help="ids, separated by commas; all if absent")
    words.add_argument("--lang", help="clips of one language")
    words.add_argument("--longest", type=float, help="clips of up to so many seconds")
    words.add_argument("--under", default="jazz", help="part of the id of the music under speech")
    words.add_argument("--control", default="gated,ungated", help="which controls to decode")
    words.add_argument("--control-alone", action="store_true", help="decode the control, ask no server")
    words.add_argument("--threads", type=int, default=2, help="of the control")
    words.add_argument("--worst", type=int, default=10, help="how many clips to print")
    sounds = parser.add_argument_group("phantoms")
    sounds.add_argument(
        "--music", type=Path, action="append", default=[], help="folder of instrumental pieces"
    )
    sounds.add_argument("--music-alone", action="store_true", help="leave all other sounds out")
    sounds.add_argument("--sounds", default="", help="parts of names, separated by semicolons; all if absent")
    sounds.add_argument("--langs", default="en,es,auto")
    options = parser.parse_args()
    options.label = options.label or read_label()
    if options.endpointing:
        options.label += f" {options.endpointing}"  # its texts are others
    options.paths = [] if options.control_alone else options.paths or list(PATHS)
    try:
        return int((run_words if options.what == "words" else run_phantoms)(options))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
