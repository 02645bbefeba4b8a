"""Whisper checkpoints that have a short name: the repository of each, and the order in which one is used."""

_SYSTRAN = ("tiny", "base", "small", "medium", "large-v1", "large-v2", "large-v3")
REPOSITORIES = {
    **{name: f"Systran/faster-whisper-{name}" for name in _SYSTRAN},
    **{f"{name}.en": f"Systran/faster-whisper-{name}.en" for name in ("tiny", "base", "small", "medium")},
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""Short names, and the repositories of the model hub that they stand for; both are those of faster-whisper."""

ALIASES = {"large": "large-v3", "turbo": "large-v3-turbo"}
"""Other words for a short name."""

TEST_CHECKPOINT = "whisper-samples"
"""The project's own tiny checkpoint. It knows only the sentences of `samples/`, so it is never the default."""

DEFAULT_ORDER = ("base", "small", "tiny", "base.en", "small.en", "tiny.en")
"""The default is the first of these that is there, else the smallest of the others."""


_ERROR_PERCENT = {
    "tiny": 7.6, "base": 5.0, "small": 3.4, "medium": 2.9, "large-v2": 2.7,
    "tiny.en": 5.6, "base.en": 4.2, "small.en": 3.1, "medium.en": 3.1,
}  # fmt: skip


def find_error_percent(name: str) -> float | None:
    """Return how many words are wrong in clearly read English, in percent; None where that is not known.

    On LibriSpeech test-clean, as the Whisper paper reports it.
    """
    return _ERROR_PERCENT.get(name)


def shorten_name(name: str) -> str:
    """Return the short name of a repository or an alias; any other name as it is."""
    by_repository = {repo: short for short, repo in REPOSITORIES.items()}
    return by_repository.get(name) or ALIASES.get(name, name)


def default_rank(name: str, size_bytes: int) -> tuple[int, int]:
    """Return the place of a checkpoint among the candidates for the default; the lowest is used."""
    return (DEFAULT_ORDER.index(name) if name in DEFAULT_ORDER else len(DEFAULT_ORDER), size_bytes)
