"""Marks a package that is built without the web app, in its version and in the output; pyproject.toml has the rest."""

import sys
from pathlib import Path

from setuptools import setup

WEB = Path(__file__).resolve().parent / "backend" / "app" / "web"
LABEL = "+without.web"
"""A local version label: pip, pipx and uv hide what a build says, and show its version and file name."""

options = {}
if not (WEB / "index.html").is_file():
    sys.stderr.write(
        "prompter: this package has no web app; `make wheel` builds one that has it (needs Node)\n"
    )
    options["egg_info"] = {"tag_build": LABEL}
setup(options=options)
