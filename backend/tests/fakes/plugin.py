"""Installs the example plugin as pip would, for one test."""

from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"

ENTRY_POINTS = """
[prompter.stt_providers]
sound_meter = prompter_plugin_example:SoundMeterProvider
cloud_stub = prompter_plugin_example:SoundMeterProvider
does_not_import = prompter_plugin_example.missing:Provider

[prompter.llm_providers]
parrot = prompter_plugin_example:ParrotProvider
echo = prompter_plugin_example:ParrotProvider
"""
"""What the package registers: two engines, two names that are taken, and one that is broken."""


def install_plugin(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Make the example package importable and its metadata visible until `patch` is undone."""
    info = folder / "prompter_plugin_example-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: prompter-plugin-example\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    patch.syspath_prepend(str(folder))
    patch.syspath_prepend(str(PLUGINS))
