"""`prompter doctor`: checks an installation, and says what to do."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from app.cli.common import FAILED, OK, AsJson, read_settings, result_console, run_async

if TYPE_CHECKING:
    from app.cli.doctor.findings import Finding, State
    from app.core.config import Settings


def doctor(as_json: AsJson = False) -> None:
    """Check this installation by its settings, and say what to do.

    Exit code 1: the server would not start, does not work, or is about to lose data. Run it as the user that runs the
    server, whether that runs or not. It changes nothing.
    """
    settings = read_settings()
    findings = list(examine(settings, datetime.now(UTC)))
    state = find_worst(findings)
    if as_json:
        typer.echo(json.dumps({"state": state, "findings": [asdict(each) for each in findings]}))
    else:
        _print(findings)
    raise typer.Exit(FAILED if state == "problem" else OK)


def examine(settings: "Settings", now: datetime) -> "Iterator[Finding]":
    """Run all checks, in the order in which one would set a server up."""
    from app.cli.config_sources import has_database, read_connections
    from app.cli.doctor import data, network, parts, tier

    yield from parts.check_page()
    yield from parts.check_extras(settings)
    yield from data.check_folder(settings)
    yield from data.check_disk(settings)
    found = run_async(data.check_database(settings, now))
    yield from found
    yield from data.check_backup(settings, now)
    is_readable = has_database(settings) and all(each.state != "problem" for each in found)
    connected = run_async(read_connections(settings)) if is_readable else []
    yield from parts.check_speech(settings)
    yield from parts.check_language_model(settings, len(connected))
    yield from tier.check_tier(settings, os.environ)
    yield from network.check_network(settings, os.environ, now)


def find_worst(findings: "list[Finding]") -> "State":
    """Return the worst state of all findings."""
    states = {each.state for each in findings}
    return "problem" if "problem" in states else "warning" if "warning" in states else "ok"


def _print(findings: "list[Finding]") -> None:
    console = result_console()
    styles: dict[State, str] = {"ok": "green", "warning": "yellow", "problem": "red"}
    for each in findings:
        console.print(f"{each.state:<8}", style=styles[each.state], end="")
        console.print(f"{each.check:<15}{each.message}", markup=False)
        if each.advice:
            console.print(f"{'':<23}-> {each.advice}", markup=False)
    count = {state: sum(each.state == state for each in findings) for state in styles}
    console.print(
        f"{count['problem']} problems, {count['warning']} warnings, {count['ok']} in order", markup=False
    )
