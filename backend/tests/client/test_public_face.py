"""`prompter` is what others import: every name it promises is there, and it is typed."""

from pathlib import Path

import prompter


def test_every_promised_name_is_there() -> None:
    assert {"PromptClient", "SttProvider", "LlmProvider", "SttCapabilities"} <= set(prompter.__all__)
    for name in prompter.__all__:
        assert getattr(prompter, name).__module__.startswith("app.") or name == "Samples"


def test_type_checkers_may_believe_it() -> None:
    assert (Path(prompter.__file__).parent / "py.typed").exists()
