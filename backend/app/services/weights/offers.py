"""Weights as a person chooses among them: what each one gives, its size, whether it is here, how fast it is here."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from anyio.to_thread import run_sync

from app.core.config import Settings
from app.core.errors import PrompterError
from app.services.decoding.providers import SttProviders
from app.weights.catalog import KNOWN, KnownWeights
from app.weights.checkpoints import Checkpoint, choose_default_checkpoint, list_checkpoints
from app.weights.download import count_beginnings, count_download_bytes, is_removable
from app.weights.gguf import GgufFile, find_default_gguf, list_gguf
from app.weights.known_checkpoints import find_error_percent

logger = logging.getLogger(__name__)

SPEECH_ENGINE = "whisper_local"
LANGUAGE_ENGINE = "llama_local"
_PACKAGES = {"whisper": ("faster_whisper", "ctranslate2"), "gguf": ("xllamacpp",)}

KEEPS_UP = 0.3
"""Core seconds per second of speech up to which the text is there soon after the speech."""
LAGS = 0.85
"""Up to here it comes later and later, but comes; beyond, one speaker is more than a core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast this machine decodes with a checkpoint."""

    rate: float
    """Core seconds per second of speech."""
    is_measured: bool
    """False: estimated from another checkpoint that was measured here, by size."""

    @property
    def pace(self) -> Literal["keeps_up", "lags", "too_slow"]:
        if self.rate <= KEEPS_UP:
            return "keeps_up"
        return "lags" if self.rate <= LAGS else "too_slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Weights that are here, or can be fetched."""

    name: str
    kind: Literal["whisper", "gguf"]
    size_bytes: int
    download_bytes: int
    """0 where they are here, or cannot be fetched."""
    partial_bytes: int
    """What an earlier download left."""
    languages: tuple[str, ...] | None
    """None means about 100."""
    error_percent: float | None
    licence: str
    origin: str
    is_recommended: bool
    is_here: bool
    is_default: bool
    is_removable: bool
    engine: str
    model: str
    """By which requests ask `engine` for them."""
    can_run: bool
    """Whether the packages that run them are installed."""
    speed: Speed | None


async def list_offers(settings: Settings, stt: SttProviders) -> list[Offer]:
    """Everything that is here, and everything that can be fetched: first what hears, by size, then what answers."""
    offers = await run_sync(_list_offers, settings)
    rates = await stt.read_rates(SPEECH_ENGINE)
    sizes = {offer.model: offer.size_bytes for offer in offers if offer.kind == "whisper"}
    return [
        replace(offer, speed=_find_speed(offer, rates, sizes)) if offer.kind == "whisper" else offer
        for offer in offers
    ]


def find_free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk of a folder, which may not be there yet."""
    there = next((each for each in (folder, *folder.parents) if each.is_dir()), Path())
    return shutil.disk_usage(there).free


def _list_offers(settings: Settings) -> list[Offer]:
    checkpoints, files = list_checkpoints(settings), list_gguf(settings)
    checkpoint, file = choose_default_checkpoint(settings, checkpoints), find_default_gguf(settings)
    offers: dict[str, Offer] = {}
    for weights in KNOWN.values():
        offers[weights.name] = _describe_known(weights, settings, checkpoints, files)
    known_files = {name for weights in KNOWN.values() for name, _ in weights.sha256}
    for each in checkpoints:
        if each.name not in KNOWN and not each.test_only:
            offers[each.name] = _describe_own(each)
    for each_file in files:
        if each_file.path.name not in known_files:
            offers[f"gguf/{each_file.name}"] = _describe_own(each_file)
    used = {item.name for item in (checkpoint, file) if isinstance(item, Checkpoint | GgufFile)}
    marked = (replace(offer, is_default=offer.is_here and offer.model in used) for offer in offers.values())
    return sorted(marked, key=lambda offer: (offer.kind == "gguf", offer.size_bytes, offer.name))


def _describe_known(
    weights: KnownWeights, settings: Settings, checkpoints: list[Checkpoint], files: list[GgufFile]
) -> Offer:
    names = {name for name, _ in weights.sha256}
    here: Checkpoint | GgufFile | None
    if weights.kind == "gguf":
        here = next((file for file in files if file.path.name in names), None)
        model = here.name if here else next(iter(names)).removesuffix(".gguf")
    else:
        here = next((each for each in checkpoints if each.name == weights.name), None)
        model = weights.name
    return Offer(
        name=weights.name,
        kind=weights.kind,
        size_bytes=here.size_bytes if here else weights.size_bytes,
        download_bytes=0 if here else count_download_bytes(weights),
        partial_bytes=0 if here else count_beginnings(weights, settings),
        languages=("en",) if weights.languages == "en" else None,
        error_percent=find_error_percent(weights.name) if weights.kind == "whisper" else None,
        licence=weights.licence,
        origin=weights.origin,
        is_recommended=weights.is_recommended,
        is_here=here is not None,
        is_default=False,
        is_removable=here is not None and is_removable(weights, settings),
        engine=SPEECH_ENGINE if weights.kind == "whisper" else LANGUAGE_ENGINE,
        model=model,
        can_run=_can_run(weights.kind),
        speed=None,
    )


def _describe_own(here: Checkpoint | GgufFile) -> Offer:
    """Weights that the catalog does not know: somebody has put them here."""
    is_whisper = isinstance(here, Checkpoint)
    return Offer(
        name=here.name,
        kind="whisper" if is_whisper else "gguf",
        size_bytes=here.size_bytes,
        download_bytes=0,
        partial_bytes=0,
        languages=("en",) if isinstance(here, Checkpoint) and not here.multilingual else None,
        error_percent=None,
        licence="",
        origin="",
        is_recommended=False,
        is_here=True,
        is_default=False,
        is_removable=False,
        engine=SPEECH_ENGINE if is_whisper else LANGUAGE_ENGINE,
        model=here.name,
        can_run=_can_run("whisper" if is_whisper else "gguf"),
        speed=None,
    )


def _can_run(kind: Literal["whisper", "gguf"]) -> bool:
    return all(find_spec(package) is not None for package in _PACKAGES[kind])


def _find_speed(offer: Offer, rates: Mapping[str, float], sizes: Mapping[str, int]) -> Speed | None:
    """What was measured here, else an estimate from the measured checkpoint whose size is nearest."""
    if offer.model in rates:
        return Speed(rate=rates[offer.model], is_measured=True)
    known = [name for name in rates if sizes.get(name)]
    if not known:
        return None
    nearest = min(known, key=lambda name: abs(sizes[name] - offer.size_bytes))
    return Speed(rate=rates[nearest] * offer.size_bytes / sizes[nearest], is_measured=False)


async def measure_arrival(stt: SttProviders, weights: KnownWeights) -> None:
    """Measure how fast this machine is with a checkpoint that has come, where its engine is installed.

    One that is estimated to be too slow is not: its measurement would hold every core for long.
    """
    if weights.kind != "whisper" or not _can_run("whisper"):
        return
    rates = await stt.read_rates(SPEECH_ENGINE)
    sizes = {name: KNOWN[name].size_bytes for name in rates if name in KNOWN}
    known = [rates[name] / size for name, size in sizes.items()]
    if known and min(known) * weights.size_bytes > LAGS:
        return
    try:
        await stt.measure(SPEECH_ENGINE, weights.name)
    except PrompterError as error:
        logger.warning("the speed of %s was not measured: %s", weights.name, error.message)
