"""Short names of checkpoints are those of faster-whisper, and each stands for one repository."""

import pytest

from app.weights.known_checkpoints import ALIASES, DEFAULT_ORDER, REPOSITORIES, default_rank, shorten_name


def test_names_are_those_of_faster_whisper() -> None:
    from faster_whisper.utils import _MODELS

    ours = {**REPOSITORIES, **{alias: REPOSITORIES[name] for alias, name in ALIASES.items()}}
    assert ours == _MODELS


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("base", "base"),
        ("Systran/faster-whisper-base", "base"),
        ("large", "large-v3"),
        ("turbo", "large-v3-turbo"),
        ("somebody/whisper", "somebody/whisper"),
    ],
)
def test_a_repository_and_an_alias_have_a_short_name(name: str, short: str) -> None:
    assert shorten_name(name) == short


def test_the_default_is_a_preferred_name_and_else_the_smallest() -> None:
    sizes = {"mine": 5, "tiny": 50, "base": 90, "other": 3}
    assert sorted(sizes, key=lambda name: default_rank(name, sizes[name])) == [
        "base",
        "tiny",
        "other",
        "mine",
    ]
    assert set(DEFAULT_ORDER) <= set(REPOSITORIES)
